package main

import (
	"testing"

	"rdrec/registry"
)

func TestTotalText(t *testing.T) {
	t.Parallel()
	rows := []registry.PlanRow{{Label: "import", Cached: true}, {Label: "pretrain rdrec/1"}}
	work := registry.Estimate{Low: 3600, High: 9000, Runs: 2}
	long := registry.Estimate{Low: 72_000, High: 72_000, Runs: 2}
	for want, plan := range map[string]registry.Plan{
		"1 of 2 stages are cached, 1 will run; no basis for the time of 1": {Stages: rows, Unknown: 1},
		"1 of 2 stages are cached, 1 will run: 1h00m to 2h30m of work (2 runs of this bucket), " +
			"1h00m to 2h30m of it on the queue rdrec-gpu": {Stages: rows, Total: work, GPU: work},
		"1 of 2 stages are cached, 1 will run: 1h00m to 2h30m of work (2 runs of this bucket), " +
			"1 to 2.5 GPU-hours of it": {Stages: rows, Total: work, GPU: work, OnGPU: work},
		"1 of 2 stages are cached, 1 will run: 20h00m of work (2 runs of this bucket), " +
			"20 to 20 GPU-hours of it": {Stages: rows, Total: long, GPU: long, OnGPU: long},
	} {
		if got := totalText(plan); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
