package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/openai"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/internal/teacher/teachertest"
)

func TestConformance(t *testing.T) {
	teachertest.Conform(t, engine(t, serve(t, nil), nil))
}

func TestConcurrencyLimit(t *testing.T) {
	const limit = 3
	var now, most atomic.Int64
	full := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request, string, int) bool {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			continue
		}
		if n == limit {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		<-full // all requests wait until the limit is reached
		return false
	})
	var texts []string
	for i := range 20 {
		texts = append(texts, fmt.Sprint("text ", i))
	}
	replies, err := complete(t, engine(t, s, func(o *openai.Options) { o.Concurrency = limit }), prompts(texts...))
	if err != nil || len(replies) != len(texts) || most.Load() != limit {
		t.Errorf("%d replies, at most %d at once, error %v", len(replies), most.Load(), err)
	}
	for _, text := range texts {
		if s.requestCounts()[text] != 1 {
			t.Errorf("%q was sent %d times", text, s.requestCounts()[text])
		}
	}
}

func TestCancelInterruptsAHangingRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(_ http.ResponseWriter, r *http.Request, _ string, _ int) bool {
		cancel()
		<-r.Context().Done()
		return true
	})
	err := engine(t, s, nil).Complete(ctx, prompts("a", "b"), func(int, teacher.Reply) error {
		return errors.New("a reply")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestKeyIsRedacted(t *testing.T) {
	var shown []string
	echo := fmt.Sprintf(`{"error":{"message":"what is Bearer %s?"}}`, key)
	for _, code := range []int{302, 400, 401, 403, 404, 422, 429, 500, 503} {
		for _, all := range []bool{true, false} {
			s := serve(t, func(w http.ResponseWriter, r *http.Request, promptText string, _ int) bool {
				if all || promptText == "poison" {
					status(code, nil, echo)(w, r)
				}
				return all || promptText == "poison"
			})
			replies, err := complete(t, engine(t, s, nil), prompts("a", "poison"))
			if err == nil && replies["poison"].Failed == "" {
				t.Errorf("status %d did not fail: %+v", code, replies)
			}
			shown = append(shown, fmt.Sprintf("%d %v %+v %#v", code, err, replies, err))
		}
	}
	failing := roundTrip(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("no connection with %v", r.Header)
	})
	_, err := complete(t, engine(t, serve(t, nil), func(o *openai.Options) { o.Transport = failing }), prompts("a"))
	shown = append(shown, fmt.Sprint(err))
	options := openai.Options{Key: key}
	marshaled, err := json.Marshal(map[string]any{"key": options.Key})
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, fmt.Sprintf("%v %+v %#v %s", options, options, options, marshaled))
	for _, text := range shown {
		if strings.Contains(text, key) || strings.Contains(text, "very-secret") {
			t.Errorf("the key is in %s", text)
		}
	}
	if !strings.Contains(strings.Join(shown, ""), "what is Bearer (secret)?") {
		t.Error("no message of the server is shown")
	}
}

func TestEnvironmentSetsOnlyTheKey(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-general")
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/")
	t.Setenv("OPENAI_CUSTOM_HEADERS", "X-Other: yes")
	s := serve(t, nil)
	e := engine(t, s, func(o *openai.Options) { o.Key = "" })
	if _, err := complete(t, e, prompts("a")); err != nil {
		t.Fatal(err)
	}
	if h := s.all[0].Header; h.Get("Authorization") != "" || h.Get("X-Other") != "" {
		t.Errorf("headers %v", h)
	}
	for want, environment := range map[openai.Secret]map[string]string{
		"":      nil,
		"own":   {"RDREC_TEACHER_KEY": "own\n", "OPENAI_API_KEY": "general"},
		"other": {"RDREC_TEACHER_KEY": " ", "OPENAI_API_KEY": "other"},
	} {
		if got := openai.Key(func(name string) string { return environment[name] }); got != want {
			t.Errorf("%v: got %q, want %q", environment, string(got), string(want))
		}
	}
}

