package remote

import (
	"errors"
	"fmt"
	"regexp"

	"gocloud.dev/gcerrors"

	"rdrec/internal/document"
	"rdrec/internal/spec"
)

// Reasons why the files of a URL cannot be read that remain until a person acts.
var (
	// ErrNotFound means that no object has the key, or that there is no such bucket.
	ErrNotFound = errors.New("no object is there")
	// ErrDenied means that the bucket refuses this machine's credentials, or that it has none.
	ErrDenied = errors.New("access is denied")
	// ErrTooLarge means that the files exceed a limit.
	ErrTooLarge = errors.New("too large")
)

// ErrChanged means that objects were replaced while they were fetched.
var ErrChanged = errors.New("the objects changed while they were fetched")

// Error is a URL whose files cannot be read.
type Error struct {
	URL    spec.URL
	Reason error
	// Detail is the server's own reason, or a number; empty for none.
	Detail string
}

// Error names the URL without its parameters.
func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("%s: %v", e.URL, e.Reason)
	}
	return fmt.Sprintf("%s: %v: %s", e.URL, e.Reason, e.Detail)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

// rights are where each kind of bucket finds credentials, and the rights that reading takes.
var rights = map[string]string{
	"s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role; it needs " +
		"s3:GetObject and s3:ListBucket",
	"gs": "set GOOGLE_APPLICATION_CREDENTIALS, or give the machine a service account; it needs the role " +
		"roles/storage.objectViewer",
	"azblob": "set AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or give the machine an " +
		"identity; it needs the role Storage Blob Data Reader",
}

// Hint returns what a person can do about an error of this package; "" for others.
func Hint(err error) string {
	var e *Error
	switch {
	case !errors.As(err, &e):
		return ""
	case errors.Is(err, ErrDenied):
		return rights[e.URL.Scheme()]
	case errors.Is(err, ErrTooLarge):
		return "name fewer files, or let the worker keep more (worker --source-cache)"
	case e.URL.Scheme() == "s3":
		return "check the bucket, the key, and the parameters region and endpoint of the URL"
	default:
		return "check the bucket and the key, and the rights of the worker in it"
	}
}

// refused matches the errors of servers and of client libraries about credentials that
// [gcerrors.Code] does not know.
var refused = regexp.MustCompile(`(?i)InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|` +
	`AuthorizationFailure|AuthorizationPermissionMismatch|PublicAccessNotPermitted|NoAuthenticationInformation|` +
	`credential|StatusCode: 40[13]|Error 40[13]`)

// failed wraps the error of a request, without what URLs in it may hold.
func failed(u spec.URL, err error) error {
	text := document.Redact(err.Error())
	switch code := gcerrors.Code(err); {
	case code == gcerrors.NotFound:
		return &Error{URL: u, Reason: ErrNotFound}
	case code == gcerrors.PermissionDenied, refused.MatchString(text):
		return &Error{u, ErrDenied, text}
	default:
		return &requestError{fmt.Sprintf("read %s: %s", u, text), err}
	}
}

// requestError is a failure that another attempt may not meet.
type requestError struct {
	text  string
	cause error
}

// Error returns the message without parameters of URLs.
func (e *requestError) Error() string { return e.text }

// Unwrap returns the cause, for callers that look for the end of a context or a full disk.
func (e *requestError) Unwrap() error { return e.cause }

// notFound is the error of a URL without files, of which a listing found some keys.
func notFound(u spec.URL, keys int) error {
	e := &Error{URL: u, Reason: ErrNotFound}
	if keys > 0 {
		e.Detail = fmt.Sprintf("none of the %d keys there is a file to read", keys)
	}
	return e
}
