package openai

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/openai/openai-go/v3/option"

	"rdrec/internal/teacher"
)

// Fields of a request that a server may reject.
const (
	maxTokensField    = "max_tokens"
	newMaxTokensField = "max_completion_tokens"
	stopField         = "stop"
)

// optionalFields returns the fields of a request that a reply does not need, and the names under
// which newer models want them; "" if there is none.
func optionalFields() map[string]string {
	return map[string]string{
		"repetition_penalty": "", "repeat_penalty": "", "temperature": "", "top_p": "", "seed": "", stopField: "",
		maxTokensField: newMaxTokensField,
	}
}

// adjustments are the fields that a server rejects, and their new names; "" drops a field.
type adjustments map[string]string

// options returns the adjustments of a request.
func (a adjustments) options(p *teacher.Prompt) []option.RequestOption {
	out := make([]option.RequestOption, 0, 2*len(a))
	for _, field := range slices.Sorted(maps.Keys(a)) {
		out = append(out, option.WithJSONDel(field))
		if a[field] == newMaxTokensField {
			out = append(out, option.WithJSONSet(newMaxTokensField, p.Sampling.MaxTokens))
		}
	}
	return out
}

// adjust adds the optional fields that a failure names and reports whether there are new ones.
func (a adjustments) adjust(failure *requestError) (changed bool) {
	for _, field := range failure.fields {
		if _, done := a[field]; !done {
			a[field], changed = optionalFields()[field], true
		}
	}
	return changed
}

// adjustments returns the adjustments so far.
func (e *Engine) adjustments() adjustments {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := adjustments{}
	maps.Copy(all, e.adjusted)
	return all
}

// remember keeps the adjustments of a request that succeeded, and announces the new ones.
func (e *Engine) remember(all adjustments) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if _, known := e.adjusted[field]; known {
			continue
		}
		e.adjusted[field] = all[field]
		if e.options.OnAdjusted != nil {
			e.options.OnAdjusted(field, all[field])
		}
	}
}

// rejectedFields returns the optional fields that a rejected request's error names: in its
// parameter, or else anywhere in its body. A field whose name is a word counts only in quotes or
// after a word such as "parameter".
func rejectedFields(detail errorDetail, body []byte) []string {
	if detail.Param != "" {
		field := detail.Param[strings.LastIndexByte(detail.Param, '.')+1:]
		if _, optional := optionalFields()[field]; optional {
			return []string{field}
		}
		return nil
	}
	var found []string
	for _, field := range slices.Sorted(maps.Keys(optionalFields())) {
		if namesField(body, field) {
			found = append(found, field)
		}
	}
	return found
}

// namesField reports whether the body of an error names a field.
func namesField(body []byte, field string) bool {
	before, after := `\b`, `\b`
	if !strings.Contains(field, "_") {
		before = `(?:["'` + "`" + `]|(?:parameter|argument|field|property|input|supplied|name)s?\W{1,4})`
	}
	return regexp.MustCompile(`(?i)` + before + regexp.QuoteMeta(field) + after).Match(body)
}

// stoppedInThoughts reports whether the server applied the stop sequence, which ends an answer, to
// thoughts.
func stoppedInThoughts(reply serverReply) bool {
	_, thinking := teacher.Answer(reply.Text)
	return reply.finish == "stop" && (thinking || reply.reasoned && strings.TrimSpace(reply.Text) == "")
}
