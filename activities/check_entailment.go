package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/progress"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/internal/statement"
	"rdrec/internal/task"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// EntailmentInput names the explanations to check and the teacher.
type EntailmentInput struct {
	Preprocessed storage.Ref  `json:"preprocessed"`
	Teacher      spec.Teacher `json:"teacher"`
	// Weights is the digest of the teacher's weights.
	Weights string `json:"weights"`
	// HeldOut is the protocol's switch, for the statements that are ranked.
	HeldOut bool `json:"held_out"`
	// Texts is the number of texts of each method.
	Texts    int                 `json:"texts"`
	Students []EntailmentStudent `json:"students"`
}

// EntailmentStudent is a student and its evaluations.
type EntailmentStudent struct {
	Method      string        `json:"method"`
	Evaluations []storage.Ref `json:"evaluations"`
}

// entailmentFile is the file of the artifact of [Activities.CheckEntailment]: a list of
// [report.Entailment].
const entailmentFile = "entailment.json"

// CheckEntailment asks the teacher whether explanations and the users' own texts entail each other,
// for a sample of the students' explanations and for ranked statements about the same users and
// items. Each reply is stored as soon as it is there, so that none is requested twice.
func (a *Activities) CheckEntailment(ctx context.Context, in EntailmentInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "entailment")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	methods, err := a.sampledMethods(ctx, in, work.dir)
	if err != nil {
		return ref, err
	}
	var pairs []teacher.Pair
	for _, m := range methods {
		pairs = append(pairs, m.pairs()...)
	}
	found, err := a.queryEntailment(ctx, in, pairs, work)
	if err != nil {
		return ref, err
	}
	measured := make([]report.Entailment, len(methods))
	for i, m := range methods {
		measured[i] = m.measure(found)
	}
	out := filepath.Join(work.dir, "entailment")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return ref, fmt.Errorf("make folder for the entailment: %w", err)
	}
	if err := writeJSON(filepath.Join(out, entailmentFile), measured); err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "entailment", out)
}

// sampledMethod is the sampled explanations of a method.
type sampledMethod struct {
	name  string
	texts []prediction.Text
}

// sampledMethods returns the students with explanations, and ranked statements.
func (a *Activities) sampledMethods(
	ctx context.Context, in EntailmentInput, dir string,
) (all []sampledMethod, err error) {
	data, err := a.readDataset(ctx, in.Preprocessed, filepath.Join(dir, "preprocessed"))
	if err != nil {
		return nil, err
	}
	for _, student := range in.Students {
		texts, err := readPredictions[prediction.Text](
			ctx, a.Bucket, student.Evaluations, predictionsFile(task.Explanation),
		)
		if err != nil {
			return nil, err
		}
		m := sampledMethod{name: student.Method}
		for _, at := range dataset.SampleEvenly(len(texts), in.Texts) {
			m.texts = append(m.texts, texts[at])
		}
		if len(m.texts) > 0 {
			all = append(all, m)
		}
	}
	if len(all) > 0 && data.HasRationales() {
		ranked := statement.Explain(data, in.HeldOut, all[0].texts)
		all = append(all, sampledMethod{report.RankedStatements, ranked})
	}
	return all, nil
}

// precision asks whether the user's own text entails the explanation, recall the other way round,
// and control whether another user's text entails it.
func (m sampledMethod) precision(i int) teacher.Pair {
	return teacher.Pair{Premise: m.texts[i].Reference, Hypothesis: m.texts[i].Generated}
}

func (m sampledMethod) recall(i int) teacher.Pair {
	return teacher.Pair{Premise: m.texts[i].Generated, Hypothesis: m.texts[i].Reference}
}

func (m sampledMethod) control(i int) teacher.Pair {
	other := m.texts[(i+len(m.texts)/2)%len(m.texts)]
	return teacher.Pair{Premise: other.Reference, Hypothesis: m.texts[i].Generated}
}

// pairs returns all pairs of a method.
func (m sampledMethod) pairs() (all []teacher.Pair) {
	for i := range m.texts {
		all = append(all, m.precision(i), m.recall(i), m.control(i))
	}
	return all
}

// measure counts what is entailed.
func (m sampledMethod) measure(found map[teacher.Pair]teacher.Entailment) report.Entailment {
	measured := report.Entailment{Method: m.name, Texts: len(m.texts)}
	share := func(of func(int) teacher.Pair) float64 {
		entailed, usable := 0, 0
		for i := range m.texts {
			switch e := found[of(i)]; {
			case e.Failed != "":
				measured.Unusable++
				continue
			case e.Entailed:
				entailed++
			}
			usable++
		}
		return float64(entailed) / float64(max(usable, 1))
	}
	measured.Precision, measured.Recall, measured.Control = share(m.precision), share(m.recall), share(m.control)
	return measured
}

// queryEntailment returns the entailment of all pairs, those from earlier attempts and runs
// included.
func (a *Activities) queryEntailment(
	ctx context.Context, in EntailmentInput, pairs []teacher.Pair, work attempt,
) (map[teacher.Pair]teacher.Entailment, error) {
	store := storage.OpenRationales[teacher.Entailment](a.Bucket, teacher.EntailmentFingerprint(in.Teacher, in.Weights))
	stored, err := store.Load(ctx)
	if err != nil {
		return nil, err
	}
	done := make(map[teacher.Pair]teacher.Entailment, len(pairs))
	for _, e := range stored {
		done[e.Pair] = e
	}
	var missing []teacher.Pair
	asked := map[teacher.Pair]bool{}
	for _, q := range pairs {
		if _, found := done[q]; !found && !asked[q] {
			asked[q] = true
			missing = append(missing, q)
		}
	}
	if len(missing) == 0 {
		return done, nil
	}
	working, cancel := drainable(ctx)
	defer cancel()
	engine, closeEngine, err := a.Teachers.Open(working, in.Teacher)
	if err != nil {
		return nil, fmt.Errorf("open teacher %q: %w", in.Teacher.Model, err)
	}
	defer closeEngine()
	total := len(missing)
	err = teacher.CheckEntailment(working, engine, in.Teacher, missing, func(e teacher.Entailment) error {
		done[e.Pair] = e
		replies := total - len(asked)
		delete(asked, e.Pair)
		work.report(Progress{Progress: progress.Progress{Done: replies + 1, Total: total, Unit: "replies"}})
		return store.Append(context.WithoutCancel(ctx), []teacher.Entailment{e})
	})
	if errors.Is(context.Cause(working), ErrDrained) {
		return nil, fmt.Errorf("%w: %d of %d replies are left", ErrDrained, len(asked), total)
	}
	return done, err
}
