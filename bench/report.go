package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"rdrec/internal/torch"
)

// report is the measurements of a run.
type report struct {
	What    string `json:"what"`
	CPU     string `json:"cpu"`
	Threads int    `json:"threads"`
	Rounds  int    `json:"turns"`
	// Peak is the speed of a product of two matrices of 2,048 rows, in 10^9 operations per
	// CPU-second.
	Peak float64   `json:"peak_gflops_per_cpu_second,omitempty"`
	Rows []*result `json:"rows"`
	// BatchWait is how long training waits for its batches.
	BatchWait *batchWait `json:"batch_wait,omitempty"`
}

// result is the measurements of one side of a workload.
type result struct {
	Work string `json:"work"`
	Side string `json:"side"`
	Unit string `json:"unit"`
	// Rates are amounts per second, one per turn. Ratios and CPURatios compare them with the first
	// side's in the same turn, by the clock and by CPU time.
	Rates     []float64 `json:"rates"`
	Ratios    []float64 `json:"ratios,omitempty"`
	CPURatios []float64 `json:"cpu_ratios,omitempty"`
	Target    float64   `json:"target,omitempty"`
	Memory    int64     `json:"memory"`
	// MemoryRatio is the first side's memory divided by this one's.
	MemoryRatio float64 `json:"memory_ratio,omitempty"`
	Operations  int64   `json:"operations,omitempty"`
	// Roofline is the time of the minimum arithmetic at Peak divided by the CPU time.
	Roofline  float64 `json:"roofline,omitempty"`
	Agreement string  `json:"agreement,omitempty"`

	cpu, seconds []float64 // CPU-seconds: per amount, and in total
}

func (b *bench) report(what string) *report {
	return &report{What: what, CPU: cpuModel(), Threads: b.threads, Rounds: b.pairs}
}

func (r *result) add(x measurement) {
	r.Rates = append(r.Rates, x.Amount/x.Seconds)
	r.cpu, r.seconds = append(r.cpu, x.CPU/x.Amount), append(r.seconds, x.CPU)
	r.Memory = max(r.Memory, x.Memory)
}

func (r *result) compareTo(first *result) {
	last := len(r.Rates) - 1
	r.Ratios = append(r.Ratios, r.Rates[last]/first.Rates[last])
	r.CPURatios = append(r.CPURatios, first.cpu[last]/r.cpu[last])
	r.MemoryRatio = float64(first.Memory) / float64(r.Memory)
}

// processors returns the median CPU-seconds of a turn.
func (r *result) processors() float64 { return median(r.seconds) }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (r *report) writeHeader(out io.Writer) {
	fmt.Fprintf(out, "%s, %d threads, %d turns", r.CPU, r.Threads, r.Rounds)
	if r.Peak > 0 {
		fmt.Fprintf(out, ", at most %.0f GFLOP per CPU-second", r.Peak)
	}
	fmt.Fprintf(out, "\n%-28s %-17s %17s %24s %6s %8s %9s %6s %5s  %s\n",
		"workload", "side", "rate (median)", "ratio (min-max)", "target", "CPU", "memory", "ops", "peak", "agreement")
}

func (r *result) writeLine(out io.Writer) {
	fmt.Fprintf(out, "%-28s %-17s %7.2f %-9s", r.Work, r.Side, median(r.Rates), r.Unit)
	if len(r.Ratios) == 0 {
		fmt.Fprintf(out, " %40s %6.2f GB %6d\n", "", float64(r.Memory)/1e9, r.Operations)
		return
	}
	ratio := fmt.Sprintf("%.2fx (%.2f-%.2f)", median(r.Ratios), slices.Min(r.Ratios), slices.Max(r.Ratios))
	fmt.Fprintf(out, " %24s %6s %7.2fx %6.2f GB %6d %5s  %s\n", ratio, times(r.Target), median(r.CPURatios),
		float64(r.Memory)/1e9, r.Operations, percent(r.Roofline), r.Agreement)
}

func times(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%gx", x)
}

func percent(x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100*x)
}

func (r *report) save(path string) error {
	if path == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// cpuModel returns the name of the machine's CPU.
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		if name := field(string(info), "model name"); name != "" {
			return name
		}
	}
	return runtime.GOARCH
}

// peakGFLOPS returns the highest speed of several matrix products, by MatMul and by Linear.
func peakGFLOPS(threads int) (gflops float64, err error) {
	const size, tries = 2048, 8
	err = torch.Run(func(s *torch.Scope) error {
		torch.Threads(threads)
		matrix := s.Zeros(torch.Float32, torch.CPU, size, size).Uniform(-1, 1)
		for range tries {
			for _, multiply := range []func(*torch.Tensor) *torch.Tensor{matrix.MatMul, matrix.Linear} {
				started := cpuSeconds()
				multiply(matrix).Free()
				gflops = max(gflops, 2*size*size*size/(cpuSeconds()-started)/1e9)
			}
		}
		return nil
	})
	return gflops, err
}
