package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/exitcode"
)

// TestRetention shows a change before it is made, and lets gc follow it.
func TestRetention(t *testing.T) {
	t.Parallel()
	env, stderr := newTestEnv(t, nil), &watchedBuffer{}
	file := filepath.Join(strings.TrimPrefix(env.bucket, "file://"), "settings.json")
	stdout, code := env.command(t, stderr, "retention")
	if code != exitcode.OK {
		t.Fatalf("code %d, stderr:\n%s", code, stderr)
	}
	contains(t, stdout, "all names                all runs, and the models of the last 30 promotions")
	stdout, _ = env.command(t, stderr, "retention", "--keep-runs", "3", "--keep-days", "90")
	contains(t, stdout, "the last 3 runs and the runs of 90 days")
	contains(t, stdout, "would delete      0 objects       0 B  records, reports and logs of runs that no policy keeps")
	contains(t, stderr.String(), "nothing was changed: add --yes")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the settings were changed: %v", err)
	}
	for _, args := range [][]string{
		{"--keep-runs", "3"},
		{"--name", "shop", "--keep-runs", "0", "--keep-promotions", "5"},
		{"--name", "toys", "--keep-runs", "1"},
		{"--name", "toys", "--default"},
		{"--keep-checkpoints"},
	} {
		if _, code := env.command(t, stderr, append([]string{"retention", "--yes"}, args...)...); code != exitcode.OK {
			t.Fatalf("%v: code %d, stderr:\n%s", args, code, stderr)
		}
	}
	stdout, _ = env.command(t, stderr, "retention", "--json")
	var got retentionOutput
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	shop, own := got.Retention.Names["shop"]
	if r := got.Retention; r.KeepRuns != 3 || !own || shop.KeepRuns != 0 || shop.KeepPromotions != 5 ||
		len(r.Names) != 1 || !r.KeepCheckpoints || got.Collects != nil {
		t.Errorf("%+v", got)
	}
	stdout, _ = env.command(t, stderr, "gc", "--dry-run")
	contains(t, stdout, "runs that no policy keeps: the last 3 runs, and the models of the last 30 promotions")
	stdout, _ = env.command(t, stderr, "gc", "--dry-run", "--keep-runs", "0")
	if strings.Contains(stdout, "policy") {
		t.Errorf("--keep-runs 0 keeps all runs:\n%s", stdout)
	}
	for _, args := range [][]string{
		{"--keep-promotions", "1"}, {"--keep-runs", "-1"}, {"--default"}, {"--keep-runs", "3", "--grace", "1h"},
	} {
		_, code := env.command(t, &watchedBuffer{}, append([]string{"retention"}, args...)...)
		if code != exitcode.Usage {
			t.Errorf("%v: code %d", args, code)
		}
	}
}
