package metric

import "fmt"

// Input is what a metric is computed from.
type Input int

// The inputs of metrics.
const (
	Rankings Input = iota
	Texts
	Features
)

// Metric is one row of [Table].
type Metric struct {
	// Name is the name in reports, such as "HR@10".
	Name string
	// Higher is set if a higher value is better.
	Higher bool
	// Input determines which of the functions below are set.
	Input Input
	// K is the number of recommended items that a ranking metric considers; 0 for other metrics.
	K int
	// Reference and Strict score one user's list: as the Python reference does, and without
	// duplicates.
	Reference, Strict func(list List, k int) float64
	// Corpus scores all texts together, and Each one of them, from 0 to 100; BLEU has no Each.
	Corpus func(texts []Text) (float64, error)
	Each   func(text Text) float64
	// Explanations scores all texts by the features that they mention.
	Explanations func(e Explanations) (Score, error)
}

// Table returns every metric that an experiment reports, in the order of its tables. To add a
// metric, add a row.
func Table() []Metric {
	return []Metric{
		{Name: "HR@1", Higher: true, Input: Rankings, K: 1, Reference: HitRate, Strict: StrictHitRate},
		{Name: "HR@5", Higher: true, Input: Rankings, K: 5, Reference: HitRate, Strict: StrictHitRate},
		{Name: "NDCG@5", Higher: true, Input: Rankings, K: 5, Reference: NDCG, Strict: StrictNDCG},
		{Name: "HR@10", Higher: true, Input: Rankings, K: 10, Reference: HitRate, Strict: StrictHitRate},
		{Name: "NDCG@10", Higher: true, Input: Rankings, K: 10, Reference: NDCG, Strict: StrictNDCG},
		{Name: "BLEU-1", Higher: true, Input: Texts, Corpus: bleuRow(1)},
		{Name: "BLEU-4", Higher: true, Input: Texts, Corpus: bleuRow(4)},
		rougeMetric("ROUGE-1 F", rougeGrams(1), fScore),
		rougeMetric("ROUGE-1 P", rougeGrams(1), precision),
		rougeMetric("ROUGE-1 R", rougeGrams(1), recall),
		rougeMetric("ROUGE-2 F", rougeGrams(2), fScore),
		rougeMetric("ROUGE-2 P", rougeGrams(2), precision),
		rougeMetric("ROUGE-2 R", rougeGrams(2), recall),
		rougeMetric("ROUGE-L F", rougeL, fScore),
		rougeMetric("ROUGE-L P", rougeL, precision),
		rougeMetric("ROUGE-L R", rougeL, recall),
		{Name: "USR", Higher: true, Input: Features, Explanations: UniqueSentenceRatio},
		{Name: "FMR", Higher: true, Input: Features, Explanations: FeatureMatchingRatio},
		{Name: "FCR", Higher: true, Input: Features, Explanations: FeatureCoverageRatio},
		{Name: "DIV", Input: Features, Explanations: FeatureDiversity},
	}
}

// Names returns the names of the metrics with an input, in the order of the table.
func Names(input Input) []string {
	var names []string
	for _, row := range Table() {
		if row.Input == input {
			names = append(names, row.Name)
		}
	}
	return names
}

// Score is one metric of one method on one set of users or texts.
type Score struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	// Interval is the 95% interval of Value over users; nil for a text metric.
	Interval *Interval `json:"interval,omitempty"`
	// N is the number of evaluated users or texts.
	N int `json:"n"`
	// Each is the value of each user or text, in their order, for paired tests; nil for a metric of
	// all texts together; not stored.
	Each []float64 `json:"-"`
}

// ScoreRankings scores the lists by every ranking metric, as the reference counts or strictly.
// Intervals are bootstrapped over users from the seed, so the same lists and seed give the same
// scores. No lists give no scores.
func ScoreRankings(lists []List, strict bool, seed int64) []Score {
	if len(lists) == 0 {
		return nil
	}
	var scores []Score
	for _, row := range Table() {
		if row.Input != Rankings {
			continue
		}
		of := row.Reference
		if strict {
			of = row.Strict
		}
		each := make([]float64, len(lists))
		for i, list := range lists {
			each[i] = of(list, row.K)
		}
		interval := Bootstrap(each, Resamples, seed)
		score := Score{Metric: row.Name, Value: Mean(each), Interval: &interval, N: len(each), Each: each}
		scores = append(scores, score)
	}
	return scores
}

// ScoreTexts scores the texts by every text metric, from 0 to 100. It fails with [ErrEmptyCorpus]
// if the reference would divide by zero.
func ScoreTexts(texts []Text) ([]Score, error) {
	var scores []Score
	for _, row := range Table() {
		if row.Input != Texts {
			continue
		}
		value, err := row.Corpus(texts)
		if err != nil {
			return nil, fmt.Errorf("score %q: %w", row.Name, err)
		}
		score := Score{Metric: row.Name, Value: value, N: len(texts)}
		if row.Each != nil {
			for _, text := range texts {
				score.Each = append(score.Each, row.Each(text))
			}
		}
		scores = append(scores, score)
	}
	return scores, nil
}

// ScoreFeatures scores the explanations by every feature metric that has something to count.
func ScoreFeatures(e Explanations) []Score {
	var scores []Score
	for _, row := range Table() {
		if row.Input != Features {
			continue
		}
		if score, err := row.Explanations(e); err == nil {
			score.Metric = row.Name
			scores = append(scores, score)
		}
	}
	return scores
}

func bleuRow(order int) func([]Text) (float64, error) {
	return func(texts []Text) (float64, error) {
		bleu, err := BLEU(texts, order, false)
		return 100 * bleu.Score, err
	}
}

func rougeMetric(name string, of func(Text) Rouge, part func(Rouge) float64) Metric {
	return Metric{
		Name: name, Higher: true, Input: Texts,
		Corpus: func(texts []Text) (float64, error) {
			rouge, err := meanRouge(texts, of)
			return 100 * part(rouge), err
		},
		Each: func(text Text) float64 { return 100 * part(textRouge(text, of)) },
	}
}

func rougeGrams(n int) func(Text) Rouge {
	return func(text Text) Rouge { return rougeN(text, n) }
}

func fScore(r Rouge) float64    { return r.F }
func precision(r Rouge) float64 { return r.Precision }
func recall(r Rouge) float64    { return r.Recall }