func TestDistill(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, text string, _ int) bool {
		if strings.Contains(text, "poison") {
			malformedReplies()["half a JSON reply"].write(w, r)
		} else {
			writeReply(t, w, " soft hair.\n2. The item softens hair.", "stop")
		}
		return true
	})
	settings := spec.Default().Teacher
	settings.Model = "openai:" + s.URL + "/v1#tiny"
	failed := map[string]string{}
	err := teacher.Distill(
		t.Context(), engine(t, s, nil), settings,
		[]teacher.Request{{ID: "1", Text: "soft hair"}, {ID: "2", Text: "poison hair"}, {ID: "3", Text: "softer hair"}},
		func(r teacher.Rationale) error {
			failed[r.ID] = r.Failed
			return nil
		},
	)
	want := map[string]string{"1": "", "2": "the reply is not valid JSON: 44 bytes", "3": ""}
	if diff := cmp.Diff(want, failed); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestParse(t *testing.T) {
	for server, want := range map[string]string{
		"http://localhost:8000/v1#llama":                 "http://localhost:8000/v1#llama",
		"https://api.openai.com/v1/#org/model:7b":        "https://api.openai.com/v1/#org/model:7b",
		"http://[::1]:11434/v1#smollm2":                  "http://[::1]:11434/v1#smollm2",
		"http://host#m":                                  "http://host/#m",
		"http://localhost:8000/v1":                       "error: #MODEL is missing",
		"http://localhost:8000/v1#":                      "error: #MODEL is missing",
		"#m":                                             "error: want http://HOST/v1",
		"localhost:8000/v1#m":                            "error: want http://HOST/v1",
		"ftp://host/v1#m":                                "error: want http://HOST/v1",
		"https://user:" + key + "@host/v1#m":             "error: must not contain a user, a password or a query",
		"https://host/v1?api-key=" + key + "#m":          "error: must not contain a user, a password or a query",
		"https://user:" + key + "@host:not-a-port/v1#m":  "error: the URL is invalid",
		"https://host/v1?api-key=" + key + "\x7f&more#m": "error: the URL is invalid",
	} {
		s, err := openai.Parse(server)
		if reason, isError := strings.CutPrefix(want, "error: "); isError {
			if err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), key) {
				t.Errorf("%q: error %v, want %q", server, err, reason)
			}
			continue
		}
		if err != nil || s.String() != want {
			t.Errorf("%q: got %q, %v", server, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("http://localhost:8000/v1#llama")
	f.Add("https://user:password@host:1?x=y#m")
	f.Fuzz(func(t *testing.T, server string) {
		s, err := openai.Parse(server)
		if err != nil {
			return
		}
		if again, err := openai.Parse(s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%q became %q, then %q, %v", server, s, again, err)
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add(200, "application/json", `{"choices":[{"message":{"content":"1. Soft."}}],"usage":{"prompt_tokens":1}}`, "")
	f.Add(200, "application/json", `{"choices":[{"message":{"content":7}}],"usage":[]}`, "")
	f.Add(429, "text/html", "<html>", "-1")
	f.Add(503, "", `{"error":"busy"}`, "Fri, 02 Jan 2026 03:04:25 GMT")
	f.Fuzz(func(t *testing.T, code int, media, body, after string) {
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			w.Header().Set("Content-Type", media)
			w.Header().Set("Retry-After", after)
			w.WriteString(body) //nolint:errcheck // a recorder never fails
			response := w.Result()
			response.StatusCode, response.Request = code, r
			return response, nil
		})
		clock := newClock()
		server, err := openai.Parse("http://host/v1#m")
		if err != nil {
			t.Fatal(err)
		}
		e := openai.New(server, openai.Options{
			Key: key, MaxAttempts: 2, Transport: transport, Now: clock.now, Sleep: clock.sleep,
		})
		calls := 0
		err = e.Complete(t.Context(), prompts("a"), func(int, teacher.Reply) error {
			calls++
			return nil
		})
		if (err == nil) != (calls == 1) {
			t.Errorf("%d replies and error %v", calls, err)
		}
	})
}
