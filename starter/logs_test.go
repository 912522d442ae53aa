package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/exitcode"
	"rdrec/storage"
)

// TestLogs prints the logs of the newest run in the order of time, for a stage and as JSON.
func TestLogs(t *testing.T) {
	t.Parallel()
	address := "file://" + t.TempDir()
	bucket, err := storage.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	const first = `{"level":"info","run":"shop","stage":"import","time":"2026-01-02T03:04:05Z",` +
		`"message":"activity starts"}` +
		"\n"
	const third = `{"level":"warn","run":"shop","stage":"import","error":"torn","time":"2026-01-02T03:04:07Z",` +
		`"message":"activity ends"}` + "\n"
	const second = `{"level":"info","run":"shop","stage":"pretrain rdrec/1","time":"2026-01-02T03:04:06Z",` +
		`"message":"hi"}` +
		"\n"
	for name, lines := range map[string]string{"shop-1": first + third, "rdrec-1-1": second} {
		if err := bucket.PutLog(t.Context(), "shop", "r", name, []byte(lines)); err != nil {
			t.Fatal(err)
		}
	}
	stderr := &watchedBuffer{}
	run := func(want int, args ...string) string {
		t.Helper()
		stdout := &watchedBuffer{}
		args = append([]string{"logs", "--bucket", address}, args...)
		if code := run(t.Context(), args, stdout, stderr); code != want {
			t.Fatalf("exit code %d, want %d; stderr:\n%s", code, want, stderr)
		}
		return stdout.String()
	}
	contains(t, run(exitcode.OK, "shop"), "INF import: activity starts\n", "INF pretrain rdrec/1: hi\n",
		"WRN import: activity ends error=torn\n")
	if diff := cmp.Diff(first+second+third, run(exitcode.OK, "shop/r", "--json")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(second, run(exitcode.OK, "shop", "pretrain", "--json")); diff != "" {
		t.Error(diff)
	}
	run(exitcode.NoBucket, "none")
}
