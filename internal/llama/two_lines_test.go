package llama_test

import (
	"math/rand/v2"
	"regexp"
	"testing"

	"rdrec/internal/llama"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// twoLines matches a constrained reply: two numbered lines, each with a word, without the
// template's brackets.
var twoLines = regexp.MustCompile(
	`^1\.[^\n\r\[\]<>{}]*[\pL\pN\x{FFFD}][^\n\r\[\]<>{}]*\n` +
		`2\.[^\n\r\[\]<>{}]*[\pL\pN\x{FFFD}][^\n\r\[\]<>{}]*\n?$`,
)

var template = regexp.MustCompile(`(?i)xxx`)

// TestTwoLinesCannotBeViolated checks that any choice among the allowed tokens gives two lines,
// which end within the limit.
func TestTwoLinesCannotBeViolated(t *testing.T) {
	words := []string{
		"1", "1.", "1. ", "2", "2.", ".", ". ", ".\n", "\n", "\n\n", "\n2", "\n2. ", "\r", " ", "  ",
		" soap", "hair", " x", "x", "X", "xx",
		"ox", "xe", "[", "]", "<b>", "{", "!", "!\n", ",", "\xe4", "\xb8\x80", "", "\t", "1. a\n2. b\n", "a\n2. c", "",
	}
	for _, begin := range []string{"", "1. The user prefers", "1."} {
		for limit := 16; limit < 48; limit++ {
			random := rand.New(rand.NewPCG(uint64(limit), 1))
			for range 200 {
				text, cut := llama.GenerateTwoLines(words, begin, limit, random.IntN)
				if cut || !twoLines.MatchString(text) || template.MatchString(text) {
					t.Fatalf("prefix %q, at most %d tokens, truncated %v: %q", begin, limit, cut, text)
				}
			}
			for choice := range words { // a model that always makes the same choice
				greedy := func(n int) int { return choice % n }
				text, cut := llama.GenerateTwoLines(words, begin, limit, greedy)
				if cut || !twoLines.MatchString(text) {
					t.Fatalf("prefix %q, at most %d tokens, choice %d: %q", begin, limit, choice, text)
				}
			}
		}
	}
}

// TestRandomModelWritesTwoLines checks that a model with random weights, which generates anything,
// is constrained to two lines.
func TestRandomModelWritesTwoLines(t *testing.T) {
	path := newTiny(false).write(t)
	prompts := chatPrompts(20, teacher.Sampling{MaxTokens: 24, Temperature: 1, TopP: 1, RepetitionPenalty: 1.2})
	for i := range prompts {
		prompts[i].TwoLines, prompts[i].MaxLines = i%4 != 3, 2 // some prompts of the batch are not constrained
	}
	constrained := complete(t, open(t, path, testOptions(16)), prompts)
	for i, reply := range constrained {
		if two := twoLines.MatchString(reply.Text); two != prompts[i].TwoLines {
			t.Errorf("reply %d, constrained %v: %q", i, prompts[i].TwoLines, reply.Text)
		}
	}
	for i, reply := range complete(t, open(t, path, testOptions(1)), prompts) {
		if reply != constrained[i] {
			t.Errorf("alone %+v, in a batch %+v", reply, constrained[i])
		}
	}
}

// TestSmolLM2WritesTwoLines checks that SmolLM2, constrained to two lines, needs no retry because
// of an unparsable reply, even for the prompt that it does not understand.
func TestSmolLM2WritesTwoLines(t *testing.T) {
	engine := smolLM2(t, llama.Options{Batch: 16})
	for _, c := range []struct {
		prompt, constrain string
		rows, tokens      int
	}{
		{"few-shot", spec.TwoLines, 2, 40},
		{"paper", spec.TwoLines, 1, 40},
		{"paper", "", 1, 12}, // three tries, none of which parses
	} {
		explanations := reviewSentences(t, c.rows)
		settings := spec.Default().Teacher
		settings.Prompt, settings.Constrain, settings.MaxTokens = c.prompt, c.constrain, c.tokens
		rows := distilAs(t, engine, settings, explanations)
		q := teacher.Measure(rows)
		if c.constrain != "" && (q.Parsed != len(explanations) || q.Retried > 0) {
			t.Errorf("%s prompt: %+v", c.prompt, q)
		}
		if c.constrain == "" && q.Parsed > 0 {
			t.Errorf("%s prompt, not constrained: %d parsed: the test tests nothing", c.prompt, q.Parsed)
		}
		t.Logf("%s prompt, constrain %q: %d of %d parsed, %d retried, %.2f grounded, %d tokens",
			c.prompt, c.constrain, q.Parsed, q.Rationales, q.Retried, q.Grounded, q.Tokens)
	}
}
