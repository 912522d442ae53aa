package llama_test

import (
	"math/rand/v2"
	"regexp"
	"testing"

	"rdrec/internal/llama"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// twoLines is what a held reply looks like: two numbered lines, each with a word, without the
// template's brackets.
var twoLines = regexp.MustCompile(`^1\.[^\n\r\[\]<>{}]*[\pL\pN\x{FFFD}][^\n\r\[\]<>{}]*\n2\.[^\n\r\[\]<>{}]*[\pL\pN\x{FFFD}][^\n\r\[\]<>{}]*\n?$`)

var template = regexp.MustCompile(`(?i)xxx`)

// Whatever is chosen among what is allowed, the reply has the form, and ends before its room does.
func TestTwoLinesCannotBeViolated(t *testing.T) {
	words := []string{
		"1", "1.", "1. ", "2", "2.", ".", ". ", ".\n", "\n", "\n\n", "\n2", "\n2. ", "\r", " ", "  ", " soap", "hair", " x", "x", "X", "xx",
		"ox", "xe", "[", "]", "<b>", "{", "!", "!\n", ",", "\xe4", "\xb8\x80", "", "\t", "1. a\n2. b\n", "a\n2. c", "",
	}
	for _, begin := range []string{"", "1. The user prefers", "1."} {
		for limit := 16; limit < 48; limit++ {
			random := rand.New(rand.NewPCG(uint64(limit), 1))
			for range 200 {
				text, cut := llama.GenerateTwoLines(words, begin, limit, random.IntN)
				if cut || !twoLines.MatchString(text) || template.MatchString(text) {
					t.Fatalf("begun with %q, of at most %d tokens, cut %v: %q", begin, limit, cut, text)
				}
			}
			for choice := range words { // the most stubborn model: always the same choice
				greedy := func(n int) int { return choice % n }
				if text, cut := llama.GenerateTwoLines(words, begin, limit, greedy); cut || !twoLines.MatchString(text) {
					t.Fatalf("begun with %q, of at most %d tokens, choice %d: %q", begin, limit, choice, text)
				}
			}
		}
	}
}

// A model of random weights writes anything, unless it is held.
func TestRandomModelWritesTwoLines(t *testing.T) {
	path := newTiny(false).write(t)
	prompts := chatPrompts(20, teacher.Sampling{MaxTokens: 24, Temperature: 1, TopP: 1, RepetitionPenalty: 1.2})
	for i := range prompts {
		prompts[i].TwoLines, prompts[i].MaxLines = i%4 != 3, 2 // some in their company are free
	}
	constrained := complete(t, open(t, path, testOptions(16)), prompts)
	for i, reply := range constrained {
		if two := twoLines.MatchString(reply.Text); two != prompts[i].TwoLines {
			t.Errorf("reply %d, held %v: %q", i, prompts[i].TwoLines, reply.Text)
		}
	}
	for i, reply := range complete(t, open(t, path, testOptions(1)), prompts) {
		if reply != constrained[i] {
			t.Errorf("alone %+v, in company %+v", reply, constrained[i])
		}
	}
}

// Held to two lines, SmolLM2 writes nothing that has to be asked again for its form, even for the
// prompt that it does not understand.
func TestSmolLM2WritesTwoLines(t *testing.T) {
	engine := smolLM2(t, llama.Options{Batch: 16})
	for _, prompt := range spec.Prompts() {
		for _, constrain := range []string{"", spec.TwoLines} {
			explanations := reviewSentences(t, 16)
			if constrain == "" && prompt == "paper" {
				explanations = explanations[:2] // all of them are asked three times, and none parses
			}
			settings := spec.Default().Teacher
			settings.Prompt, settings.Constrain = prompt, constrain
			rows := distilAs(t, engine, settings, explanations)
			q := teacher.Measure(rows)
			if constrain != "" && (q.Parsed != len(explanations) || q.Retried > 0) {
				t.Errorf("%s prompt: %+v", prompt, q)
			}
			if constrain == "" && prompt == "paper" && q.Parsed > 0 {
				t.Errorf("%s prompt, not held: %d parsed: the test tests nothing", prompt, q.Parsed)
			}
			t.Logf("%s prompt, constrain %q: %d of %d parsed, %d asked again, %.2f grounded, %d tokens",
				prompt, constrain, q.Parsed, q.Rationales, q.Retried, q.Grounded, q.Tokens)
		}
	}
}
