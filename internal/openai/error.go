package openai

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// class is what is to be done about a fault.
type errorClass int

const (
	transient     errorClass = iota // recordedRequest again; the prompt's fault if others are answered: 408, 5xx, timeouts, broken connections
	malformed                       // the same: a reply that is no whole, short JSON
	overloaded                      // recordedRequest again; never the prompt's fault: 429, 503
	rejected                        // asking again is useless; the prompt's fault if others are answered: 400, 413, 422
	unauthorized                    // nothing more is asked: 401, 403
	misconfigured                   // nothing more is asked: all other statuses
)

// permanent says whether no prompt will be answered.
func (k errorClass) permanent() bool { return k == unauthorized || k == misconfigured }

// classify is the kind of a status that is no success.
func classify(status int) errorClass {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return unauthorized
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return overloaded
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		return rejected
	case status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		return transient
	default:
		return misconfigured
	}
}

// requestError is why a request has no reply.
type requestError struct {
	class errorClass
	// reason is short, without the key, and begins alike up to a colon where requests fail alike.
	reason string
	// retryAfter is how long the server wants to be left alone; 0 means that it did not say.
	retryAfter time.Duration
}

// Error is the reason.
func (f *requestError) Error() string { return f.reason }

// Unwrap is the sentinel that callers decide on, if there is one.
func (f *requestError) Unwrap() error {
	switch f.class {
	case unauthorized:
		return ErrAuth
	case rejected, misconfigured:
		return ErrRejected
	default:
		return nil
	}
}

// RetryAfter is how long the server behind an error of [Engine.Complete] wants to be left alone; 0
// if it did not say.
func RetryAfter(err error) time.Duration {
	if failure, ok := errors.AsType[*requestError](err); ok {
		return failure.retryAfter
	}
	return 0
}

// statusError is what a status that is no success means.
func statusError(status int, header http.Header, body []byte, key string, now time.Time) *requestError {
	f := &requestError{class: classify(status), retryAfter: retryAfter(header, now)}
	statusText := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	switch f.class {
	case unauthorized:
		f.reason = fmt.Sprintf("%v: %s", ErrAuth, statusText) // what the server says of it may quote the key in part
		return f
	case misconfigured:
		f.reason = "the server has no such model, or no chat at this address (does the URL end in /v1?): " + statusText
	case rejected:
		f.reason = "the server rejected the prompt: " + statusText
	default:
		f.reason = "the server failed: " + statusText
	}
	if message := redact(message(body), key); message != "" {
		f.reason += ", " + message
	}
	return f
}

// retryAfter is how long a reply's header asks to wait: milliseconds, seconds or a date; 0 if it
// does not, or can't be read.
func retryAfter(header http.Header, now time.Time) time.Duration {
	inUnits := func(name string, unit time.Duration) time.Duration {
		n, err := strconv.ParseFloat(header.Get(name), 64)
		if err != nil || math.IsNaN(n) || n <= 0 {
			return 0
		}
		return time.Duration(min(n*float64(unit), math.MaxInt64/2))
	}
	if after := cmp.Or(inUnits("Retry-After-Ms", time.Millisecond), inUnits("Retry-After", time.Second)); after > 0 {
		return after
	}
	if date, err := http.ParseTime(header.Get("Retry-After")); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}

// message finds what a failed reply says of itself, in the forms that servers have for it.
func message(body []byte) string {
	var parsed struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(body, &parsed) != nil {
		return ""
	}
	var object struct {
		Message string `json:"message"`
	}
	var text string
	switch {
	case json.Unmarshal(parsed.Error, &object) == nil && object.Message != "":
		return object.Message
	case json.Unmarshal(parsed.Error, &text) == nil && text != "":
		return text
	default:
		return parsed.Message
	}
}

// maxMessage is how many runes of a message are kept.
const maxMessage = 200

// redact takes the key out of a text that comes from outside, and makes the rest one short line.
func redact(text, key string) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, Secret(key).String())
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, ""))
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "..."
	}
	return strings.TrimSpace(text)
}
