package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// onServer reports whether the teacher is behind a chat server.
func (t Teacher) onServer() bool { return strings.HasPrefix(t.Model, "openai:") }

// ReservedFields returns the fields that teacher.request cannot set, each with what sets it.
func ReservedFields() map[string]string {
	return map[string]string{
		"model": "teacher.model", "messages": "teacher.prompt", "max_tokens": "teacher.max_tokens",
		"max_completion_tokens": "teacher.max_tokens", "temperature": "teacher.temperature", "top_p": "teacher.top_p",
		"repetition_penalty": "teacher.repetition_penalty", "repeat_penalty": "teacher.repetition_penalty",
		"response_format": "teacher.constrain", "grammar": "teacher.constrain", "guided_regex": "teacher.constrain",
		"structured_outputs": "teacher.constrain", "stop": "teacher.parse", "seed": "the explanation",
		"stream": "rdrec", "n": "rdrec",
	}
}

// reservedField returns the first field of teacher.request that it cannot set, or "".
func reservedField(t Teacher) string {
	for _, name := range slices.Sorted(maps.Keys(t.Request)) {
		if ReservedFields()[name] != "" {
			return name
		}
	}
	return ""
}

// serverRules returns the rules between a teacher and where it runs.
func serverRules() []rule {
	rules := make([]rule, 0, 3+len(ReservedFields()))
	rules = append(
		rules, rule{
			"teacher.request", func(s Spec) bool { return len(s.Teacher.Request) > 0 && !s.Teacher.onServer() },
			"applies to chat servers", "remove it, or set teacher.model to openai:URL#MODEL",
		},
		rule{
			"teacher.request", func(s Spec) bool {
				_, err := json.Marshal(s.Teacher.Request)
				return err != nil
			},
			"has a value that JSON cannot hold", "",
		},
		rule{
			"teacher.max_tokens",
			func(s Spec) bool { return s.Teacher.MaxTokens > MaxLocalTokens && !s.Teacher.onServer() },
			fmt.Sprintf("must be at most %d for a model in this process", MaxLocalTokens), "",
		},
	)
	for name, owner := range ReservedFields() {
		rules = append(rules, rule{
			"teacher.request", func(s Spec) bool { return reservedField(s.Teacher) == name },
			fmt.Sprintf("sets %q, which %s decides", name, owner), "remove the field",
		})
	}
	return rules
}
