package metric

import (
	"errors"
	"strings"
)

// ErrNoFeatures reports that a feature metric has nothing to count: no feature is known, or DIV has
// fewer than two texts.
var ErrNoFeatures = errors.New("no features to count")

// Explanations is generated texts and the features that they may mention, as Li et al. count them
// (NETE, CIKM 2020; PETER, ACL 2021).
type Explanations struct {
	Texts []Text
	// Features has the feature of each text's reference; "" if it has none.
	Features []string
	// Mentioned has the features of the catalog that each generated text contains.
	Mentioned []map[string]bool
	// Catalog is the number of distinct features of the data.
	Catalog int
}

// FindFeatures finds the features of a catalog in the generated words. features has the feature of
// each text's reference. Case and punctuation do not count, and a feature may have several words.
func FindFeatures(texts []Text, features, catalog []string) Explanations {
	known, longest := map[string]bool{}, 0
	for _, feature := range catalog {
		if words := PlainWords(feature); len(words) > 0 {
			known[strings.Join(words, " ")] = true
			longest = max(longest, len(words))
		}
	}
	e := Explanations{Texts: texts, Catalog: len(known)}
	for i, text := range texts {
		e.Features = append(e.Features, strings.Join(PlainWords(features[i]), " "))
		words, found := PlainWords(strings.Join(text.Generated, " ")), map[string]bool{}
		for n := 1; n <= longest; n++ {
			for start := 0; start+n <= len(words); start++ {
				if phrase := strings.Join(words[start:start+n], " "); known[phrase] {
					found[phrase] = true
				}
			}
		}
		e.Mentioned = append(e.Mentioned, found)
	}
	return e
}

// UniqueSentenceRatio (USR) is the share of distinct texts.
func UniqueSentenceRatio(e Explanations) (Score, error) {
	if len(e.Texts) == 0 {
		return Score{}, ErrNoFeatures
	}
	return Score{Value: MeasureTexts(e.Texts).DistinctShare, N: len(e.Texts)}, nil
}

// FeatureMatchingRatio (FMR) is the share of texts that mention the feature of their reference,
// among those whose reference has one. Each has 1 or 0 for each of these.
func FeatureMatchingRatio(e Explanations) (Score, error) {
	var score Score
	for i, feature := range e.Features {
		switch {
		case feature == "":
		case e.Mentioned[i][feature]:
			score.Each = append(score.Each, 1)
		default:
			score.Each = append(score.Each, 0)
		}
	}
	if len(score.Each) == 0 || e.Catalog == 0 {
		return Score{}, ErrNoFeatures
	}
	score.Value, score.N = Mean(score.Each), len(score.Each)
	return score, nil
}

// FeatureCoverageRatio (FCR) is the share of the catalog that any text mentions.
func FeatureCoverageRatio(e Explanations) (Score, error) {
	if e.Catalog == 0 || len(e.Texts) == 0 {
		return Score{}, ErrNoFeatures
	}
	return Score{Value: share(len(mentions(e)), e.Catalog), N: len(e.Texts)}, nil
}

// FeatureDiversity (DIV) is the mean number of features that two texts have in common, over all
// pairs. Less is better; texts without any feature have 0.
func FeatureDiversity(e Explanations) (Score, error) {
	n := len(e.Texts)
	if e.Catalog == 0 || n < 2 {
		return Score{}, ErrNoFeatures
	}
	common := 0
	for _, texts := range mentions(e) {
		common += texts * (texts - 1) / 2
	}
	return Score{Value: share(common, n*(n-1)/2), N: n}, nil
}

// mentions returns the number of texts that mention each mentioned feature.
func mentions(e Explanations) map[string]int {
	counts := map[string]int{}
	for _, found := range e.Mentioned {
		for feature := range found {
			counts[feature]++
		}
	}
	return counts
}
