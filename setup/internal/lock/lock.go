// Package lock makes sure that only one set-up at a time changes a folder. Its input is an existing
// folder, its output a lock on it. The lock is the kernel's (flock on the folder itself): it leaves
// no file behind and is released when its process ends, for whatever reason.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// pause is the interval at which a waiting set-up retries.
const pause = 100 * time.Millisecond

// Dir locks a folder and returns a function that unlocks it. If another process has the lock, Dir
// calls waiting once and waits until the lock is free or ctx ends.
func Dir(ctx context.Context, dir string, waiting func()) (unlock func() error, err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock folder: %w", err)
	}
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for notified := false; ; notified = true {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return folder.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock folder %q: %w", dir, err), folder.Close())
		}
		if !notified {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), folder.Close())
		case <-ticker.C:
		}
	}
}
