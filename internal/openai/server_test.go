package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rdrec/internal/openai"
	"rdrec/internal/teacher"
)

const key = "sk-1234-very-secret"

// recordedRequest is a request as the server received it.
type recordedRequest struct {
	Model    string
	Messages []struct{ Role, Content string }
	Header   http.Header    `json:"-"`
	Fields   map[string]any `json:"-"`
}

// userMessage returns the last user's message.
func (a recordedRequest) userMessage() string {
	for i := len(a.Messages) - 1; i >= 0; i-- {
		if a.Messages[i].Role == "user" {
			return a.Messages[i].Content
		}
	}
	return ""
}

// server is a chat server that repeats the user's message unless the hook replies; it counts the
// requests.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	count map[string]int
	all   []recordedRequest
}

// hook replies to the n-th request (from 1 on) for a text and reports whether it did.
type hook func(w http.ResponseWriter, r *http.Request, text string, n int) bool

func serve(t *testing.T, f hook) *server {
	t.Helper()
	s := &server{count: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/chat/completions" {
			http.NotFound(w, r)
			return
		}
		var raw json.RawMessage
		a := recordedRequest{Header: r.Header}
		err := json.NewDecoder(r.Body).Decode(&raw)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return // canceled while sending
		}
		if err != nil {
			t.Errorf("request: %v", err)
		}
		if err := cmpErr(json.Unmarshal(raw, &a), json.Unmarshal(raw, &a.Fields)); err != nil {
			t.Errorf("request %s: %v", raw, err)
		}
		s.mu.Lock()
		s.count[a.userMessage()]++
		n := s.count[a.userMessage()]
		s.all = append(s.all, a)
		s.mu.Unlock()
		if f == nil || !f(w, r, a.userMessage(), n) {
			writeReply(t, w, a.userMessage(), "stop")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// requestCounts returns the number of requests so far by text.
func (s *server) requestCounts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.count)
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func writeReply(t *testing.T, w http.ResponseWriter, text, finish string) {
	t.Helper()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	err := json.NewEncoder(w).Encode(map[string]any{
		"id": "1", "object": "chat.completion", "model": "m",
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": finish, "message": map[string]any{"role": "assistant", "content": text},
		}},
		"usage": map[string]any{"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
	})
	if err != nil {
		t.Errorf("reply: %v", err)
	}
}

// clock advances only when somebody sleeps.
type clock struct {
	mu    sync.Mutex
	time  time.Time
	slept []time.Duration
}

func newClock() *clock { return &clock{time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.time
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.time = c.time.Add(d)
	c.slept = append(c.slept, d)
	return ctx.Err()
}

// engine returns an engine in fake time; change may be nil.
func engine(t *testing.T, s *server, change func(*openai.Options)) *openai.Engine {
	t.Helper()
	c := newClock()
	o := openai.Options{Key: key, Concurrency: 4, MaxAttempts: 3, Timeout: time.Minute, Now: c.now, Sleep: c.sleep}
	if change != nil {
		change(&o)
	}
	e := openai.New(testServer(t, s.URL+"/v1"), o)
	t.Cleanup(e.Close)
	return e
}

func testServer(t *testing.T, url string) openai.Server {
	t.Helper()
	p, err := openai.Parse(url + "#tiny")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func prompt(text string) teacher.Prompt {
	return teacher.Prompt{
		Messages: []teacher.Message{{Role: teacher.System, Content: "Repeat."}, {Role: teacher.User, Content: text}},
		Sampling: teacher.Sampling{MaxTokens: 12, Temperature: 0.6, TopP: 0.9, RepetitionPenalty: 1, Seed: 1 << 40},
	}
}

func prompts(texts ...string) []teacher.Prompt {
	var out []teacher.Prompt
	for _, text := range texts {
		out = append(out, prompt(text))
	}
	return out
}

// complete returns the emitted replies by their prompts' texts, and fails on a second reply to a
// prompt.
func complete(t *testing.T, e *openai.Engine, prompts []teacher.Prompt) (map[string]teacher.Reply, error) {
	t.Helper()
	replies := map[string]teacher.Reply{}
	err := e.Complete(t.Context(), prompts, func(i int, reply teacher.Reply) error {
		text := prompts[i].Messages[len(prompts[i].Messages)-1].Content
		if _, twice := replies[text]; twice {
			t.Errorf("a second reply to %q", text)
		}
		replies[text] = reply
		return nil
	})
	return replies, err
}

func goodReply(text string) teacher.Reply {
	return teacher.Reply{Text: text, PromptTokens: 7, Tokens: 3}
}

// malformedReplies returns invalid responses and the reasons that rows have for them.
func malformedReplies() map[string]struct {
	write  func(http.ResponseWriter, *http.Request)
	reason string
} {
	type row = struct {
		write  func(http.ResponseWriter, *http.Request)
		reason string
	}
	body := func(media, text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			fmt.Fprint(w, text)
		}
	}
	const media = "application/json"
	return map[string]row{
		"half a JSON reply": {
			body(media, `{"choices":[{"message":{"content":"1. The us`), "the reply is not valid JSON: 44 bytes",
		},
		"an empty reply": {body(media, ""), "the reply is empty"},
		"HTML": {
			body("text/html; charset=utf-8", "<html>"), `the reply is not JSON: its type is "text/html"`,
		},
		"no type": {body("", "{"), "the reply is not valid JSON: 1 bytes"},
		"10 MB": {
			body(media, `{"choices":[{"message":{"content":"`+strings.Repeat("x", 10<<20)+`"}}]}`),
			"the reply is too long: more than 1048576 bytes",
		},
		"an error with status 200": {
			body(media, `{"error":{"message":"no provider"}}`), "the reply has no choices, no provider",
		},
		"no choices":   {body(media, `{"choices":[]}`), "the reply has no choices"},
		"a list":       {body(media, `[1]`), "the reply "},
		"null":         {body(media, `null`), "the reply has no choices"},
		"other fields": {body(media, `{"choices":"none"}`), "the reply "},
		"status 500": {
			status(500, nil, `{"error":{"message":"no memory"}}`),
			"the server failed: 500 Internal Server Error, no memory",
		},
		"status 502": {status(502, nil, "<html>bad gateway"), "the server failed: 502 Bad Gateway"},
		"status 529": {status(529, nil, `{"message":"too much"}`), "the server failed: 529, too much"},
		"broken connection": {func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, "the connection failed: EOF"},
		"truncated reply": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			body(media, `{"choices":[`)(w, nil)
		}, "the connection failed: unexpected EOF"},
	}
}

func status(code int, header map[string]string, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}
