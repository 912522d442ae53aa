package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"rdrec/internal/progress"
)

// lock is the kernel's lock (flock) on an entry. Readers share it; who fetches or removes has it
// alone. It ends with its process.
type lock struct{ file *os.File }

// lockInterval is the time between two tries.
const lockInterval = 200 * time.Millisecond

// acquire waits for the lock on an entry.
func acquire(ctx context.Context, dir string, alone bool) (*lock, error) {
	ticker := time.NewTicker(lockInterval)
	defer ticker.Stop()
	for {
		l, err := lockNow(dir, alone)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return l, err
		}
		progress.Step(ctx, "wait for another job that fetches the same files")
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// tryLock returns the lock on an entry if it is free.
func tryLock(dir string, alone bool) (*lock, bool) {
	l, err := lockNow(dir, alone)
	return l, err == nil
}

// lockNow locks an entry; the error is [syscall.EWOULDBLOCK] if others have it.
func lockNow(dir string, alone bool) (*lock, error) {
	file, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock files of the cache: %w", err)
	}
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	if err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock files of the cache: %w", err), file.Close())
	}
	return &lock{file}, nil
}

func (l *lock) release() { _ = l.file.Close() } // the lock ends with the file
