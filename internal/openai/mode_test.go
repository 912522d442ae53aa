package openai_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/openai"
	"rdrec/internal/teacher"
)

// twoLinePrompts returns prompts whose replies must have two lines.
func twoLinePrompts(texts ...string) []teacher.Prompt {
	all := prompts(texts...)
	for i := range all {
		all[i].ReplyPrefix, all[i].MaxLines, all[i].TwoLines = "1. The user prefers", 2, true
	}
	return all
}

// TestTwoLinesModeFallback: two lines are requested in the first mode that the server supports; a
// mode that it rejects or ignores is not tried again.
func TestTwoLinesModeFallback(t *testing.T) {
	const two = "1. The user prefers soap.\n2. It cleans."
	const asJSON = `{"user_preference":"The user prefers\nsoap.","item_attributes":"2. It cleans."}`
	reject := status(400, nil, `{"error":{"message":"unknown field"}}`)
	chat := func(w http.ResponseWriter, _ *http.Request) { writeReply(t, w, "Sure, here it is!", "stop") }
	grammar, schema := "grammar", "response_format"
	for name, c := range map[string]struct {
		supports string                                       // the field that the server obeys
		others   func(w http.ResponseWriter, r *http.Request) // its reply to other such fields
		text     string
		requests []int
	}{
		"a grammar":                       {grammar, nil, two, []int{1, 1}},
		"a schema; grammars are rejected": {schema, reject, two + "\n", []int{2, 1}},
		"a schema; grammars are ignored":  {schema, chat, two + "\n", []int{2, 1}},
		"nothing; everything is ignored":  {"", chat, "1. The user prefers Sure, here it is!", []int{3, 1}},
		"nothing; everything is rejected": {"", reject, "Sure, here it is!", []int{4, 1}},
		"a grammar and continuation":      {grammar, reject, two, []int{1, 1}},
		"a schema, but replies have other fields": {
			schema + "!", chat, "1. The user prefers Sure, here it is!", []int{3, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s *server
			s = serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
				s.mu.Lock()
				fields := s.all[len(s.all)-1].Fields
				s.mu.Unlock()
				has := func(field string) bool { return fields[field] != nil }
				switch {
				case c.supports == grammar && has(grammar):
					writeReply(t, w, two, "stop")
				case c.supports == schema && has(schema):
					writeReply(t, w, asJSON, "stop")
				case c.supports == schema+"!" && has(schema):
					writeReply(t, w, `{"rating":5}`, "stop")
				case has(grammar), has(schema), has("continue_final_message"):
					c.others(w, r)
				default:
					chat(w, r)
				}
				return true
			})
			e := engine(t, s, func(o *openai.Options) { o.Concurrency = 1 })
			replies, err := complete(t, e, twoLinePrompts("a", "b"))
			if err != nil || replies["a"].Text != c.text || replies["b"].Text != c.text {
				t.Errorf("got %+v, %v, want %q", replies, err, c.text)
			}
			if diff := cmp.Diff(map[string]int{"a": c.requests[0], "b": c.requests[1]}, s.requestCounts()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRejectedPromptDoesNotDisableGrammar(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, text string, _ int) bool {
		if text == "long" {
			status(400, nil, "")(w, r)
		} else {
			writeReply(t, w, "1. The user prefers soap.\n2. It cleans.", "stop")
		}
		return true
	})
	e := engine(t, s, func(o *openai.Options) { o.Concurrency = 1 })
	replies, err := complete(t, e, twoLinePrompts("a", "long", "b"))
	if err != nil || replies["long"].Failed == "" || replies["b"].Failed != "" || s.requestCounts()["b"] != 1 ||
		s.all[len(s.all)-1].Fields["grammar"] == nil {
		t.Errorf("got %+v, %v, requests %v", replies, err, s.requestCounts())
	}
}

// TestTwoLinesPattern: the grammar and the pattern match what strict parsing reads; a truncated
// reply counts as conforming.
func TestTwoLinesPattern(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, replyText string, _ int) bool {
		finish := "stop"
		if strings.HasPrefix(replyText, "cut") {
			finish = "length"
		}
		writeReply(t, w, "1. The user prefers "+replyText, finish)
		return true
	})
	e := engine(t, s, func(o *openai.Options) { o.Concurrency = 1 })
	texts := []string{"soap.\n2. It cleans.", "cut", "soap.\n2. It cleans.\n", "soap <b>.\n2. It cleans."}
	if _, err := complete(t, e, twoLinePrompts(texts...)); err != nil {
		t.Fatal(err)
	}
	requests := map[string]int{texts[0]: 1, texts[1]: 1, texts[2]: 1, texts[3]: 3}
	if diff := cmp.Diff(requests, s.requestCounts()); diff != "" {
		t.Error(diff)
	}
	fields := s.all[0].Fields
	pattern := fields["guided_regex"].(string) //nolint:errcheck // a test that panics fails
	if replyText := fmt.Sprint(fields["structured_outputs"]); replyText != "map[regex:"+pattern+"]" {
		t.Error(replyText)
	}
	for text, want := range map[string]bool{
		"1. The user prefers soap.\n2. It cleans.": true, "1. The user prefers soap.": false,
		"1. The user prefers soap.\n\n2. It cleans.":              false,
		"1. The user prefers soap for $1.50.\n2. It costs $1.50.": true,
		"1. The user prefers soap. More.\n2. It cleans.":          false,
		"1. The user prefers soap.\n2. It cleans":                 false,
		"1. The user prefers\n2. It cleans.":                      false, "1. Soap.\n2. It cleans.": false,
		"1. The user prefers " + strings.Repeat("so ", 11) + "\n2. It cleans.": false,
	} {
		if got := regexp.MustCompile("^" + pattern + "$").MatchString(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
	want := "root ::= \"1. The user prefers\" sentence \"\\n2. \" sentence\n" +
		"sentence ::= ([^\\n\\r\\[\\]<>{}.!?] | \".\" [0-9]){1,32} [.!?]\n"
	if diff := cmp.Diff(want, fields["grammar"]); diff != "" {
		t.Error(diff)
	}
}
