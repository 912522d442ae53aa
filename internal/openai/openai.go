// Package openai asks a teacher behind any server that speaks OpenAI's chat protocol: vLLM,
// llama.cpp, Ollama or OpenAI itself. In: prompts, and the server's address and model ([Parse]);
// out: a reply for each prompt as soon as it is there. The steps: a bounded number of workers take
// prompts in turn (complete.go), write each as a chat request (request.go) in the best way that the
// server knows (mode.go) and send it through a transport that lets only short and whole JSON pass
// (transport.go); what fails is asked again after a while (retry.go), and what keeps failing is the
// prompt's fault or the server's, which a second prompt tells (blame).
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

// Errors that end the work for all prompts and that waiting does not mend. Other errors of an
// engine are worth another try later.
var (
	// ErrAuth says that the server refused the key, or that it wants one.
	ErrAuth = errors.New("the server rejected the credentials")
	// ErrRejected says that the server does not do what the settings ask for: no such model, no
	// such path, no such parameter.
	ErrRejected = errors.New("the server rejects these settings")
)

// Secret is a key that no log shows: it is written as "(secret)" wherever something prints or
// marshals it.
type Secret string

// String hides the key.
func (Secret) String() string { return "(secret)" }

// GoString hides the key.
func (Secret) GoString() string { return "(secret)" }

// MarshalText hides the key.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Key finds the server's key in the environment: RDREC_TEACHER_KEY, else OPENAI_API_KEY, else none,
// which servers of one's own accept.
func Key(getenv func(string) string) Secret {
	for _, name := range []string{"RDREC_TEACHER_KEY", "OPENAI_API_KEY"} {
		if key := strings.TrimSpace(getenv(name)); key != "" {
			return Secret(key)
		}
	}
	return ""
}

// Server is where a teacher is and which of the server's models it is.
type Server struct {
	// URL is the protocol's root, such as http://localhost:8000/v1.
	URL *url.URL
	// Model is the model's name as the server has it.
	Model string
}

// String is the server as a spec names it, without "openai:".
func (s Server) String() string { return s.URL.String() + "#" + s.Model }

// Parse reads URL#MODEL. A key does not belong into it, as the text ends up in logs, reports and
// object keys: it comes from the environment ([Key]).
func Parse(text string) (Server, error) {
	address, model, _ := strings.Cut(text, "#")
	if model == "" {
		return Server{}, errors.New("want URL#MODEL, and there is no #MODEL")
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return Server{}, errors.New("want URL#MODEL, and the URL can't be read") // the cause would quote it, with what is hidden in it
	case u.User != nil || u.RawQuery != "":
		return Server{}, errors.New("the URL must hold no user, password or query; the key comes from RDREC_TEACHER_KEY")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return Server{}, fmt.Errorf("URL %q: want http://HOST/v1 or https://HOST/v1", u)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return Server{URL: u, Model: model}, nil
}

// Options say how a server is asked. None of them changes text. Zero values mean what each field
// says.
type Options struct {
	// Key is sent as a bearer token; none is sent when it is empty.
	Key Secret
	// Concurrency bounds the requests in flight; 0 means 1.
	Concurrency int
	// Timeout bounds one request, from its first byte to the reply's last one; 0 means 2 minutes.
	Timeout time.Duration
	// MaxAttempts is how often a request is sent before it is given up; 0 means 5.
	MaxAttempts int
	// MaxWait is the longest Retry-After that is waited for; a server that wants more ends the
	// work. 0 means 5 minutes.
	MaxWait time.Duration
	// MaxReply bounds a reply's bytes; 0 means 1 MiB.
	MaxReply int64
	// Transport sends requests; nil means one of its own with Go's defaults and as many kept
	// connections as requests.
	Transport http.RoundTripper
	// Now is the clock, which dates in Retry-After are compared with; nil means the system's.
	Now func() time.Time
	// Sleep waits, at most until ctx ends, and returns ctx's error if so; nil means that it really
	// does. Now must have gone on by then.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Engine asks a server. It is a [rdrec/internal/teacher.Engine] and safe for concurrent use.
type Engine struct {
	server  Server
	options Options
	chat    openai.ChatCompletionService

	succeeded   atomic.Int64          // goodReply replies so far
	unsupported [numModes]atomic.Bool // the ways to ask that the server refuses or does not heed

	mu      sync.Mutex
	retryAt time.Time // nothing is asked before
}

// New makes an engine; it asks nothing yet. Close it after use.
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
	e := &Engine{server: server, options: options}
	client := &http.Client{Transport: validatingTransport{next: o.Transport, limit: o.MaxReply, key: string(o.Key), now: o.Now}}
	// The service alone, not openai.NewClient: that one takes keys, headers and the address from
	// the environment on its own.
	e.chat = openai.NewChatCompletionService(
		option.WithBaseURL(server.URL.String()), option.WithAPIKey(string(o.Key)), option.WithHTTPClient(client), option.WithMaxRetries(0),
	)
	return e
}

// Close ends the connections that are kept for further requests.
func (e *Engine) Close() {
	if t, ok := e.options.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// transport is Go's own, with a kept connection for each request in flight: its default of two
// would open new ones all the time.
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
