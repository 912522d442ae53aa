package openai_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rdrec/internal/openai"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// chatCase is what a chat server replies to three reviews, and what is right.
type chatCase struct {
	name string
	// content is the text of each reply. If it is empty, answer writes the reply to a request with
	// these fields.
	content string
	answer  func(t *testing.T, w http.ResponseWriter, fields map[string]any)
	change  func(*spec.Teacher)
	right   string
}

const thoughts = "Okay.\n1. First, the customer likes it.\n2. Then, it is blue.\n"

// contentCases returns the replies whose content is not just two lines.
func contentCases() []chatCase {
	const three = "3 rationales"
	long := func(s *spec.Teacher) { s.Prompt, s.MaxTokens = "paper", 500 }
	long2 := func(s *spec.Teacher) { s.Prompt, s.Parse, s.MaxTokens = "paper", "paper", 500 }
	return []chatCase{
		{name: "thoughts in tags", content: "<think>\n" + thoughts + "</think>\n\n" + goodLines, right: three},
		{name: "thoughts without the opening tag", content: thoughts + "</think>\n\n" + goodLines, right: three},
		{
			name: "thoughts, prompt paper, max_tokens 500", change: long,
			content: "<think>\n" + thoughts + "</think>\n\n" + goodLines, right: three,
		},
		{
			name: "thoughts, prompt and parser paper", change: long2,
			content: thoughts + "</think>\n\n" + goodLines, right: three,
		},
		{name: "two new lines first", content: "\n\n" + goodLines, right: three},
		{
			name: "a blank line between the sentences", right: three,
			content: "1. The user prefers soft hair.\n\n2. The item softens hair.",
		},
		{name: "a greeting first", content: "Sure! Here are two sentences:\n" + goodLines, right: three},
	}
}

// message writes a reply with a message and the reason of its end.
func message(w http.ResponseWriter, media, finish, message string) {
	w.Header()["Content-Type"] = nil // none at all
	if media != "" {
		w.Header().Set("Content-Type", media)
	}
	fmt.Fprintf(w, `{"choices":[{"finish_reason":%q,"message":%s}]}`, finish, message)
}

// fieldCases returns the replies that differ in other fields than the content.
func fieldCases() []chatCase {
	const media = "application/json"
	good := func(t *testing.T) string {
		t.Helper()
		return `{"content":` + string(marshal(t, goodLines)) + `}`
	}
	return []chatCase{
		{
			name: "null content, all tokens went into reasoning",
			answer: func(_ *testing.T, w http.ResponseWriter, _ map[string]any) {
				message(w, media, "length", `{"content":null,"reasoning_content":"1. Okay\n2. So"}`)
			},
			right: "0 rationales; all tokens of the reply went into reasoning",
		},
		{
			name: "reasoning_content beside the content",
			answer: func(t *testing.T, w http.ResponseWriter, _ map[string]any) {
				t.Helper()
				text := string(marshal(t, goodLines))
				message(w, media, "stop", `{"reasoning_content":"1. Okay\n2. So","content":`+text+`}`)
			},
			right: "3 rationales",
		},
		{
			name: "max_tokens 4096, thinking switched off by a further field",
			change: func(s *spec.Teacher) {
				s.MaxTokens = 4096
				s.Request = map[string]any{"chat_template_kwargs": map[string]any{"enable_thinking": false}}
			},
			answer: func(t *testing.T, w http.ResponseWriter, fields map[string]any) {
				t.Helper()
				if fields["max_tokens"] != 4096.0 || fields["chat_template_kwargs"] == nil {
					t.Errorf("request %v", fields)
				}
				message(w, media, "stop", good(t))
			},
			right: "3 rationales",
		},
		{
			name: "JSON as text/plain",
			answer: func(t *testing.T, w http.ResponseWriter, _ map[string]any) {
				t.Helper()
				message(w, "text/plain", "stop", good(t))
			},
			right: "3 rationales",
		},
		{
			name: "JSON without a Content-Type",
			answer: func(t *testing.T, w http.ResponseWriter, _ map[string]any) {
				t.Helper()
				message(w, "", "stop", good(t))
			},
			right: "3 rationales",
		},
	}
}

