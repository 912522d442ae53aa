package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rdrec/storage"
)

// corruptBucket is a bucket with one run, in whose only file one byte is flipped.
func corruptBucket(t *testing.T) (address, root, key string) {
	t.Helper()
	root = t.TempDir()
	address = (&url.URL{Scheme: "file", Path: filepath.ToSlash(root)}).String()
	bucket, err := storage.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sequential.txt"), []byte("1 2 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := bucket.PutFolder(t.Context(), "dataset", dir)
	if err != nil {
		t.Fatal(err)
	}
	done := storage.StageRecord{Stage: "import", Fingerprint: strings.Repeat("a", 64), Output: ref}
	if err := bucket.AddLineage(t.Context(), "demo-1", "run-1", done); err != nil {
		t.Fatal(err)
	}
	key = storage.ContentKey(storage.Ref{Digest: storage.Digest([]byte("1 2 3"))})
	if err := os.WriteFile(filepath.Join(root, key), []byte("1 2 2"), 0o600); err != nil {
		t.Fatal(err)
	}
	return address, root, key
}

func TestVerifyReportsCorruptObjects(t *testing.T) {
	t.Parallel()
	bucket, _, key := corruptBucket(t)
	for _, name := range []string{"--all", "demo-1", "demo-1/run-1"} {
		var out bytes.Buffer
		stderr := &watchedBuffer{}
		if code := run(t.Context(), []string{"verify", name, "--bucket", bucket}, &out, stderr); code != exitCorrupt {
			t.Errorf("%s: code %d, stderr:\n%s", name, code, stderr)
		}
		contains(t, out.String(), "corrupt  "+key+": its 5 bytes hash to ", "\n  affects demo-1/run-1\n")
		contains(t, stderr.String(), "error: the bucket is corrupt: 1 objects", "hint: delete")
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"verify", "demo-1", "--bucket", bucket, "--json"}, &out, &watchedBuffer{}); code != exitCorrupt {
		t.Errorf("--json: code %d", code)
	}
	var v storage.VerifyResult
	if err := json.Unmarshal(out.Bytes(), &v); err != nil || len(v.BadObjects) != 1 || v.BadObjects[0].Runs[0] != "demo-1/run-1" {
		t.Errorf("--json: %v, %+v", err, v)
	}
	for code, args := range map[int][]string{exitNoBucket: {"nobody"}, exitUsage: {"demo-1", "--all"}} {
		if got := run(t.Context(), append([]string{"verify", "--bucket", bucket}, args...), &out, &watchedBuffer{}); got != code {
			t.Errorf("verify %v: code %d, want %d", args, got, code)
		}
	}
}

// Old content that nothing refers to goes only when no workflow began before it was written.
func TestGCSparesObjectsOfRunningWorkflows(t *testing.T) {
	t.Parallel()
	env, stderr := newTestEnv(t, nil), &watchedBuffer{}
	_, code := env.command(t, stderr, "run", "--no-watch", writeSpec(t, "waits"))
	if code != exitOK {
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
	if code != exitOK {
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
		t.Errorf("%v, %v: what is %s old goes, although a workflow runs that may need it", before, err, now.Sub(before))
	}
	if _, code := env.command(t, &watchedBuffer{}, "gc", "--grace", "1h"); code != exitUsage {
		t.Errorf("a grace of 1h: code %d", code)
	}
}
