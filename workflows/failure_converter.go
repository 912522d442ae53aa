package workflows

import (
	"strings"

	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// FailureConverter returns the converter of errors. Go's wrapped errors
// repeat the message of their cause, and Temporal's default converter stores each of them: the same
// sentence several times, with types such as "wrapErrors". This one stores it once.
func (p Payloads) FailureConverter() converter.FailureConverter {
	values := p.Converter()
	return singleMessage{
		temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: values}),
		values, p.Encrypted(),
	}
}

type singleMessage struct {
	converter.FailureConverter
	values converter.DataConverter
	// encrypted means that messages and stack traces are stored as encrypted values.
	encrypted bool
}

// ErrorToFailure converts an error into the failure that is stored in a history.
func (c singleMessage) ErrorToFailure(err error) *failurepb.Failure {
	first := c.FailureConverter.ErrorToFailure(err)
	for f := first; f != nil; f = f.GetCause() {
		if f.GetApplicationFailureInfo() == nil {
			continue
		}
		cause := f.GetCause()
		if cause.GetApplicationFailureInfo() != nil && strings.Contains(f.GetMessage(), cause.GetMessage()) {
			f.Cause = nil
		}
		f.Message = plainMessage(f.GetMessage())
	}
	if info := first.GetApplicationFailureInfo(); info != nil && !typed(err) {
		info.Type = "" // the name of a Go type, such as "wrapErrors"
	}
	for f := first; f != nil && c.encrypted; f = f.GetCause() {
		if f.GetEncodedAttributes() != nil {
			continue // it came from another workflow or activity
		}
		if err := converter.EncodeCommonFailureAttributes(c.values, f); err != nil {
			f.Message, f.StackTrace = "the failure cannot be encrypted", ""
		}
	}
	return first
}

// typed reports whether an error has a type of its own for Temporal.
func typed(err error) bool {
	switch err.(type) { //nolint:errorlint // the converter looks at the outermost error, too
	case *temporal.ApplicationError, *temporal.PanicError:
		return true
	default:
		return false
	}
}
