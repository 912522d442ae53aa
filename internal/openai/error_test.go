package openai_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/openai"
	"rdrec/internal/teacher"
)

func TestFailingPromptIsQuarantinedAlone(t *testing.T) {
	for name, c := range malformedReplies() {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request, promptText string, _ int) bool {
				if promptText != "poison" {
					return false
				}
				c.write(w, r)
				return true
			})
			replies, err := complete(t, engine(t, s, nil), prompts("a", "poison", "b", "c", "d", "e"))
			if err != nil {
				t.Fatal(err)
			}
			if got := replies["poison"]; !strings.HasPrefix(got.Failed, c.reason) || got.Text != "" {
				t.Errorf("got %+v, want %q", got, c.reason)
			}
			if n := s.requestCounts()["poison"]; n != 3 {
				t.Errorf("it was sent %d times, want 3", n)
			}
			for _, text := range []string{"a", "b", "c", "d", "e"} {
				if diff := cmp.Diff(goodReply(text), replies[text]); diff != "" || s.requestCounts()[text] != 1 {
					t.Errorf("%q was sent %d times: %s", text, s.requestCounts()[text], diff)
				}
			}
		})
	}
}

func TestFailingPromptIsQuarantinedWhenAlone(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, text string, _ int) bool {
		if text == "poison" {
			status(500, nil, "")(w, r)
		}
		return text == "poison"
	})
	replies, err := complete(t, engine(t, s, nil), prompts("poison"))
	if err != nil || replies["poison"].Failed != "the server failed: 500 Internal Server Error" {
		t.Errorf("got %+v, %v", replies, err)
	}
	if want := map[string]int{"poison": 3, `it works well".`: 1}; !cmp.Equal(want, s.requestCounts()) {
		t.Error(cmp.Diff(want, s.requestCounts()))
	}
}

func TestRejectedPromptIsNotRetried(t *testing.T) {
	for _, code := range []int{400, 413, 422} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request, text string, _ int) bool {
			if text == "long" {
				status(code, nil, `{"error":{"message":"longer than the model's\ncontext"}}`)(w, r)
			}
			return text == "long"
		})
		replies, err := complete(t, engine(t, s, nil), prompts("long", "a"))
		if err != nil || s.requestCounts()["long"] != 1 || replies["a"] != goodReply("a") {
			t.Errorf("sent %d times: %+v, %v", s.requestCounts()["long"], replies, err)
		}
		want := fmt.Sprintf("the server rejected the prompt: %d %s, longer than the model's context",
			code, http.StatusText(code))
		if got := replies["long"].Failed; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHangingRequestTimesOut(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request, text string, _ int) bool {
		if text == "hang" {
			<-r.Context().Done()
		}
		return text == "hang"
	})
	e := engine(t, s, func(o *openai.Options) { o.Timeout, o.MaxAttempts = time.Second, 2 })
	replies, err := complete(t, e, prompts("a", "hang", "b"))
	if err != nil || replies["hang"].Failed != "no reply in time: 1s" ||
		replies["a"] != goodReply("a") || replies["b"] != goodReply("b") {
		t.Errorf("got %+v, %v", replies, err)
	}
	if s.requestCounts()["hang"] != 2 {
		t.Errorf("it was sent %d times, want 2", s.requestCounts()["hang"])
	}
}

