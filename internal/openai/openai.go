// Package openai is a teacher on any server with OpenAI's chat protocol: vLLM, llama.cpp, Ollama or
// OpenAI itself. In: prompts, and the server's address and model ([Parse]); out: a reply for each
// prompt as soon as it arrives. The steps: a bounded number of workers take prompts in turn
// (complete.go), write each as a chat request (request.go) in the best mode that the server
// supports (mode.go), without the fields that it rejects (adjust.go), and send it through a
// transport that accepts only short and complete JSON (transport.go). Failed requests are retried
// with backoff (retry.go). If a prompt keeps failing, a request with a second prompt isolates
// whether the prompt or the server is the cause.
package openai

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// Errors that end the work for all prompts and that waiting does not fix. Other errors of an engine
// may be retried later.
var (
	// ErrAuth means that the server rejected the key, or requires one.
	ErrAuth = errors.New("the server rejected the credentials")
	// ErrRejected means that the server does not support the settings: no such model, path or
	// parameter.
	ErrRejected = errors.New("the server rejects these settings")
	// ErrQuota means that the account has no credit left: the server answers no more requests until
	// somebody pays.
	ErrQuota = errors.New("the account's quota is exhausted")
)

// Secret is a key that is never logged: it is printed and marshaled as "(secret)".
type Secret string

// String hides the key.
func (Secret) String() string { return "(secret)" }

// GoString hides the key.
func (Secret) GoString() string { return "(secret)" }

// MarshalText hides the key.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Key returns the server's key from the environment: RDREC_TEACHER_KEY, otherwise OPENAI_API_KEY,
// otherwise none, which self-hosted servers accept.
func Key(getenv func(string) string) Secret {
	for _, name := range []string{"RDREC_TEACHER_KEY", "OPENAI_API_KEY"} {
		if key := strings.TrimSpace(getenv(name)); key != "" {
			return Secret(key)
		}
	}
	return ""
}

// Server is the address of a teacher's server and a model of it.
type Server struct {
	// URL is the protocol's root, such as http://localhost:8000/v1.
	URL *url.URL
	// Model is the server's name of the model.
	Model string
}

// String returns the server as in a spec, without "openai:".
func (s Server) String() string { return s.URL.String() + "#" + s.Model }

// Parse parses URL#MODEL. The text must not contain a key, because it appears in logs, reports and
// object keys: the key comes from the environment ([Key]).
func Parse(text string) (Server, error) {
	address, model, _ := strings.Cut(text, "#")
	if model == "" {
		return Server{}, errors.New("want URL#MODEL: #MODEL is missing")
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return Server{}, errors.New("want URL#MODEL: the URL is invalid") // the cause would quote it and its secrets
	case u.User != nil || u.RawQuery != "":
		return Server{}, errors.New("the URL must not contain a user, a password or a query; " +
			"the key comes from RDREC_TEACHER_KEY")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return Server{}, fmt.Errorf("URL %q: want http://HOST/v1 or https://HOST/v1", u)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return Server{URL: u, Model: model}, nil
}

// Options configure the requests to a server. None of them but Request changes text. Zero values
// mean the default of each field.
type Options struct {
	// Key is sent as a bearer token, unless it is empty.
	Key Secret
	// Concurrency is the maximum number of requests in flight; 0 means 1.
	Concurrency int
	// Timeout is the maximum duration of one request, from its first byte to the reply's last; 0
	// means 2 minutes.
	Timeout time.Duration
	// MaxAttempts is the maximum number of attempts per request; 0 means 5.
	MaxAttempts int
	// MaxWait is the maximum Retry-After that is awaited; a longer one ends the work. 0 means 5
	// minutes.
	MaxWait time.Duration
	// MaxReply is the maximum size of a reply in bytes; 0 means 1 MiB.
	MaxReply int64
	// Request holds further fields of each request.
	Request map[string]any
	// OnAdjusted, unless nil, is called once for each optional field that the server rejects: it is
	// dropped from all further requests, or renamed if renamed is not empty.
	OnAdjusted func(field, renamed string)
	// Transport sends requests; nil means Go's default transport with as many idle connections as
	// requests.
	Transport http.RoundTripper
	// Now is the clock with which dates in Retry-After are compared; nil means the system clock.
	Now func() time.Time
	// Sleep waits, until ctx ends at the latest, and returns ctx's error if it ended; nil means
	// real time. Now must have advanced when it returns.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Engine sends requests to a server. It is a [rdrec/internal/teacher.Engine] and safe for
// concurrent use.
type Engine struct {
	server  Server
	options Options
	chat    openai.ChatCompletionService

	succeeded   atomic.Int64          // good replies so far
	unsupported [numModes]atomic.Bool // modes that the server rejects or ignores

	mu       sync.Mutex
	retryAt  time.Time   // no request starts before
	adjusted adjustments // optional fields that the server rejects
}

// New returns an engine; it sends nothing yet. Close it after use.
func New(server Server, options Options) *Engine {
	o := &options
	o.Concurrency = max(o.Concurrency, 1)
	o.Timeout = cmp.Or(o.Timeout, 2*time.Minute)
	o.MaxAttempts = cmp.Or(o.MaxAttempts, 5)
	o.MaxWait = cmp.Or(o.MaxWait, 5*time.Minute)
	o.MaxReply = cmp.Or(o.MaxReply, 1<<20)
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of a parameter
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Transport == nil {
		o.Transport = transport(o.Concurrency)
	}
	e := &Engine{server: server, options: options, adjusted: adjustments{}}
	client := &http.Client{Transport: validatingTransport{
		next: o.Transport, limit: o.MaxReply, key: string(o.Key), now: o.Now,
	}}
	// The service alone, not openai.NewClient, which would take keys, headers and the address from
	// the environment.
	e.chat = openai.NewChatCompletionService(
		option.WithBaseURL(server.URL.String()), option.WithAPIKey(string(o.Key)),
		option.WithHTTPClient(client), option.WithMaxRetries(0),
	)
	return e
}

// Close closes idle connections.
func (e *Engine) Close() {
	if t, ok := e.options.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// transport returns Go's default transport with an idle connection per request in flight: its
// default of two would keep opening new ones.
func transport(concurrency int) http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	own := base.Clone()
	own.MaxIdleConns, own.MaxIdleConnsPerHost = concurrency, concurrency
	return own
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
