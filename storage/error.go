package storage

import (
	"errors"
	"fmt"
)

// ErrNotFound says that no object has the key.
var ErrNotFound = errors.New("not found in the bucket")

// ErrFull says that the bucket's disk has no room.
var ErrFull = errors.New("no space left in the bucket")

// CorruptError says that an object is not what its name or manifest promises.
type CorruptError struct {
	Key    string
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("object %q is corrupt: %s", e.Key, e.Reason)
}
