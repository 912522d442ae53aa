package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"rdrec/activities"
	"rdrec/internal/openai"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// The teacher's faults (row 11 of the fault matrix): the error that Temporal receives, the rows
// that are kept, and the prompts that the next attempt sends. The server, the client, the engine
// and the bucket are real; only waiting is simulated.

const secretKey = "sk-never-to-be-seen-4711"

// fakeClockTeachers opens a server's teacher that waits on a simulated clock and records its waits.
type fakeClockTeachers struct {
	mutex  sync.Mutex
	time   time.Time
	waited []time.Duration
}

func (*fakeClockTeachers) Digest(context.Context, spec.Teacher) (string, error) { return "server", nil }

func (*fakeClockTeachers) Size(spec.Teacher) (room.Teacher, error) { return room.Teacher{}, nil }

func (p *fakeClockTeachers) Open(_ context.Context, settings spec.Teacher) (teacher.Engine, func(), error) {
	_, location, _ := strings.Cut(settings.Model, ":")
	server, err := openai.Parse(location)
	if err != nil {
		return nil, nil, err
	}
	engine := openai.New(server, openai.Options{
		Key: secretKey, Concurrency: 1, Timeout: time.Second,
		Now: func() time.Time {
			p.mutex.Lock()
			defer p.mutex.Unlock()
			return p.time
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			p.mutex.Lock()
			defer p.mutex.Unlock()
			p.time, p.waited = p.time.Add(d), append(p.waited, d)
			return ctx.Err()
		},
	})
	return serverEngine{engine}, engine.Close, nil
}

// teacherEnv is the activity DistillShard with a server and a bucket.
type teacherEnv struct {
	t        *testing.T
	env      *testsuite.TestActivityEnvironment
	bucket   *storage.Bucket
	folder   string
	in       activities.DistillShardInput
	teachers *fakeClockTeachers
	log      bytes.Buffer
	mutex    sync.Mutex
	prompts  map[string]int
}

// texts returns the explanations of the only shard. Some faults affect only the second.
func texts() []string { return []string{"good one", "bad two", "good three", "good four"} }

// newTeacherEnv returns an environment whose server answers with the failure if failure returns
// true, else with a valid reply.
func newTeacherEnv(
	t *testing.T, failure func(w http.ResponseWriter, r *http.Request, text string) bool,
) *teacherEnv {
	t.Helper()
	w := &teacherEnv{
		t: t, folder: t.TempDir(), prompts: map[string]int{},
		teachers: &fakeClockTeachers{time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secretKey {
			t.Errorf("authorization %q, want the key", r.Header.Get("Authorization"))
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		text := "another"
		for _, candidate := range texts() {
			if strings.Contains(string(body), candidate) {
				text = candidate
			}
		}
		w.mutex.Lock()
		w.prompts[text]++
		w.mutex.Unlock()
		if !failure(out, r, text) {
			writeReply(out, fmt.Sprintf("1. The user prefers %s.\\n2. The item's attributes are %s roses.", text, text))
		}
	}))
	t.Cleanup(server.Close)
	var err error
	if w.bucket, err = storage.Open(t.Context(), "file://"+w.folder); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.bucket.Close(); err != nil {
			t.Error(err)
		}
	})
	settings := spec.Default().Teacher
	settings.Model, settings.Prompt = "openai:"+server.URL+"/v1#m", "paper"
	w.in = activities.DistillShardInput{
		DistillInput: activities.DistillInput{Teacher: settings, Weights: "server"}, Shard: 1, Plan: w.plan(),
	}
	acts := &activities.Activities{
		Bucket: w.bucket, Teachers: w.teachers, Scratch: t.TempDir(), Log: zerolog.New(&w.log), Now: time.Now,
		StallTimeout: time.Minute,
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(&w.log, nil))))
	w.env = suite.NewTestActivityEnvironment()
	w.env.RegisterActivity(acts.DistillShard)
	return w
}

func writeReply(w io.Writer, text string) {
	if header, ok := w.(http.ResponseWriter); ok {
		header.Header().Set("Content-Type", "application/json")
	}
	fmt.Fprintf(w, `{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"%s"}}],
		"usage":{"completion_tokens":9}}`, text)
}