func TestTransientErrorsAreRetried(t *testing.T) {
	header := func(name, value string) map[string]string { return map[string]string{name: value} }
	for name, c := range map[string]struct {
		write func(http.ResponseWriter, *http.Request)
		slept []time.Duration
	}{
		"429 with seconds": {
			status(429, header("Retry-After", "7"), ""), []time.Duration{7 * time.Second, 7 * time.Second},
		},
		"429 with milliseconds": {status(429, header("Retry-After-Ms", "70"), ""), []time.Duration{
			70 * time.Millisecond, 70 * time.Millisecond,
		}},
		"503 with a date": {
			status(503, header("Retry-After", "Fri, 02 Jan 2026 03:04:25 GMT"), ""),
			[]time.Duration{20 * time.Second, 2 * time.Second},
		},
		"429 alone": {status(429, nil, ""), []time.Duration{time.Second, 2 * time.Second}},
		"429 with nonsense": {
			status(429, header("Retry-After", "soon"), ""), []time.Duration{time.Second, 2 * time.Second},
		},
		"500": {status(500, nil, "no JSON"), []time.Duration{time.Second, 2 * time.Second}},
		"502": {status(502, nil, ""), []time.Duration{time.Second, 2 * time.Second}},
		"503": {status(503, nil, ""), []time.Duration{time.Second, 2 * time.Second}},
		"408": {status(408, nil, ""), []time.Duration{time.Second, 2 * time.Second}},
		"half a reply": {
			malformedReplies()["half a JSON reply"].write, []time.Duration{time.Second, 2 * time.Second},
		},
		"a broken connection": {
			malformedReplies()["broken connection"].write, []time.Duration{time.Second, 2 * time.Second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, n int) bool {
				if n <= 2 {
					c.write(w, r)
				}
				return n <= 2
			})
			clock := newClock()
			e := engine(t, s, func(o *openai.Options) { o.Now, o.Sleep = clock.now, clock.sleep })
			replies, err := complete(t, e, prompts("a"))
			if err != nil || replies["a"] != goodReply("a") {
				t.Errorf("got %+v, %v", replies, err)
			}
			if diff := cmp.Diff(c.slept, clock.slept); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRetryAfterAppliesToAllPrompts(t *testing.T) {
	clock := newClock()
	free := clock.now().Add(30 * time.Second)
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
		early := clock.now().Before(free)
		if early {
			status(429, map[string]string{"Retry-After": "30"}, "")(w, r)
		}
		return early
	})
	e := engine(t, s, func(o *openai.Options) { o.Concurrency, o.Now, o.Sleep = 1, clock.now, clock.sleep })
	if replies, err := complete(t, e, prompts("a", "b", "c")); err != nil || len(replies) != 3 {
		t.Errorf("got %+v, %v", replies, err)
	}
	if want := map[string]int{"a": 2, "b": 1, "c": 1}; !cmp.Equal(want, s.requestCounts()) {
		t.Error(cmp.Diff(want, s.requestCounts()))
	}
}

