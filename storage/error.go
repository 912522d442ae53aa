package storage

import (
	"errors"
	"fmt"

	"rdrec/internal/document"
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

// redact returns an error without the parameters of URLs in its message: those of a bucket, or of a
// failed request, may be keys and signatures.
func redact(err error) error {
	if err == nil {
		return nil
	}
	if text := document.Redact(err.Error()); text != err.Error() {
		return redactedError{text, err}
	}
	return err
}

type redactedError struct {
	text string
	error
}

// Error returns the message for people.
func (e redactedError) Error() string { return e.text }

// Unwrap returns the error whose message was redacted.
func (e redactedError) Unwrap() error { return e.error }
