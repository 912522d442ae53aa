package metric

import "fmt"

// Input is what a metric is computed from.
type Input int

// The inputs of metrics.
const (
	Rankings Input = iota
	Texts
)

// Metric is one row of [Table].
type Metric struct {
	// Name is the name in reports, such as "HR@10".
	Name string
	// Higher is set if a higher value is better.
	Higher bool
	// Input determines which of the functions below are set.
	Input Input
	// K is the number of recommended items that a ranking metric considers; 0 for a text metric.
	K int
	// Reference and Strict score one user's list: as the Python reference does, and without
	// duplicates.
	Reference, Strict func(list List, k int) float64
	// Corpus scores all texts together, from 0 to 100.
	Corpus func(texts []Text) (float64, error)
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
		{Name: "ROUGE-1 F", Higher: true, Input: Texts, Corpus: rougeRow(rougeGrams(1), fScore)},
		{Name: "ROUGE-1 P", Higher: true, Input: Texts, Corpus: rougeRow(rougeGrams(1), precision)},
		{Name: "ROUGE-1 R", Higher: true, Input: Texts, Corpus: rougeRow(rougeGrams(1), recall)},
		{Name: "ROUGE-2 F", Higher: true, Input: Texts, Corpus: rougeRow(rougeGrams(2), fScore)},
		{Name: "ROUGE-2 P", Higher: true, Input: Texts, Corpus: rougeRow(rougeGrams(2), precision)},
		{Name: "ROUGE-2 R", Higher: true, Input: Texts, Corpus: rougeRow(rougeGrams(2), recall)},
		{Name: "ROUGE-L F", Higher: true, Input: Texts, Corpus: rougeRow(ROUGEL, fScore)},
		{Name: "ROUGE-L P", Higher: true, Input: Texts, Corpus: rougeRow(ROUGEL, precision)},
		{Name: "ROUGE-L R", Higher: true, Input: Texts, Corpus: rougeRow(ROUGEL, recall)},
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
	// Each is the value of each user, in the order of the lists, for paired tests; not stored.
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
		scores = append(scores, Score{Metric: row.Name, Value: value, N: len(texts)})
	}
	return scores, nil
}

func bleuRow(order int) func([]Text) (float64, error) {
	return func(texts []Text) (float64, error) {
		bleu, err := BLEU(texts, order, false)
		return 100 * bleu.Score, err
	}
}

func rougeGrams(n int) func([]Text) (Rouge, error) {
	return func(texts []Text) (Rouge, error) { return ROUGEN(texts, n) }
}

func rougeRow(of func([]Text) (Rouge, error), part func(Rouge) float64) func([]Text) (float64, error) {
	return func(texts []Text) (float64, error) {
		rouge, err := of(texts)
		return 100 * part(rouge), err
	}
}

func fScore(r Rouge) float64    { return r.F }
func precision(r Rouge) float64 { return r.Precision }
func recall(r Rouge) float64    { return r.Recall }