// rejectionCases returns the replies of servers that refuse a request.
func rejectionCases() []chatCase {
	reply := func(t *testing.T, w http.ResponseWriter) {
		t.Helper()
		writeReply(t, w, goodLines, "stop")
	}
	return []chatCase{
		{
			name: "OpenAI refuses repetition_penalty",
			answer: func(t *testing.T, w http.ResponseWriter, fields map[string]any) {
				t.Helper()
				for _, field := range []string{"repetition_penalty", "repeat_penalty"} {
					if _, sent := fields[field]; sent {
						reject(w, field, "", "Unrecognized request argument supplied: "+field)
						return
					}
				}
				reply(t, w)
			},
			right: "3 rationales; without repeat_penalty; without repetition_penalty",
		},
		{
			name: "newer models want max_completion_tokens, refuse stop and temperature",
			answer: func(t *testing.T, w http.ResponseWriter, fields map[string]any) {
				t.Helper()
				for _, field := range []string{"max_tokens", "stop", "temperature"} {
					if _, sent := fields[field]; sent {
						reject(w, field, "unsupported_parameter", "Unsupported parameter: '"+field+
							"' is not supported with this model. Use 'max_completion_tokens' instead.")
						return
					}
				}
				if fields["max_completion_tokens"] != 80.0 {
					t.Errorf("request %v", fields)
				}
				reply(t, w)
			},
			right: "3 rationales; max_completion_tokens for max_tokens; without stop; without temperature",
		},
		{
			name: "429 with code insufficient_quota",
			answer: func(_ *testing.T, w http.ResponseWriter, _ map[string]any) {
				status(429, nil, `{"error":{"message":"see your plan","code":"insufficient_quota"}}`)(w, nil)
			},
			right: "refused after 1 request: the account's quota is exhausted",
		},
	}
}

// TestCases distills three reviews with servers that reply as real ones do. make cases prints what
// it logs.
func TestCases(t *testing.T) {
	for _, c := range slices.Concat(contentCases(), fieldCases(), rejectionCases()) {
		t.Run(c.name, func(t *testing.T) {
			var s *server
			s = serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
				if c.content != "" {
					writeReply(t, w, c.content, "stop")
				} else {
					c.answer(t, w, s.lastFields())
				}
				return true
			})
			rows, announced, err := distill(t, s, c.change, nil)
			c.check(t, outcome(rows, announced, err, len(s.all)))
		})
	}
	t.Run("loading", func(t *testing.T) {
		clock := newClock()
		start := clock.now()
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
			if clock.now().Sub(start) < 20*time.Second {
				status(503, nil, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`)(w, nil)
			} else {
				writeReply(t, w, goodLines, "stop")
			}
			return true
		})
		rows, announced, err := distill(t, s, nil, func(o *openai.Options) { o.Now, o.Sleep = clock.now, clock.sleep })
		c := chatCase{name: "503 Loading model for 20 s", right: "3 rationales"}
		c.check(t, outcome(rows, announced, err, 1))
	})
}

func (c chatCase) check(t *testing.T, got string) {
	t.Helper()
	t.Logf("case: chat server: %s | %s | %s", c.name, c.right, got)
	if got != c.right {
		t.Errorf("got   %q\nright %q", got, c.right)
	}
}

// outcome returns the result of a distillation in words.
func outcome(rows []teacher.Rationale, announced map[string]string, err error, requests int) string {
	if err != nil {
		text := err.Error()
		if at := strings.Index(text, openai.ErrQuota.Error()); at >= 0 {
			text, _, _ = strings.Cut(text[at:], ":")
		}
		return fmt.Sprintf("refused after %d request: %s", requests, text)
	}
	good, parts := 0, map[string]bool{}
	for _, row := range rows {
		lines := strings.TrimSpace(row.Preference) + "|" + strings.TrimSpace(row.Attribution)
		switch {
		case row.Failed != "":
			reason, _, _ := strings.Cut(row.Failed, ":")
			parts[reason] = true
		case lines == "The user prefers soft hair.|The item softens hair.":
			good++
		default:
			parts[lines] = true
		}
	}
	for field, renamed := range announced {
		if renamed == "" {
			parts["without "+field] = true
		} else {
			parts[renamed+" for "+field] = true
		}
	}
	return strings.Join(append([]string{fmt.Sprintf("%d rationales", good)}, slices.Sorted(maps.Keys(parts))...), "; ")
}

// distilled returns the rationales of three reviews by a server, and what the engine announced.
func distilled(
	t *testing.T, s *server, change func(*spec.Teacher),
) (rows []teacher.Rationale, announced map[string]string) {
	t.Helper()
	rows, announced, err := distill(t, s, change, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows, announced
}

// distill is distilled with further options of the engine.
func distill(
	t *testing.T, s *server, change func(*spec.Teacher), further func(*openai.Options),
) (rows []teacher.Rationale, announced map[string]string, err error) {
	t.Helper()
	settings := spec.Default().Teacher
	settings.Model = "openai:" + s.URL + "/v1#tiny"
	if change != nil {
		change(&settings)
	}
	announced = map[string]string{}
	e := engine(t, s, func(o *openai.Options) {
		o.Concurrency, o.Request = 1, settings.Request
		o.OnAdjusted = func(field, renamed string) { announced[field] = renamed }
		if further != nil {
			further(o)
		}
	})
	var requests []teacher.Request
	for _, text := range []string{"soft hair", "softer hair", "hair so soft"} {
		requests = append(requests, teacher.Request{ID: text, Text: text})
	}
	err = teacher.Distill(t.Context(), e, settings, requests, func(r teacher.Rationale) error {
		rows = append(rows, r)
		return nil
	})
	return rows, announced, err
}
