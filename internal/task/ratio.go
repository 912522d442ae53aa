package task

import (
	"fmt"
	"math"

	"rdrec/internal/spec"
)

// Counts is the number of records per task in a mixed batch; a rationale record is two rows.
type Counts [4]int

// Rows returns the number of rows of the batch.
func (c Counts) Rows() int {
	rows := c[Rationale]
	for _, n := range c {
		rows += n
	}
	return rows
}

// Split splits a batch by a ratio as the reference does: each task's share is rounded down, and the
// remainder goes to top-N, regardless of its weight.
func Split(ratio spec.Ratio, batch int) (Counts, error) {
	weights := [4]float64{ratio.Explanation, ratio.Sequential, ratio.Rationale, ratio.TopN}
	sum := 0.0
	for _, weight := range weights {
		if weight < 0 || math.IsNaN(weight) || math.IsInf(weight, 0) {
			return Counts{}, fmt.Errorf("ratio %s: weight %g is not a valid weight", ratioText(ratio), weight)
		}
		sum += weight
	}
	if sum <= 0 {
		return Counts{}, fmt.Errorf("ratio %s: all weights are 0", ratioText(ratio))
	}
	if batch < 1 {
		return Counts{}, fmt.Errorf("batch of %d: at least 1 is needed", batch)
	}
	var c Counts
	c[Explanation] = int(weights[0] / sum * float64(batch))
	c[Sequential] = int(weights[1] / sum * float64(batch))
	c[Rationale] = int(weights[2] / sum * float64(batch))
	c[TopN] = batch - c[Explanation] - c[Sequential] - c[Rationale]
	return c, nil
}

func ratioText(r spec.Ratio) string {
	return fmt.Sprintf("%g:%g:%g:%g (explanation:sequential:rationale:top-N)",
		r.Explanation, r.Sequential, r.Rationale, r.TopN)
}

// split is [Split] over the tasks of the corpus: the others have weight 0, and if top-N is
// disabled, the remainder goes to the first task with the largest share.
func (c *Corpus) split(ratio spec.Ratio, batch int) (Counts, error) {
	have := spec.Ratio{}
	if c.Has(Explanation) {
		have.Explanation = ratio.Explanation
	}
	if c.Has(Sequential) {
		have.Sequential = ratio.Sequential
	}
	if c.Has(Rationale) {
		have.Rationale = ratio.Rationale
	}
	if c.Has(TopN) {
		have.TopN = ratio.TopN
	}
	counts, err := Split(have, batch)
	if err != nil {
		return counts, fmt.Errorf("method %q on dataset %q: %w", c.settings.Method.Name, c.name, err)
	}
	if rest := counts[TopN]; rest > 0 && !c.Has(TopN) {
		counts[TopN] = 0
		largest := Explanation
		for _, task := range Tasks() {
			if counts[task] > counts[largest] || !c.Has(largest) {
				largest = task
			}
		}
		counts[largest] += rest
	}
	return counts, nil
}

// steps returns the number of batches per epoch: enough to see each explanation once, or each
// rationale, sequence or top-N user if a batch has none of the former. It is at least 1; the
// reference divides by zero if a batch is larger than its data.
func (c *Corpus) steps(counts Counts) int {
	for _, task := range []Task{Explanation, Rationale, Sequential, TopN} {
		if counts[task] > 0 {
			return max(1, c.records(task)/counts[task])
		}
	}
	return 1
}
