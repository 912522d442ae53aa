package activities

import (
	"context"
	"sync"

	"rdrec/internal/teacher"
	"rdrec/storage"
)

// rowWriter stores finished rows from a goroutine of its own: at once while the bucket is quick,
// several together while it is slow. So a row is never lost because others are not finished yet,
// and the teacher does not wait for the bucket.
type rowWriter struct {
	rows    storage.Rationales[teacher.Rationale]
	mutex   sync.Mutex
	pending []teacher.Rationale
	// failures are those in a row, failed is the last of them.
	failures int
	lastErr  error
	wake     chan struct{}
	done     chan struct{}
}

// newRowWriter begins to store rows; close ends it.
func newRowWriter(ctx context.Context, rows storage.Rationales[teacher.Rationale]) *rowWriter {
	k := &rowWriter{rows: rows, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(k.done)
		for range k.wake {
			k.store(ctx)
		}
		k.store(ctx) // what came last
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

// add hands a row over. The error says that the bucket takes nothing: one failure or two are
// endured, and what could not be stored goes with the next.
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
	default: // it is awake
	}
	return err
}

// close stores what is left, also what could not be stored before, and says whether all is.
func (k *rowWriter) close() error {
	close(k.wake)
	<-k.done
	return k.lastErr
}
