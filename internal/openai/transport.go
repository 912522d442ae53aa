package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// validatingTransport is a transport that reads each reply to its end, up to a limit, and accepts
// only complete JSON. Everything else becomes a requestError here, where status and header are
// available: the client's own errors lose them if the body is not JSON.
type validatingTransport struct {
	next  http.RoundTripper
	limit int64
	key   string
	now   func() time.Time
}

// RoundTrip sends a request.
func (g validatingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := g.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, g.limit+1))
	response.Body.Close() // the body was read
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, statusError(response.StatusCode, response.Header, body, g.key, g.now())
	}
	if err != nil {
		return nil, err
	}
	if reason := g.problem(response.Header, body); reason != "" {
		return nil, &requestError{class: malformed, reason: reason}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.Header.Set("Content-Type", "application/json") // whatever the server calls it
	return response, nil
}

// problem returns the reason why a successful reply is invalid, or "".
func (g validatingTransport) problem(header http.Header, body []byte) string {
	switch {
	case int64(len(body)) > g.limit:
		return fmt.Sprintf("the reply is too long: more than %d bytes", g.limit)
	case len(bytes.TrimSpace(body)) == 0:
		return "the reply is empty"
	case !json.Valid(body):
		return g.notJSON(header, len(body))
	default:
		return ""
	}
}

// notJSON returns the reason why a reply that is not JSON is invalid: its type, unless that claims
// JSON.
func (g validatingTransport) notJSON(header http.Header, size int) string {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || media == "application/json" || strings.HasSuffix(media, "+json") {
		return fmt.Sprintf("the reply is not valid JSON: %d bytes", size)
	}
	return fmt.Sprintf("the reply is not JSON: its type is %q", redact(media, g.key))
}
