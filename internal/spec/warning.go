package spec

import "fmt"

// Problem is a problem of a key of a valid spec.
type Problem struct{ Key, Reason, Hint string }

// Check finds problems that the document alone does not show.
type Check func(Spec) []Problem

// Bounds outside of which a value is possible but rarely makes sense.
const (
	maxLearningRate = 0.01
	maxDropout      = 0.5
	minCandidates   = 10
)

// Warnings returns the values of a spec that rarely make sense. The spec can run nevertheless.
func Warnings(s Spec) []Problem {
	var all []Problem
	for _, r := range warnings() {
		if r.broken(s) {
			all = append(all, Problem{r.key, r.reason, r.hint})
		}
	}
	return all
}

// warnings returns the rules whose violation is only a warning.
func warnings() []rule {
	return []rule{
		{
			"train.learning_rate", func(s Spec) bool { return s.Train.LearningRate > maxLearningRate },
			fmt.Sprintf("is above %g: AdamW rarely trains a T5 with it", maxLearningRate), "the paper's is 0.0005",
		},
		{
			"student.dropout", func(s Spec) bool { return s.Student.Dropout != nil && *s.Student.Dropout > maxDropout },
			fmt.Sprintf("is above %g: the student sees less than half of each layer", maxDropout), "the paper's is 0.1",
		},
		{
			"evaluate", func(s Spec) bool {
				e := s.Evaluate
				return e.SequentialUsers < 0 && e.TopNUsers < 0 && e.Explanations < 0
			},
			"evaluates no task: the report will have no metric",
			"set one of sequential_users, topn_users, explanations to 0",
		},
		{
			"data.negatives",
			func(s Spec) bool { return s.Evaluate.TopNUsers >= 0 && s.Data.Negatives < minCandidates },
			fmt.Sprintf("is below %d: HR@10 of the top-N task is 1 for every method", minCandidates),
			"the paper's is 99",
		},
		{
			"teacher.temperature", func(s Spec) bool { return s.Teacher.Temperature > 1 },
			"is above 1: rationales become random", "the paper's is 0.6",
		},
		{
			"data.indexing", func(s Spec) bool {
				row, err := IndexingNamed(s.Indexing())
				return err == nil && row.Leaks && s.Protocol == Clean
			},
			"leaks held-out items, which protocol clean avoids elsewhere", "random leaks nothing",
		},
	}
}
