package lock_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"testing"

	"rdrec/setup/internal/lock"
)

func TestDirExcludes(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock.Dir(t.Context(), dir, func() { t.Error("waited for a free lock") })
	if err != nil {
		t.Fatal(err)
	}
	var freed atomic.Bool
	waiting := make(chan struct{})
	second := make(chan error)
	go func() {
		unlock, err := lock.Dir(t.Context(), dir, func() { close(waiting) })
		if err == nil && !freed.Load() {
			err = errors.New("two had the lock at once")
		}
		if err == nil {
			err = unlock()
		}
		second <- err
	}()
	<-waiting
	freed.Store(true)
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Fatal(err)
	}
}

func TestDirGivesUp(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock.Dir(t.Context(), dir, func() {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if _, err := lock.Dir(ctx, dir, stop); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped while waiting: %v, want %v", err, context.Canceled)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	if _, err := lock.Dir(t.Context(), filepath.Join(dir, "none"), func() {}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lock of no folder: %v, want %v", err, fs.ErrNotExist)
	}
}
