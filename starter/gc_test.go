package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rdrec/internal/exitcode"
)

// TestGCSparesObjectsOfRunningWorkflows checks that old unreferenced content is deleted only if no
// workflow that started before it was written is running.
func TestGCSparesObjectsOfRunningWorkflows(t *testing.T) {
	t.Parallel()
	env, stderr := newTestEnv(t, nil), &watchedBuffer{}
	_, code := env.command(t, stderr, "run", "--no-watch", writeSpec(t, "waits"))
	if code != exitcode.OK {
		t.Fatalf("run: code %d, stderr:\n%s", code, stderr)
	}
	root := strings.TrimPrefix(env.bucket, "file://")
	orphans, err := filepath.Glob(filepath.Join(root, "cas/sha256/*/*"))
	if err != nil || len(orphans) == 0 {
		t.Fatal(orphans, err)
	}
	age := func(hours time.Duration) {
		t.Helper()
		for _, path := range orphans {
			when := time.Now().Add(-hours * time.Hour)
			if err := os.Chtimes(path, when, when); err != nil {
				t.Fatal(err)
			}
		}
	}
	age(1)
	stdout, code := env.command(t, stderr, "gc", "--dry-run", "--grace", "2h")
	if code != exitcode.OK {
		t.Fatalf("code %d, stderr:\n%s", code, stderr)
	}
	contains(t, stdout, "would delete      0 objects       0 B  content")
	age(9)
	stdout, _ = env.command(t, stderr, "gc", "--dry-run", "--grace", "2h")
	contains(t, stdout, fmt.Sprintf("would delete %6d objects", len(orphans)))
	stdout, _ = env.command(t, stderr, "gc", "--grace", "2h")
	contains(t, stdout, fmt.Sprintf("deleted      %6d objects", len(orphans)))
	if left, err := filepath.Glob(filepath.Join(root, "cas/sha256/*/*")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	a := &app{flags: &cli{Address: env.address, Namespace: env.namespace}}
	to, err := a.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	now := time.Now()
	if before, err := to.ageLimit(t.Context(), now); err != nil || now.Sub(before) < minGrace {
		t.Errorf("%v, %v: objects %s old are deleted although a running workflow may need them",
			before, err, now.Sub(before))
	}
	if _, code := env.command(t, &watchedBuffer{}, "gc", "--grace", "1h"); code != exitcode.Usage {
		t.Errorf("a grace of 1h: code %d", code)
	}
}
