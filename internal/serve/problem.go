package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"rdrec/internal/recommender"
)

// ProblemError is the error that a client receives: application/problem+json of RFC 9457, with a
// hint.
type ProblemError struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Hint is what the client can do.
	Hint string `json:"hint,omitempty"`
	// Retry is the Retry-After header in seconds; 0 means no header.
	Retry int `json:"-"`
}

// Error returns the detail.
func (p *ProblemError) Error() string { return p.Detail }

var (
	errNotReady       = errors.New("no model is ready")
	errNoExplanations = errors.New("the model was not trained on explanations")
)

// badRequest returns the error for an invalid request.
func badRequest(detail, hint string) *ProblemError {
	return &ProblemError{Status: http.StatusBadRequest, Detail: detail, Hint: hint}
}

// problemOf returns the problem that a client receives for an error. Internal errors have no
// detail: that is in the log.
func problemOf(err error) *ProblemError {
	problem := func(status int, detail, hint string, retry int) *ProblemError {
		return &ProblemError{Status: status, Detail: detail, Hint: hint, Retry: retry}
	}
	var known *ProblemError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errNotReady):
		return problem(http.StatusServiceUnavailable, err.Error(), "/readyz has status 200 once a model is ready", 5)
	case errors.Is(err, errQueueFull):
		return problem(http.StatusTooManyRequests, err.Error(), "retry after the time in Retry-After", 1)
	case errors.Is(err, errNoExplanations):
		return problem(http.StatusNotImplemented, err.Error(), "serve a model whose method trains on explanations", 0)
	case errors.Is(err, recommender.ErrUser), errors.Is(err, recommender.ErrItem):
		return problem(http.StatusNotFound, err.Error(), "use the shop's own ids, as in the reviews", 0)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		const hint = "try again later, or export a table for all users"
		return problem(http.StatusGatewayTimeout, "the request timed out", hint, 5)
	default:
		return problem(http.StatusInternalServerError, "the server failed", "see its log for the cause", 0)
	}
}

// write writes the problem as the response.
func (p *ProblemError) write(w http.ResponseWriter) {
	out := *p
	out.Type, out.Title = "about:blank", http.StatusText(p.Status)
	text, err := json.Marshal(out)
	if err != nil {
		text = []byte("{}")
	}
	if p.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.Retry))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(text, '\n')) //nolint:errcheck // the client has gone
}