func TestServerErrorsQuarantineNoPrompt(t *testing.T) {
	for name, c := range map[string]struct {
		write     func(http.ResponseWriter, *http.Request)
		requests  int
		sentinels []error
		message   string
	}{
		"401": {
			status(401, nil, ""), 1, []error{openai.ErrAuth}, "the server rejected the credentials: 401 Unauthorized",
		},
		"403": {
			status(403, nil, ""), 1, []error{openai.ErrAuth}, "the server rejected the credentials: 403 Forbidden",
		},
		"404": {
			status(404, nil, `{"error":"no model tiny"}`), 1,
			[]error{openai.ErrRejected},
			"does the URL end in /v1?): 404 Not Found, no model tiny",
		},
		"redirection": {
			status(307, map[string]string{"Location": "/"}, ""), 1,
			[]error{openai.ErrRejected},
			"307 Temporary Redirect",
		},
		"400 for all": {
			status(400, nil, `{"error":{"message":"no seed"}}`), 2,
			[]error{openai.ErrRejected},
			"400 Bad Request, no seed",
		},
		"402": {
			status(402, nil, `{"error":{"message":"no credit"}}`), 1,
			[]error{openai.ErrQuota},
			"402 Payment Required, no credit",
		},
		"insufficient_quota": {
			status(429, nil, `{"error":{"message":"see your plan","type":"x","code":"insufficient_quota"}}`), 1,
			[]error{openai.ErrQuota},
			"the account's quota is exhausted: 429 Too Many Requests, see your plan",
		},
		"429 for a rate limit": {
			status(429, nil, `{"error":{"message":"slow down","type":"requests","code":"rate_limit"}}`), 3, nil,
			"the server failed: 429 Too Many Requests, slow down",
		},
		"500 with a numeric code": {
			status(500, nil, `{"error":{"message":"odd","code":500}}`), 4, nil, "500 Internal Server Error, odd",
		},
		"429 for good": {status(429, nil, ""), 3, nil, "after 3 attempts: the server failed: 429 Too Many Requests"},
		"429 for long": {status(429, map[string]string{"Retry-After": "1e99"}, ""), 1, nil, "it asks to retry after"},
		"503 for good": {
			status(503, nil, ""), 3, nil, "after 3 attempts: the server failed: 503 Service Unavailable",
		},
		"500 for all": {
			status(500, nil, ""), 4, nil,
			"500 Internal Server Error (another prompt failed before with the same error)",
		},
		"a login page":       {malformedReplies()["HTML"].write, 4, nil, `its type is "text/html"`},
		"broken connections": {malformedReplies()["broken connection"].write, 4, nil, "the connection failed: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
				requests.Add(1)
				c.write(w, r)
				return true
			})
			e := engine(t, s, func(o *openai.Options) { o.Concurrency = 1 })
			replies, err := complete(t, e, prompts("a", "b", "c"))
			if err == nil || !strings.Contains(err.Error(), c.message) ||
				!strings.Contains(err.Error(), s.URL) || len(replies) != 0 {
				t.Errorf("got %+v, error %v", replies, err)
			}
			var sentinels []error
			for _, sentinel := range []error{openai.ErrAuth, openai.ErrRejected, openai.ErrQuota} {
				if errors.Is(err, sentinel) {
					sentinels = append(sentinels, sentinel)
				}
			}
			if !slices.Equal(sentinels, c.sentinels) {
				t.Errorf("error %v is %v, want %v", err, sentinels, c.sentinels)
			}
			if int(requests.Load()) != c.requests {
				t.Errorf("%d requests, want %d", requests.Load(), c.requests)
			}
		})
	}
}

func TestUnreachableServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	e := engine(t, &server{Server: s}, nil)
	replies, err := complete(t, e, prompts("a", "b"))
	if err == nil || !strings.Contains(err.Error(), "connection refused") || len(replies) != 0 {
		t.Errorf("got %+v, error %v", replies, err)
	}
}

func TestInFlightRepliesAreKeptWhenTheServerFails(t *testing.T) {
	rejecting := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request, text string, _ int) bool {
		switch text {
		case "first":
			return false
		case "slow":
			<-rejecting
			return false
		default:
			status(401, nil, "")(w, r)
			return true
		}
	})
	var once sync.Once
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && response.StatusCode == 401 {
			once.Do(func() { close(rejecting) })
		}
		return response, err
	})
	e := engine(t, s, func(o *openai.Options) { o.Concurrency, o.Transport = 2, transport })
	replies, err := complete(t, e, prompts("first", "slow", "rejected", "never", "never 2", "never 3"))
	if !errors.Is(err, openai.ErrAuth) {
		t.Errorf("error %v", err)
	}
	want := map[string]teacher.Reply{"first": goodReply("first"), "slow": goodReply("slow")}
	if diff := cmp.Diff(want, replies); diff != "" {
		t.Error(diff)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// endlessBody is a body that never ends and counts the bytes read.
type endlessBody struct{ read int64 }

func (e *endlessBody) Read(p []byte) (int, error) {
	if e.read > 64<<20 {
		return 0, errors.New("64 MiB were read")
	}
	e.read += int64(len(p))
	return len(p), nil
}

func TestEndlessReplyIsLimited(t *testing.T) {
	for _, code := range []int{200, 500} {
		body := &endlessBody{}
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			header := http.Header{"Content-Type": {"application/json"}}
			return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(body), Request: r}, nil
		})
		e := engine(t, serve(t, nil), func(o *openai.Options) {
			o.Transport, o.MaxAttempts, o.MaxReply = transport, 1, 1<<20
		})
		// One reply to the prompt, and one to the probe.
		if _, err := complete(t, e, prompts("a")); err == nil || body.read > 8<<20 {
			t.Errorf("status %d: %d bytes were read, error %v", code, body.read, err)
		}
	}
}
