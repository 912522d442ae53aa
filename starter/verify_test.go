package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/exitcode"
	"rdrec/storage"
)

// corruptBucket returns a bucket with one run; a byte of the run's only file is changed.
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
		code := run(t.Context(), []string{"verify", name, "--bucket", bucket}, &out, stderr)
		if code != exitcode.Corrupt {
			t.Errorf("%s: code %d, stderr:\n%s", name, code, stderr)
		}
		contains(t, out.String(), "corrupt  "+key+": its 5 bytes hash to ", "\n  affects demo-1/run-1\n")
		contains(t, stderr.String(), "error: the bucket is corrupt: 1 objects", "hint: delete")
	}
	var out bytes.Buffer
	verify := func(args ...string) int {
		return run(t.Context(), append([]string{"verify", "--bucket", bucket}, args...), &out, &watchedBuffer{})
	}
	if code := verify("demo-1", "--json"); code != exitcode.Corrupt {
		t.Errorf("--json: code %d", code)
	}
	var v storage.VerifyResult
	err := json.Unmarshal(out.Bytes(), &v)
	if err != nil || len(v.BadObjects) != 1 || v.BadObjects[0].Runs[0] != "demo-1/run-1" {
		t.Errorf("--json: %v, %+v", err, v)
	}
	for code, args := range map[int][]string{exitcode.NoBucket: {"nobody"}, exitcode.Usage: {"demo-1", "--all"}} {
		if got := verify(args...); got != code {
			t.Errorf("verify %v: code %d, want %d", args, got, code)
		}
	}
}
