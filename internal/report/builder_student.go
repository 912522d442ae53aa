package report

import (
	"slices"
	"strconv"

	"rdrec/internal/prediction"
	"rdrec/internal/teacher"
)

// AddStudent describes a student's training, which took that many seconds.
func (b *Builder) AddStudent(id TrialID, record prediction.TrainingRecord, seconds float64) {
	s := b.run.Spec
	b.report.Students = append(b.report.Students, Student{
		Method: id.Name(), Seed: id.Seed, Size: s.Student.Name(), Pretrained: s.Student.Pretrained,
		TrainingRecord: record, MaxEpochs: s.Train.Epochs, Seconds: seconds,
	})
}

// rationaleSamples is how many rationales the report shows.
const rationaleSamples = 8

// TeacherStats is the work of the teacher in this run, see [Teacher]. Tokens are those generated.
type TeacherStats struct {
	Requests      int
	Tokens        int
	Seconds       float64
	BatchHalvings int
}

// AddTeacher describes the teacher and its rationales. A distillation of no explanations needed no
// teacher and adds nothing.
func (b *Builder) AddTeacher(
	d teacher.Distillation, rationales []teacher.Rationale, weights string, stats TeacherStats,
) {
	if d.Explanations == 0 {
		return
	}
	t := &Teacher{
		Model: d.Teacher, Prompt: d.Prompt, Parse: b.run.Spec.Teacher.Parse, Weights: weights,
		Explanations: d.Explanations, Wanted: d.Wanted - d.Skipped, Requests: stats.Requests, Seconds: stats.Seconds,
		Parsed: d.Quality.Parsed, Retried: d.Quality.Retried, Quarantined: d.Quality.Quarantined,
		Leaked: d.Quality.Leaked, FellBack: d.Quality.FellBack,
		PromptTokens: d.Quality.PromptTokens, Tokens: d.Quality.Tokens, Grounded: d.Quality.Grounded,
		BatchHalvings: stats.BatchHalvings,
	}
	for _, r := range d.Quality.Reasons {
		t.Reasons = append(t.Reasons, Pair{Name: r.Reason, Value: strconv.Itoa(r.Count)})
	}
	for _, r := range rationales {
		if r.Failed != "" {
			t.WastedTokens += r.Tokens
		}
	}
	if t.Requests > 0 {
		t.TokensPerSecond = float64(stats.Tokens) / max(t.Seconds, 1e-3)
	}
	t.Samples = slices.Clone(rationales[:min(len(rationales), rationaleSamples)])
	b.report.Teacher = t
}
