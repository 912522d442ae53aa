package openai_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/openai"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// wantGood checks that each row has the two good sentences after one request.
func wantGood(t *testing.T, rows []teacher.Rationale) {
	t.Helper()
	if len(rows) != 3 {
		t.Fatalf("%d rationales, want 3", len(rows))
	}
	for _, row := range rows {
		got := []any{row.Preference, row.Attribution, row.Failed, row.Attempts, row.FellBack}
		want := []any{"The user prefers soft hair.", "The item softens hair.", "", 1, false}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", row.Text, diff)
		}
	}
}

const goodLines = "1. The user prefers soft hair.\n2. The item softens hair."

// reject replies with 400 and OpenAI's description of a field.
func reject(w http.ResponseWriter, field, code, message string) {
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"error":{"message":%q,"type":"invalid_request_error","param":%q,"code":%q}}`,
		message, field, code)
}

// lastFields returns the fields of the latest request.
func (s *server) lastFields() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[len(s.all)-1].Fields
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Error(err)
	}
	return text
}

func TestRejectedFieldsAreDroppedOrRenamed(t *testing.T) {
	known := []string{"model", "messages", "max_tokens", "temperature", "top_p", "stop", "seed"}
	unknown := func(fields map[string]any, known []string) string {
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			if !slices.Contains(known, field) {
				return field
			}
		}
		return ""
	}
	for name, c := range map[string]struct {
		check    func(w http.ResponseWriter, fields map[string]any) bool // writes a rejection
		adjusted map[string]string
	}{
		"OpenAI": {
			func(w http.ResponseWriter, fields map[string]any) bool {
				field := unknown(fields, known)
				if field != "" {
					reject(w, field, "", "Unrecognized request argument supplied: "+field)
				}
				return field != ""
			},
			map[string]string{"repetition_penalty": "", "repeat_penalty": ""},
		},
		"OpenAI's newer models": {
			func(w http.ResponseWriter, fields map[string]any) bool {
				field := unknown(fields, []string{"model", "messages", "max_completion_tokens", "seed"})
				switch field {
				case "":
				case "max_tokens":
					reject(w, field, "unsupported_parameter",
						"Unsupported parameter: 'max_tokens' is not supported with this model. "+
							"Use 'max_completion_tokens' instead.")
				default:
					reject(w, field, "unsupported_parameter", "Unsupported parameter: '"+field+"' is not supported.")
				}
				return field != ""
			},
			map[string]string{
				"repetition_penalty": "", "repeat_penalty": "", "stop": "", "temperature": "", "top_p": "",
				"max_tokens": "max_completion_tokens",
			},
		},
		"a text without a parameter": {
			func(w http.ResponseWriter, fields map[string]any) bool {
				field := unknown(fields, known[:len(known)-1]) // all but seed
				if field != "" {
					w.WriteHeader(http.StatusBadRequest)
					fmt.Fprintf(w, `{"error":{"message":"property '%s' is unsupported"}}`, field)
				}
				return field != ""
			},
			map[string]string{"repetition_penalty": "", "repeat_penalty": "", "seed": ""},
		},
		"a list of all": {
			func(w http.ResponseWriter, fields map[string]any) bool {
				var detail []any
				for _, field := range slices.Sorted(maps.Keys(fields)) {
					if !slices.Contains(known, field) {
						detail = append(detail, map[string]any{"type": "extra", "loc": []string{"body", field}})
					}
				}
				if detail != nil {
					w.WriteHeader(http.StatusUnprocessableEntity)
					fmt.Fprint(w, string(marshal(t, map[string]any{"detail": detail})))
				}
				return detail != nil
			},
			map[string]string{"repetition_penalty": "", "repeat_penalty": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s *server
			s = serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
				if !c.check(w, s.lastFields()) {
					writeReply(t, w, goodLines, "stop")
				}
				return true
			})
			rows, announced := distilled(t, s, nil)
			wantGood(t, rows)
			if diff := cmp.Diff(c.adjusted, announced); diff != "" {
				t.Errorf("announced (-want +got):\n%s", diff)
			}
			if counts := s.requestCounts(); counts[`A user bought an item and said "hair so soft".`] != 1 {
				t.Errorf("the last prompt was sent %v times, want once: the server's rules were known", counts)
			}
			if _, renamed := c.adjusted["max_tokens"]; renamed != (s.lastFields()["max_completion_tokens"] == 80.0) {
				t.Errorf("last request %v", s.lastFields())
			}
		})
	}
}

func TestRejectedPromptsChangeNoFields(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, text string, _ int) bool {
		if strings.Contains(text, "softer") {
			reject(w, "max_tokens", "", "'max_tokens' is too large: this prompt has 500 tokens")
		} else {
			writeReply(t, w, goodLines, "stop")
		}
		return true
	})
	rows, announced := distilled(t, s, nil)
	failed := 0
	for _, row := range rows {
		if row.Failed != "" {
			failed++
		}
	}
	if failed != 1 || len(announced) != 0 || s.lastFields()["max_tokens"] != 80.0 {
		t.Errorf("%d failed, announced %v, last request %v", failed, announced, s.lastFields())
	}
}

func TestThoughtsAndBlankLinesAreNoRationale(t *testing.T) {
	const thoughts = "Okay.\n1. First, the customer likes it.\n2. Then, it is blue.\n"
	for name, text := range map[string]string{
		"thoughts":             "<think>\n" + thoughts + "</think>\n\n" + goodLines,
		"opened by a template": thoughts + "</think>\n\n" + goodLines,
		"other tags":           "<reasoning>" + thoughts + "</reasoning>" + goodLines,
		"Mistral's tags":       "[THINK]" + thoughts + "[/THINK]" + goodLines,
		"channels": "<|channel|>analysis<|message|>" + thoughts +
			"<|end|><|start|>assistant<|channel|>final<|message|>" + goodLines,
		"an answer in tags":     "<think>" + thoughts + "</think><answer>" + goodLines + "</answer>",
		"an empty thought":      "<think>\n\n</think>\n\n" + goodLines,
		"blank lines":           "\n\n1. The user prefers soft hair.\n\n2. The item softens hair.\n",
		"a greeting":            "Sure! Here are two sentences:\n\n" + goodLines + "\n\nI hope this helps!\nBye",
		"two lines of greeting": "Sure!\nHere are two sentences:\n" + goodLines,
		"a continuation":        " soft hair.\n\n2. The item softens hair.",
		"a new line first":      "\n\nThe user prefers soft hair.\n\n2. The item softens hair.",
	} {
		t.Run(name, func(t *testing.T) {
			reply := func(t *testing.T) *server {
				t.Helper()
				return serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
					writeReply(t, w, text, "stop")
					return true
				})
			}
			rows, _ := distilled(t, reply(t), nil)
			wantGood(t, rows)
			rows, _ = distilled(t, reply(t), func(s *spec.Teacher) { s.Constrain, s.MaxTokens = spec.TwoLines, 4096 })
			wantGood(t, rows)
			if !strings.Contains(text, "Okay") {
				return
			}
			rows, _ = distilled(t, reply(t), func(s *spec.Teacher) { s.Prompt, s.MaxTokens = "paper", 500 })
			wantGood(t, rows)
			rows, _ = distilled(t, reply(t), func(s *spec.Teacher) {
				s.Prompt, s.Parse, s.MaxTokens = "paper", "paper", 500
			})
			for i := range rows { // the reference's parser keeps the blank after the number's dot
				rows[i].Preference = strings.TrimSpace(rows[i].Preference)
				rows[i].Attribution = strings.TrimSpace(rows[i].Attribution)
			}
			wantGood(t, rows)
		})
	}
}

// TestStopSequenceWithinThoughts has a server that applies the stop sequence to thoughts, inside
// the text or beside it.
func TestStopSequenceWithinThoughts(t *testing.T) {
	for name, cut := range map[string]string{
		"in the text": `{"content":"<think>\n1. First\n2. Then"}`,
		"beside it":   `{"content":null,"reasoning_content":"1. First\n2. Then"}`,
	} {
		t.Run(name, func(t *testing.T) {
			var s *server
			s = serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
				if s.lastFields()["stop"] == nil {
					writeReply(t, w, "<think>\n1. First\n2. Then\n3. So\n</think>\n"+goodLines, "stop")
				} else {
					fmt.Fprintf(w, `{"choices":[{"finish_reason":"stop","message":%s}]}`, cut)
				}
				return true
			})
			rows, announced := distilled(t, s, nil)
			wantGood(t, rows)
			if diff := cmp.Diff(map[string]string{"stop": ""}, announced); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRepliesWithoutTextHaveTheirReason(t *testing.T) {
	for name, c := range map[string]struct{ choice, want string }{
		"all tokens are reasoning": {
			`{"finish_reason":"length","message":{"content":null,"reasoning_content":"Okay, the user"}}`,
			"all tokens of the reply went into reasoning",
		},
		"thoughts without an end": {
			`{"finish_reason":"length","message":{"content":"<think>\n1. First\n2. Then it is blue.\n"}}`,
			"all tokens of the reply went into reasoning",
		},
		"thoughts without tags": {
			`{"finish_reason":"length","message":{"content":"` + strings.Repeat("Okay, so the user. ", 20) +
				`\n1. First, soft hair.\n2. Then, softer.\nWait"}}`,
			"the reply reached its maximum length",
		},
		"no text": {`{"finish_reason":"stop","message":{"content":null}}`, "the reply has no text"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
				fmt.Fprintf(w, `{"choices":[%s]}`, c.choice)
				return true
			})
			rows, _ := distilled(t, s, func(s *spec.Teacher) { s.Prompt = "paper" })
			for _, row := range rows {
				if !strings.HasPrefix(row.Failed, c.want) || row.Preference != "" {
					t.Errorf("got %+v, want %q", row, c.want)
				}
			}
		})
	}
}

