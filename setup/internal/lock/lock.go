// Package lock lets one set-up at a time work on a folder. In: an existing folder; out: the right
// to change it until unlocked. The lock is the kernel's (flock on the folder itself): it leaves no
// file behind and goes when its process does, however that ends.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// pause is how often a waiting set-up looks again.
const pause = 100 * time.Millisecond

// Dir locks a folder and returns the way to unlock it. When another process has it, waiting is
// called once, and Dir waits until the lock is free or ctx ends.
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