// plan stores the plan of the distillation and returns its reference.
func (w *teacherEnv) plan() storage.Ref {
	w.t.Helper()
	dir := w.t.TempDir()
	var lines bytes.Buffer
	for _, text := range texts() {
		if err := json.NewEncoder(&lines).Encode(teacher.Request{ID: text, Text: text}); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "000001.jsonl"), lines.Bytes(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	ref, err := w.bucket.PutFolder(w.t.Context(), "plan", dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return ref
}

// run executes one attempt.
func (w *teacherEnv) run() (result activities.DistillShardResult, err error) {
	w.t.Helper()
	value, err := w.env.ExecuteActivity("DistillShard", w.in)
	if err == nil {
		err = value.Get(&result)
	}
	if err != nil && strings.Contains(err.Error(), secretKey) {
		w.t.Errorf("the error contains the key: %v", err)
	}
	return result, err
}

// rows returns the finished rows: the reason why each is quarantined, "" for good ones.
func (w *teacherEnv) rows() map[string]string {
	w.t.Helper()
	fingerprint := teacher.Fingerprint(w.in.Teacher, w.in.Weights)
	all, err := storage.OpenRationales[teacher.Rationale](w.bucket, fingerprint).Load(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	rows := map[string]string{}
	for _, row := range all {
		rows[row.ID] = row.Failed
	}
	return rows
}

// checkNoSecret checks that neither the log nor the bucket contains the key.
func (w *teacherEnv) checkNoSecret() {
	w.t.Helper()
	if strings.Contains(w.log.String(), secretKey) {
		w.t.Errorf("the log contains the key:\n%s", &w.log)
	}
	err := filepath.WalkDir(w.folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(secretKey)) || strings.Contains(path, secretKey) {
			w.t.Errorf("%s contains the key", path)
		}
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
}

// statusOf returns a handler that replies with a status and an error that quotes the key.
func statusOf(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(header) > 0 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"error":{"message":"you said %s"}}`, r.Header.Get("Authorization"))
	}
}

// longBody returns a handler that replies with 10 MB of JSON.
func longBody() func(http.ResponseWriter, *http.Request) {
	return bodyOf(`{"x":"` + strings.Repeat("x", 10<<20) + `"}`)
}

// hang replies nothing until the client gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// chat replies with text that is no rationale.
func chat(w http.ResponseWriter, _ *http.Request) { writeReply(w, "How nice of you to ask!") }

// bodyOf returns a handler that replies with a body.
func bodyOf(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text) //nolint:errcheck // the client may close the connection after 1 MiB
	}
}

// A failure of the server from the second prompt on ends the attempt. Finished rows are kept, and
// the next attempt sends only the other prompts.
func TestFault11FailingTeacherKeepsFinishedRows(t *testing.T) {
	for name, c := range map[string]struct {
		fault     func(http.ResponseWriter, *http.Request)
		errorType string
		final     bool
		after     time.Duration
		message   string
	}{
		"401": {
			statusOf(401), activities.TypeTeacherAuth, true, 0,
			"the server rejected the credentials: 401 Unauthorized",
		},
		"403": {
			statusOf(403), activities.TypeTeacherAuth, true, 0,
			"the server rejected the credentials: 403 Forbidden",
		},
		"404": {
			statusOf(404), activities.TypeInvalidConfig, true, 0,
			"no such model, or no chat at this address",
		},
		"429 with a long delay": {
			statusOf(429, "Retry-After", "3600"), activities.TypeRetryAfter, false, time.Hour,
			"it asks to retry after 1h0m0s",
		},
		"429 with an absurd delay": {
			statusOf(429, "Retry-After", "1e99"), activities.TypeRetryAfter, false, maxRetryAfter,
			"it asks to retry after",
		},
		"429 with short delays": {
			statusOf(429, "Retry-After", "7"), activities.TypeRetryAfter, false, 7 * time.Second,
			"after 5 attempts: the server failed: 429",
		},
		"429 without a delay": {
			statusOf(429), "", false, 0, "after 5 attempts: the server failed: 429 Too Many Requests",
		},
		"500":             {statusOf(500), "", false, 0, "500 Internal Server Error"},
		"partial replies": {bodyOf(`{"choices":[{"mess`), "", false, 0, "the reply is not valid JSON: 18 bytes"},
		"empty replies":   {bodyOf(""), "", false, 0, "the reply is empty"},
		"10 MB replies":   {longBody(), "", false, 0, "the reply is too long"},
		"no replies":      {hang, "", false, 0, "no reply in time: 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failing := true
			w := newTeacherEnv(t, func(w http.ResponseWriter, r *http.Request, text string) bool {
				if failing && text != "good one" {
					c.fault(w, r)
				}
				return failing && text != "good one"
			})
			_, err := w.run()
			var failed *temporal.ApplicationError
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.message) {
				t.Fatalf("error %v, want %q", err, c.message)
			}
			if failed.NonRetryable() != c.final || failed.NextRetryDelay() != c.after ||
				c.errorType != "" && failed.Type() != c.errorType {
				t.Errorf("type %q, final %v, after %v; want %q, %v, %v",
					failed.Type(), failed.NonRetryable(), failed.NextRetryDelay(), c.errorType, c.final, c.after)
			}
			if diff := cmp.Diff(map[string]string{"good one": ""}, w.rows()); diff != "" {
				t.Errorf("finished rows: %s", diff)
			}
			if c.final && w.prompts["bad two"] != 1 {
				t.Errorf("%d requests after a non-retryable error, want 1", w.prompts["bad two"])
			}
			failing = false
			result, err := w.run()
			if err != nil || result.Rows != 4 || result.Parsed != 4 || w.prompts["good one"] != 1 {
				t.Errorf(
					"the next attempt: %+v, %v; %d requests for the finished row", result, err, w.prompts["good one"],
				)
			}
			w.env.SetHeartbeatDetails(activities.Progress{TeacherSeconds: 100})
			result, err = w.run()
			if err != nil || result.Tokens != 4*9 || result.Seconds < 100 || result.Seconds > 160 {
				t.Errorf("after an attempt of 100 seconds: %+v, %v, want the tokens and seconds of all attempts",
					result, err)
			}
			w.checkNoSecret()
		})
	}
}

// A prompt without a complete reply is quarantined with its reason; the other prompts are not
// affected.
func TestFault11PoisonRowIsQuarantinedWithReason(t *testing.T) {
	for reason, fault := range map[string]func(http.ResponseWriter, *http.Request){
		"the server failed: 500 Internal Server Error":       statusOf(500),
		"no reply in time: 1s":                               hang,
		"the reply is not valid JSON: 18 bytes":              bodyOf(`{"choices":[{"mess`),
		"the reply is empty":                                 bodyOf(""),
		"the reply is too long: more than 1048576 bytes":     longBody(),
		"no line begins with number 1":                       chat,
		"the server rejected the prompt: 400 Bad Request, y": statusOf(400),
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			w := newTeacherEnv(t, func(w http.ResponseWriter, r *http.Request, text string) bool {
				if text == "bad two" {
					fault(w, r)
				}
				return text == "bad two"
			})
			result, err := w.run()
			if err != nil || result.Rows != 4 || result.Parsed != 3 || result.Quarantined != 1 {
				t.Fatalf("%+v, %v", result, err)
			}
			rows := w.rows()
			if !strings.HasPrefix(rows["bad two"], reason) || strings.Contains(rows["bad two"], secretKey) {
				t.Errorf("reason %q, want %q", rows["bad two"], reason)
			}
			requests := w.prompts["bad two"]
			if _, err := w.run(); err != nil || w.prompts["bad two"] != requests || requests > 5 {
				t.Errorf("%d requests, %d after another attempt (%v): want 5 at most and no more later",
					requests, w.prompts["bad two"], err)
			}
			w.checkNoSecret()
		})
	}
}

// A short Retry-After is waited for within the same attempt.
func TestFault11RetryAfterIsHonored(t *testing.T) {
	busy := 2
	w := newTeacherEnv(t, func(w http.ResponseWriter, r *http.Request, _ string) bool {
		busy--
		if busy >= 0 {
			statusOf(429, "Retry-After", "17")(w, r)
		}
		return busy >= 0
	})
	if result, err := w.run(); err != nil || result.Parsed != 4 {
		t.Errorf("%+v, %v", result, err)
	}
	if diff := cmp.Diff([]time.Duration{17 * time.Second, 17 * time.Second}, w.teachers.waited); diff != "" {
		t.Errorf("waits: %s", diff)
	}
}
