// Package hint adds a hint to errors: the next step for the user, to print after "hint:". Code that
// knows the remedy wraps its error with a hint. This package has the hints for errors of the
// machine itself (a full disk, a folder without permission, Ctrl-C).
package hint

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
)

// hinted is an error with a hint.
type hinted struct {
	error
	hint string
}

// Unwrap returns the error without the hint.
func (a *hinted) Unwrap() error { return a.error }

// Wrap returns err with a hint, a sentence without a period. The error's text does not change.
func Wrap(err error, hint string) error {
	return &hinted{error: err, hint: hint}
}

// Of returns the hint of an error. It is never empty: the default is to try again.
func Of(err error) string {
	var a *hinted
	switch {
	case errors.Is(err, context.Canceled):
		return "run make setup again: finished steps are kept, interrupted ones start again"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return "free disk space, or set RDREC_CACHE to a folder on a larger disk"
	case errors.As(err, &a):
		return a.hint
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "make that path writable, or set RDREC_CACHE to a writable folder"
	default:
		return "run make setup again; it continues after the last finished step"
	}
}
