package teacher

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Quality summarizes a set of rationales.
type Quality struct {
	Rationales int `json:"rationales"`
	// Parsed and Quarantined count final rationales. Retried needed more than one request, and
	// Leaked had a reply with words of the prompt's examples: both may still have succeeded.
	// FellBack used the explanation itself, as the reference does.
	Parsed      int `json:"parsed"`
	Quarantined int `json:"quarantined"`
	Retried     int `json:"retried"`
	Leaked      int `json:"leaked"`
	FellBack    int `json:"fell_back"`
	// Grounded is the share of the rationales' content words that occur in their explanations, 0 to
	// 1.
	Grounded float64 `json:"grounded"`
	// PromptTokens and Tokens are the tokens read and generated.
	PromptTokens int `json:"prompt_tokens"`
	Tokens       int `json:"tokens"`
	// Reasons are the reasons for quarantined rationales, the most frequent first.
	Reasons []Reason `json:"reasons,omitempty"`
}

// Reason is a reason for quarantined rationales and how many have it.
type Reason struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// String returns the reason for people.
func (r Reason) String() string { return fmt.Sprintf("%s (%d times)", r.Reason, r.Count) }

// Measure summarizes rationales. Their order does not matter.
func Measure(rationales []Rationale) Quality {
	q := Quality{Rationales: len(rationales)}
	words, found := 0, 0
	reasons := map[string]int{}
	for _, r := range rationales {
		q.PromptTokens += r.PromptTokens
		q.Tokens += r.Tokens
		words += r.Words
		found += r.Grounded
		q.Retried += countTrue(r.Attempts > 1)
		q.Leaked += countTrue(r.Leaks > 0)
		q.FellBack += countTrue(r.FellBack)
		q.Parsed += countTrue(r.Failed == "" && !r.FellBack)
		if r.Failed != "" {
			q.Quarantined++
			reason, _, _ := strings.Cut(r.Failed, ":")
			reasons[reason]++
		}
	}
	q.Grounded = float64(found) / float64(max(words, 1))
	for reason, count := range reasons {
		q.Reasons = append(q.Reasons, Reason{reason, count})
	}
	slices.SortFunc(q.Reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	return q
}

func countTrue(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
