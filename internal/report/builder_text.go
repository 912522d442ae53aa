package report

import (
	"errors"
	"maps"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/statement"
)

// AddTexts scores the explanations that a student generated, and shows some of the first trial's.
// References without a word to score add nothing.
func (b *Builder) AddTexts(id TrialID, texts []prediction.Text) error {
	result := TextResult{Method: id.Name(), Kind: StudentRow, Seed: id.Seed}
	if id.Variant != "" {
		result.Kind, result.Base = AblationRow, id.Method
	}
	if added, err := b.addTexts(result, texts); err != nil || !added {
		return err
	}
	if id.Seed == b.run.Spec.Seed && id.Variant == "" {
		b.showTexts(id.Method, texts)
	}
	b.explained = texts
	return nil
}

// RankedStatements is the method that explains by the best of the teacher's statements.
const RankedStatements = "ranked statements"

// AddStatements scores what ranked statements say about the users and items of the students'
// explanations, where the data have rationales. Call it after AddTexts.
func (b *Builder) AddStatements() error {
	if len(b.explained) == 0 || !b.run.Dataset.HasRationales() {
		return nil
	}
	texts := statement.Explain(b.run.Dataset, b.heldOut, b.explained)
	if added, err := b.addTexts(TextResult{Method: RankedStatements, Kind: BaselineRow}, texts); err != nil || !added {
		return err
	}
	b.showTexts(RankedStatements, texts)
	return nil
}

// addTexts scores explanations, and reports whether there is anything to score.
func (b *Builder) addTexts(result TextResult, texts []prediction.Text) (bool, error) {
	words := prediction.Words(texts)
	result.Diversity = metric.MeasureTexts(words)
	scores, err := metric.ScoreTexts(words)
	switch {
	case errors.Is(err, metric.ErrEmptyCorpus) && !hasReferences(words):
		return false, nil
	case errors.Is(err, metric.ErrEmptyCorpus): // all texts are empty, which is a finding
	case err != nil:
		return false, err
	default:
		features := b.features()
		found := metric.FindFeatures(words, features.of(texts), features.catalog)
		result.Scores = append(scores, metric.ScoreFeatures(found)...)
	}
	b.report.Explanations = append(b.report.Explanations, result)
	b.addWordConvention(texts)
	return true, nil
}

func hasReferences(texts []metric.Text) bool {
	return slices.ContainsFunc(texts, func(t metric.Text) bool { return len(t.Reference) > 0 })
}

// showTexts shows some of a method's explanations.
func (b *Builder) showTexts(method string, texts []prediction.Text) {
	for _, at := range dataset.SampleEvenly(len(texts), shownSamples) {
		t := texts[at]
		b.report.Explained = append(b.report.Explained, Explanation{
			User: UserName(b.run.Dataset, t.User), Method: method, Item: Items(b.run.Dataset, t.Item)[0],
			Reference: t.Reference, Generated: t.Generated,
		})
	}
}

// repeatedTexts returns the share of the test explanations that the same user also wrote in the
// training explanations.
func (b *Builder) repeatedTexts() float64 {
	type text struct {
		user int
		text string
	}
	written := map[text]bool{}
	for _, e := range b.trainingRows() {
		written[text{e.User, e.Explanation}] = true
	}
	test, repeated := b.run.Dataset.Explanations.Test, 0
	for _, e := range test {
		if written[text{e.User, e.Explanation}] {
			repeated++
		}
	}
	return float64(repeated) / float64(max(len(test), 1))
}

// trainingRows returns the explanations to train on.
func (b *Builder) trainingRows() []dataset.Explanation {
	if b.heldOut {
		return b.run.Dataset.WithoutHeldOut().Train
	}
	return b.run.Dataset.Explanations.Train
}

// pair is a user and an item.
type pair struct{ user, item int }

// features is the features of a dataset's explanations.
type features struct {
	// catalog has each feature once, in alphabetical order.
	catalog []string
	// test has the features of the test explanations of each pair, in the order of the data.
	test map[pair][]string
}

// features returns the features of the run's data.
func (b *Builder) features() features {
	f := features{test: map[pair][]string{}}
	all, known := b.run.Dataset.Explanations, map[string]bool{}
	for _, split := range [][]dataset.Explanation{all.Train, all.Val, all.Test} {
		for _, e := range split {
			if e.Feature != "" {
				known[e.Feature] = true
			}
		}
	}
	f.catalog = slices.Sorted(maps.Keys(known))
	for _, e := range all.Test {
		at := pair{e.User, e.Item}
		f.test[at] = append(f.test[at], e.Feature)
	}
	return f
}

// of returns the feature of each text's reference; "" where the data have none. If a pair has
// several explanations, its texts have their features in the same order.
func (f features) of(texts []prediction.Text) []string {
	found, used := make([]string, len(texts)), map[pair]int{}
	for i, t := range texts {
		at := pair{t.User, t.Item}
		if n := used[at]; n < len(f.test[at]) {
			found[i] = f.test[at][n]
		}
		used[at]++
	}
	return found
}
