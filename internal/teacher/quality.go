package teacher

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Quality is what a set of rationales is worth.
type Quality struct {
	Rationales int `json:"rationales"`
	// Parsed were understood, Quarantined given up. Retried were asked more than once, and Leaked
	// had a reply with words of the prompt's examples: both may still have ended well. FellBack
	// took the explanation itself, as the reference does.
	Parsed      int `json:"parsed"`
	Quarantined int `json:"quarantined"`
	Retried     int `json:"retried"`
	Leaked      int `json:"leaked"`
	FellBack    int `json:"fell_back"`
	// Grounded is the share of the rationales' content words that stand in their explanations, 0 to
	// 1.
	Grounded float64 `json:"grounded"`
	// PromptTokens and Tokens were read and written.
	PromptTokens int `json:"prompt_tokens"`
	Tokens       int `json:"tokens"`
	// Reasons are why rationales were given up, the most frequent first.
	Reasons []Reason `json:"reasons,omitempty"`
}

// Reason is why some rationales were given up.
type Reason struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// String is the reason as a person reads it.
func (r Reason) String() string { return fmt.Sprintf("%s (%d times)", r.Reason, r.Count) }

// Measure counts rationales. Their order does not matter.
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
