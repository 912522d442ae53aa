package openai_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/openai"
	"rdrec/internal/teacher"
)

func TestRequestParameters(t *testing.T) {
	s := serve(t, nil)
	p := prompt("soft hair")
	p.MaxLines = 1
	penalized := prompt("hard hair")
	penalized.Sampling.RepetitionPenalty, penalized.MaxLines = 1.15, 2
	e := engine(t, s, func(o *openai.Options) { o.Concurrency = 1 })
	if _, err := complete(t, e, []teacher.Prompt{p, penalized}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"max_tokens":12,"messages":[{"content":"Repeat.","role":"system"},` +
			`{"content":"soft hair","role":"user"}],"model":"tiny",` +
			`"seed":128,"stop":"\n","temperature":0.6,"top_p":0.9}`,
		`{"max_tokens":12,"messages":[{"content":"Repeat.","role":"system"},` +
			`{"content":"hard hair","role":"user"}],"model":"tiny",` +
			`"repeat_penalty":1.15,"repetition_penalty":1.15,"seed":128,"stop":"\n3.","temperature":0.6,"top_p":0.9}`,
	}
	for i, a := range s.all {
		got, err := json.Marshal(a.Fields)
		if diff := cmp.Diff(want[i], string(got)); err != nil || diff != "" {
			t.Errorf("request %d (-want +got): %v\n%s", i, err, diff)
		}
	}
	if got := s.all[0].Header.Get("Authorization"); got != "Bearer "+key {
		t.Errorf("authorization %q", got)
	}
}

func TestReplyPrefixes(t *testing.T) {
	for name, c := range map[string]struct{ reply, want string }{
		"continued":             {" soft hair.\n2. It softens.", "1. The user prefers soft hair.\n2. It softens."},
		"continued, blank lost": {"soft hair.\n2. It softens.", "1. The user prefers soft hair.\n2. It softens."},
		"repeated": {
			"1. The user prefers soft hair.\n2. It softens.", "1. The user prefers soft hair.\n2. It softens.",
		},
		"started over":                 {"1. Soft hair.\n2. It softens.", "1. Soft hair.\n2. It softens."},
		"started over with a greeting": {"Sure!\n1. Soft hair.\n2. It softens.", "Sure!\n1. Soft hair.\n"},
		"more lines than requested": {
			" soft hair.\n2. It softens.\nI hope\nthis helps", "1. The user prefers soft hair.\n2. It softens.\n",
		},
		"empty": {"", "1. The user prefers"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
				writeReply(t, w, c.reply, "stop")
				return true
			})
			p := prompt("soft hair")
			p.ReplyPrefix, p.MaxLines = "1. The user prefers", 2
			replies, err := complete(t, engine(t, s, nil), []teacher.Prompt{p})
			if diff := cmp.Diff(goodReply(c.want), replies["soft hair"]); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
			last := s.all[0].Messages[len(s.all[0].Messages)-1]
			if last.Role != "assistant" || last.Content != p.ReplyPrefix ||
				s.all[0].Fields["continue_final_message"] != true {
				t.Errorf("request %+v", s.all[0].Fields)
			}
		})
	}
}

func TestFallbackWithoutContinuation(t *testing.T) {
	var s *server
	s = serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
		s.mu.Lock()
		_, continued := s.all[len(s.all)-1].Fields["continue_final_message"]
		s.mu.Unlock()
		if continued {
			reply := `{"error":{"message":"Unrecognized request argument supplied: continue_final_message"}}`
			status(400, nil, reply)(w, r)
		}
		return continued
	})
	all := prompts("a", "b", "c")
	for i := range all {
		all[i].ReplyPrefix = "1. The user prefers"
	}
	replies, err := complete(t, engine(t, s, func(o *openai.Options) { o.Concurrency = 1 }), all)
	wantReplies := map[string]teacher.Reply{"a": goodReply("a"), "b": goodReply("b"), "c": goodReply("c")}
	if diff := cmp.Diff(wantReplies, replies); err != nil || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	if want := map[string]int{"a": 2, "b": 1, "c": 1}; !cmp.Equal(want, s.requestCounts()) {
		t.Error(cmp.Diff(want, s.requestCounts()))
	}
}

func TestTruncatedReplyCountsAllTokens(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, text string, _ int) bool {
		writeReply(t, w, text, "length")
		return true
	})
	replies, err := complete(t, engine(t, s, nil), prompts("a"))
	if want := (teacher.Reply{Text: "a", PromptTokens: 7, Tokens: 12}); err != nil || replies["a"] != want {
		t.Errorf("got %+v, %v", replies, err)
	}
}
