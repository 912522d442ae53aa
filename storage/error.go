package storage

import (
	"errors"
	"fmt"
)

// ErrNotFound means that no object has the key.
var ErrNotFound = errors.New("not found in the bucket")

// ErrFull means that the bucket's disk is full.
var ErrFull = errors.New("no space left in the bucket")

// CorruptError means that an object is not what its name or manifest promises.
type CorruptError struct {
	Key    string
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("object %q is corrupt: %s", e.Key, e.Reason)
}
