// Package hint gives errors a second line that says what to do. In: an error and, where the place
// that failed knows it, an advice; out: the advice to print after "hint:". Errors that come from
// the machine itself (a full disk, a forbidden folder, Ctrl-C) get theirs here, whoever met them.
package hint

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
)

// hinted is an error with an advice.
type hinted struct {
	error
	hint string
}

// Unwrap is the error without the advice.
func (a *hinted) Unwrap() error { return a.error }

// Wrap is err with an advice, a sentence without a full stop. The error's text stays as it is.
func Wrap(err error, hint string) error {
	return &hinted{error: err, hint: hint}
}

// Of is the advice for an error. It is never empty: what nobody thought of can at least be tried
// again.
func Of(err error) string {
	var a *hinted
	switch {
	case errors.Is(err, context.Canceled):
		return "run make setup again: what was finished is kept, what was half done is done anew"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return "free some disk, or let RDREC_CACHE name a folder on a larger one"
	case errors.As(err, &a):
		return a.hint
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "make that path writable, or let RDREC_CACHE name a folder that is"
	default:
		return "run make setup again; it goes on from what is finished"
	}
}
