package teacher

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"rdrec/internal/spec"
)

// Pair is two texts, of which the first may entail the second.
type Pair struct {
	Premise    string `json:"premise"`
	Hypothesis string `json:"hypothesis"`
}

// Entailment is what a teacher found about a [Pair].
type Entailment struct {
	Pair
	// Entailed reports that the premise entails the hypothesis.
	Entailed bool `json:"entailed"`
	// Failed is the reason why the reply cannot be used; empty for a usable one.
	Failed string `json:"failed,omitempty"`
}

// errNotYesOrNo reports a reply that is neither yes nor no.
var errNotYesOrNo = errors.New("the reply begins with neither yes nor no")

const (
	entailmentSystem = "You compare two sentences about an item. Reply with one word, yes or no."
	entailmentTokens = 8
)

// entailmentExamples are the pairs that each prompt shows first, with their replies.
func entailmentExamples() []Entailment {
	return []Entailment{
		{Pair: Pair{"keeps my coffee hot until noon", "The cup keeps drinks warm."}, Entailed: true},
		{Pair: Pair{"keeps my coffee hot until noon", "The user prefers a light tent."}},
	}
}

// entailmentPrompt returns the prompt of a pair. Replies are the most likely tokens.
func entailmentPrompt(pair Pair) Prompt {
	messages := []Message{{System, entailmentSystem}}
	for _, e := range entailmentExamples() {
		messages = append(messages, Message{User, e.prompt()}, Message{Assistant, e.reply()})
	}
	return Prompt{
		Messages: append(messages, Message{User, pair.prompt()}), SharedPrefix: len(entailmentLead), MaxLines: 1,
		Sampling: Sampling{MaxTokens: entailmentTokens, TopP: 1, RepetitionPenalty: 1},
	}
}

const entailmentLead = "A customer wrote \""

func (pair Pair) prompt() string {
	return entailmentLead + pair.Premise + "\". Does that support the sentence \"" + pair.Hypothesis + "\"?"
}

func (e Entailment) reply() string {
	if e.Entailed {
		return "Yes"
	}
	return "No"
}

// EntailmentFingerprint returns a digest of everything that determines an entailment beside its
// pair.
func EntailmentFingerprint(settings spec.Teacher, weightsDigest string) string {
	data, err := json.Marshal(map[string]any{
		"entailment": 1, "weights": weightsDigest, "probe": entailmentPrompt(Pair{"\x00", "\x00"}),
		"context": settings.MaxContext,
	})
	if err != nil {
		panic(fmt.Sprintf("teacher: a prompt cannot be marshaled: %v", err)) // it has only texts and numbers
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// CheckEntailment asks the engine about each pair and calls emit with each result. An empty text
// entails nothing and is not entailed, without a request.
func CheckEntailment(
	ctx context.Context, engine Engine, settings spec.Teacher, pairs []Pair, emit func(Entailment) error,
) error {
	var asked []Pair
	var prompts []Prompt
	for _, pair := range pairs {
		if strings.TrimSpace(pair.Premise) == "" || strings.TrimSpace(pair.Hypothesis) == "" {
			if err := emit(Entailment{Pair: pair}); err != nil {
				return err
			}
			continue
		}
		asked, prompts = append(asked, pair), append(prompts, entailmentPrompt(pair))
	}
	if len(asked) == 0 {
		return nil
	}
	seen := make([]bool, len(asked))
	err := engine.Complete(ctx, prompts, func(i int, reply Reply) error {
		if i < 0 || i >= len(asked) || seen[i] {
			return fmt.Errorf("unexpected reply to pair %d of %d", i, len(asked))
		}
		seen[i] = true
		return emit(parseEntailment(asked[i], reply))
	})
	if err != nil {
		return fmt.Errorf("teacher %q: %w", settings.Model, err)
	}
	for i, ok := range seen {
		if !ok {
			return fmt.Errorf("teacher %q: no reply to pair %d of %d", settings.Model, i, len(asked))
		}
	}
	return nil
}

// parseEntailment parses a reply: the first word decides.
func parseEntailment(pair Pair, reply Reply) Entailment {
	e := Entailment{Pair: pair, Failed: reply.Failed}
	if e.Failed != "" {
		return e
	}
	words := strings.FieldsFunc(strings.ToLower(reply.Text), func(r rune) bool { return r < 'a' || r > 'z' })
	switch {
	case len(words) > 0 && words[0] == "yes":
		e.Entailed = true
	case len(words) == 0 || words[0] != "no":
		e.Failed = errNotYesOrNo.Error()
	}
	return e
}
