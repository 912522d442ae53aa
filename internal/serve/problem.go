package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"rdrec/internal/recommender"
)

// ProblemError is an error as clients see it: application/problem+json of RFC 9457, with a hint.
type ProblemError struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Hint says what to do.
	Hint string `json:"hint,omitempty"`
	// Retry is after how many seconds it may be tried again; 0 says nothing.
	Retry int `json:"-"`
}

// Error is what is wrong.
func (p *ProblemError) Error() string { return p.Detail }

var (
	errNotReady       = errors.New("no model is ready")
	errNoExplanations = errors.New("the model was not trained to explain")
)

// problemOf says what a client is told of an error. What is not the client's is not told in detail:
// it is in the log.
func problemOf(err error) *ProblemError {
	var known *ProblemError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errNotReady):
		return &ProblemError{Status: http.StatusServiceUnavailable, Detail: err.Error(), Hint: "/readyz tells when one is", Retry: 5}
	case errors.Is(err, errQueueFull):
		return &ProblemError{Status: http.StatusTooManyRequests, Detail: err.Error(), Hint: "retry after the time in Retry-After", Retry: 1}
	case errors.Is(err, errNoExplanations):
		return &ProblemError{Status: http.StatusNotImplemented, Detail: err.Error(), Hint: "export explanations of a method that trains on them"}
	case errors.Is(err, recommender.ErrUser), errors.Is(err, recommender.ErrItem):
		return &ProblemError{Status: http.StatusNotFound, Detail: err.Error(), Hint: "use the shop's own ids, as in the reviews"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &ProblemError{Status: http.StatusGatewayTimeout, Detail: "the answer took too long", Hint: "try again later, or export a table for all users", Retry: 5}
	default:
		return &ProblemError{Status: http.StatusInternalServerError, Detail: "the server failed", Hint: "see its log for the cause"}
	}
}

// write answers with the problem.
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
	_, _ = w.Write(append(text, '\n')) //nolint:errcheck // nobody is there to be told
}
