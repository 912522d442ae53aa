package openai

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"rdrec/internal/teacher"
)

// errorClass decides how an error is handled.
type errorClass int

const (
	// transient errors are retried, and caused by the prompt if others succeed: 408, 5xx, timeouts,
	// broken connections.
	transient errorClass = iota
	// malformed replies are handled like transient errors: not complete, short JSON.
	malformed
	// overloaded servers are asked again, and the prompt is never the cause: 429, 503.
	overloaded
	// loading servers are overloaded ones that say that they load their model.
	loading
	// rejected requests are not retried, and caused by the prompt if others succeed: 400, 413, 422.
	rejected
	// unauthorized stops all requests: 401, 403.
	unauthorized
	// exhausted stops all requests: 402, and any status with one of the codes of quotaCodes.
	exhausted
	// misconfigured stops all requests: all other statuses.
	misconfigured
)

// permanent reports whether the error concerns all prompts and retrying is useless.
func (k errorClass) permanent() bool {
	return k == unauthorized || k == exhausted || k == misconfigured
}

// busy reports whether the server cannot answer any prompt now.
func (k errorClass) busy() bool { return k == overloaded || k == loading }

// quotaCodes returns the codes of errors that mean an exhausted quota, not a limit on the rate of
// requests. OpenAI's server sends both with 429.
func quotaCodes() []string {
	return []string{"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
}

// classify returns the class of a status other than success.
func classify(status int) errorClass {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return unauthorized
	case status == http.StatusPaymentRequired:
		return exhausted
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return overloaded
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge,
		status == http.StatusUnprocessableEntity:
		return rejected
	case status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		return transient
	default:
		return misconfigured
	}
}

// requestError is the error of a failed request.
type requestError struct {
	class errorClass
	// reason is short, does not contain the key, and equal causes have equal reasons up to the
	// first colon.
	reason string
	// message is the server's own message; empty if it sent none.
	message string
	// fields are the optional fields of the request that a rejection names.
	fields []string
	// retryAfter is the server's requested pause; 0 means that it requested none.
	retryAfter time.Duration
}

// Error returns the reason and the server's message.
func (f *requestError) Error() string {
	if f.message == "" {
		return f.reason
	}
	return f.reason + ", " + f.message
}

// Unwrap returns the sentinel for callers, if there is one.
func (f *requestError) Unwrap() error {
	switch f.class {
	case unauthorized:
		return ErrAuth
	case exhausted:
		return ErrQuota
	case rejected, misconfigured:
		return ErrRejected
	default:
		return nil
	}
}

// final returns the error of a request that is not sent again, with the server's requested pause if
// that is too long.
func (f *requestError) final(maxWait time.Duration) error {
	if f.retryAfter > maxWait {
		return fmt.Errorf("%w; it asks to retry after %v", f, f.retryAfter)
	}
	return f
}

// RetryAfter returns the pause that the server requested in an error of [Engine.Complete]; 0 if it
// requested none.
func RetryAfter(err error) time.Duration {
	if failure, ok := errors.AsType[*requestError](err); ok {
		return failure.retryAfter
	}
	return 0
}

// loadingMessage is what servers say while they load their model.
var loadingMessage = regexp.MustCompile(`(?i)loading|warming up|starting up|not (yet )?ready`)

// statusError returns the error of a status other than success.
func statusError(status int, header http.Header, body []byte, key string, now time.Time) *requestError {
	f := &requestError{class: classify(status), retryAfter: retryAfter(header, now)}
	detail := parseError(body)
	if slices.Contains(quotaCodes(), detail.Code) || slices.Contains(quotaCodes(), detail.Type) {
		f.class = exhausted
	}
	switch {
	case f.class == rejected:
		f.fields = rejectedFields(detail, body)
	case f.class == overloaded && status == http.StatusServiceUnavailable && loadingMessage.MatchString(detail.Message):
		f.class = loading
	}
	statusText := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	switch f.class {
	case unauthorized:
		f.reason = fmt.Sprintf("%v: %s", ErrAuth, statusText) // the server's message may quote a part of the key
		return f
	case misconfigured:
		f.reason = "the server has no such model, or no chat at this address (does the URL end in /v1?): " + statusText
	case exhausted:
		f.reason = fmt.Sprintf("%v: %s", ErrQuota, statusText)
	case rejected:
		f.reason = "the server rejected the prompt: " + statusText
	default:
		f.reason = "the server failed: " + statusText
	}
	f.message = redact(detail.Message, key)
	return f
}

// retryAfter returns the pause in a reply's header: milliseconds, seconds or a date; 0 if it is
// absent or invalid.
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

// errorDetail is what a failed reply says.
type errorDetail struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    string `json:"code"`
	Param   string `json:"param"`
}

// parseError returns the error of a failed reply, in any of the formats that servers use.
func parseError(body []byte) (detail errorDetail) {
	var parsed struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(body, &parsed) != nil {
		return detail
	}
	var object struct {
		errorDetail
		Code  any `json:"code"`  // a number with some servers
		Param any `json:"param"` // null, mostly
	}
	var text string
	switch {
	case json.Unmarshal(parsed.Error, &object) == nil && object.Message != "":
		if code, ok := object.Code.(string); ok {
			object.errorDetail.Code = code
		}
		if param, ok := object.Param.(string); ok {
			object.errorDetail.Param = param
		}
		return object.errorDetail
	case json.Unmarshal(parsed.Error, &text) == nil && text != "":
		return errorDetail{Message: text}
	default:
		return errorDetail{Message: parsed.Message}
	}
}

// maxMessage is the maximum length of a message, in runes.
const maxMessage = 200

// redact removes the key from an external text and returns it as one short line.
func redact(text, key string) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, Secret(key).String())
	}
	text = printable(text)
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "..."
	}
	return strings.TrimSpace(text)
}

// minEcho is the length, in bytes, from which a part of a review in a server's message counts as
// quoted. Shorter ones are words that any message may have.
const minEcho = 8

// withoutPrompt ends a server's message where it begins to quote the prompt's own part: a review of
// a customer, which must not reach errors and logs.
func withoutPrompt(message string, p *teacher.Prompt) string {
	if len(p.Messages) == 0 {
		return message
	}
	last := p.Messages[len(p.Messages)-1].Content
	own := strings.TrimSpace(printable(last[min(p.SharedPrefix, len(last)):]))
	for at := 0; at+minEcho <= len(message); at++ {
		if strings.Contains(own, message[at:at+minEcho]) {
			return strings.TrimSpace(strings.ToValidUTF8(message[:at], "") + " (the rest quotes the prompt)")
		}
	}
	return message
}

// printable returns a text on one line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, ""))
}
