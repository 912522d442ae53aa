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

// kind is what is to be done about a fault.
type kind int

const (
	failing kind = iota // asked again; the prompt's fault if others are answered: 408, 5xx, timeouts, broken connections
	garbage             // the same: a reply that is no whole, short JSON
	busy                // asked again; never the prompt's fault: 429, 503
	refused             // asking again is useless; the prompt's fault if others are answered: 400, 413, 422
	auth                // nothing more is asked: 401, 403
	lost                // nothing more is asked: all other statuses
)

// lasting says whether no prompt will be answered.
func (k kind) lasting() bool { return k == auth || k == lost }

// kindOf is the kind of a status that is no success.
func kindOf(status int) kind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return auth
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return busy
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge, status == http.StatusUnprocessableEntity:
		return refused
	case status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		return failing
	default:
		return lost
	}
}

// faultError is why a request has no reply.
type faultError struct {
	kind kind
	// reason is short, without the key, and begins alike up to a colon where requests fail alike.
	reason string
	// after is how long the server wants to be left alone; 0 means that it did not say.
	after time.Duration
}

// Error is the reason.
func (f *faultError) Error() string { return f.reason }

// Unwrap is the sentinel that callers decide on, if there is one.
func (f *faultError) Unwrap() error {
	switch f.kind {
	case auth:
		return ErrAuth
	case refused, lost:
		return ErrRefused
	default:
		return nil
	}
}

// RetryAfter is how long the server behind an error of [Engine.Complete] wants to be left alone; 0 if it did not say.
func RetryAfter(err error) time.Duration {
	if fault, ok := errors.AsType[*faultError](err); ok {
		return fault.after
	}
	return 0
}

// faultOf is what a status that is no success means.
func faultOf(status int, header http.Header, body []byte, key string, now time.Time) *faultError {
	f := &faultError{kind: kindOf(status), after: retryAfter(header, now)}
	said := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	switch f.kind {
	case auth:
		f.reason = fmt.Sprintf("%v: %s", ErrAuth, said) // what the server says of it may quote the key in part
		return f
	case lost:
		f.reason = "the server has no such model, or no chat at this address (does the URL end in /v1?): " + said
	case refused:
		f.reason = "the server refused the prompt: " + said
	default:
		f.reason = "the server failed: " + said
	}
	if message := scrub(message(body), key); message != "" {
		f.reason += ", " + message
	}
	return f
}

// retryAfter is how long a reply's header asks to wait: milliseconds, seconds or a date; 0 if it does not, or can't be read.
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
	var said struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	var object struct {
		Message string `json:"message"`
	}
	var text string
	switch {
	case json.Unmarshal(said.Error, &object) == nil && object.Message != "":
		return object.Message
	case json.Unmarshal(said.Error, &text) == nil && text != "":
		return text
	default:
		return said.Message
	}
}

// longestMessage is how many runes of a message are kept.
const longestMessage = 200

// scrub takes the key out of a text that comes from outside, and makes the rest one short line.
func scrub(text, key string) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, Secret(key).String())
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, ""))
	if runes := []rune(text); len(runes) > longestMessage {
		text = string(runes[:longestMessage]) + "..."
	}
	return strings.TrimSpace(text)
}