func TestReplyIsReadByItsJSON(t *testing.T) {
	for _, media := range []string{"", "text/plain", "text/html; charset=utf-8", "application/octet-stream", "no//"} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
			w.Header()["Content-Type"] = []string{media}
			if media == "" {
				w.Header()["Content-Type"] = nil // none at all
			}
			text := marshal(t, goodLines)
			fmt.Fprintf(w, `{"choices":[{"finish_reason":"stop","message":{"content":%s}}]}`, text)
			return true
		})
		rows, _ := distilled(t, s, nil)
		wantGood(t, rows)
	}
}

func TestReplyInParts(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
		text := marshal(t, goodLines)
		fmt.Fprintf(w, `{"choices":[{"finish_reason":"stop","message":{"content":[
			{"type":"thinking","thinking":[{"type":"text","text":"1. First"}]},{"type":"text","text":%s}]}}]}`, text)
		return true
	})
	rows, _ := distilled(t, s, nil)
	wantGood(t, rows)
}

func TestFurtherRequestFields(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) bool {
		writeReply(t, w, goodLines, "stop")
		return true
	})
	fields := map[string]any{
		"chat_template_kwargs": map[string]any{"enable_thinking": false}, "reasoning_effort": "low", "top_k": 20,
	}
	rows, _ := distilled(t, s, func(s *spec.Teacher) { s.Request, s.MaxTokens = fields, 4096 })
	wantGood(t, rows)
	want := map[string]any{
		"chat_template_kwargs": map[string]any{"enable_thinking": false}, "reasoning_effort": "low", "top_k": 20.0,
		"max_tokens": 4096.0,
	}
	got := s.lastFields()
	maps.DeleteFunc(got, func(field string, _ any) bool { return want[field] == nil })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLoadingServerIsAwaited has servers that load their model for two minutes.
func TestLoadingServerIsAwaited(t *testing.T) {
	for _, message := range []string{
		`{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`,
		`{"error":"Model tiny is currently loading","estimated_time":20.0}`,
	} {
		clock := newClock()
		ready := clock.now().Add(2 * time.Minute)
		s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
			early := clock.now().Before(ready)
			if early {
				status(503, nil, message)(w, r)
			}
			return early
		})
		e := engine(t, s, func(o *openai.Options) { o.Now, o.Sleep = clock.now, clock.sleep })
		if replies, err := complete(t, e, prompts("a", "b", "c")); err != nil || len(replies) != 3 {
			t.Errorf("got %+v, %v", replies, err)
		}
		broken := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) bool {
			status(503, nil, message)(w, r)
			return true
		})
		start := clock.now()
		e = engine(t, broken, func(o *openai.Options) { o.Now, o.Sleep, o.Concurrency = clock.now, clock.sleep, 1 })
		_, err := complete(t, e, prompts("a"))
		if waited := clock.now().Sub(start); err == nil || waited < 5*time.Minute || waited > 6*time.Minute {
			t.Errorf("after %v: %v, want an error after five minutes", waited, err)
		}
	}
}
