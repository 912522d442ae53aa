package activities

import (
	"context"
	"sync"

	"rdrec/internal/teacher"
	"rdrec/storage"
)

// rowWriter stores finished rows from its own goroutine: one at a time while the bucket is fast,
// several together while it is slow. No row waits for others to be finished, and the teacher does
// not wait for the bucket.
type rowWriter struct {
	rows    storage.Rationales[teacher.Rationale]
	mutex   sync.Mutex
	pending []teacher.Rationale
	// failures counts consecutive failures, lastErr is the last one's error.
	failures int
	lastErr  error
	wake     chan struct{}
	done     chan struct{}
}

// newRowWriter starts a row writer; close ends it.
func newRowWriter(ctx context.Context, rows storage.Rationales[teacher.Rationale]) *rowWriter {
	k := &rowWriter{rows: rows, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(k.done)
		for range k.wake {
			k.store(ctx)
		}
		k.store(ctx) // the last rows
	}()
	return k
}

func (k *rowWriter) store(ctx context.Context) {
	k.mutex.Lock()
	rows := k.pending
	k.pending = nil
	k.mutex.Unlock()
	err := k.rows.Append(ctx, rows)
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if err == nil {
		k.failures, k.lastErr = 0, nil
		return
	}
	k.pending = append(rows, k.pending...)
	k.failures, k.lastErr = k.failures+1, err
}

// add queues a row. It returns an error once the bucket has failed maxFailedSaves times in a row;
// until then, rows that could not be stored are stored with the next one.
func (k *rowWriter) add(row teacher.Rationale) error {
	k.mutex.Lock()
	k.pending = append(k.pending, row)
	var err error
	if k.failures >= maxFailedSaves {
		err = k.lastErr
	}
	k.mutex.Unlock()
	select {
	case k.wake <- struct{}{}:
	default: // already woken
	}
	return err
}

// close stores the remaining rows, including those that failed before, and returns the error if
// some could not be stored.
func (k *rowWriter) close() error {
	close(k.wake)
	<-k.done
	return k.lastErr
}
