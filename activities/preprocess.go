package activities

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"rdrec/internal/dataset"
	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/teacher"
	"rdrec/internal/token"
	"rdrec/storage"
)

// PreprocessInput is the settings of [Activities.Preprocess].
type PreprocessInput struct {
	Dataset storage.Ref `json:"dataset"`
	// Rationales is zero when the dataset has its own or no method trains on them.
	Rationales storage.Ref `json:"rationales"`
	// Negatives is the number of negative items per user in the top-N test.
	Negatives int   `json:"negatives"`
	Seed      int64 `json:"seed"`
}

// samplesPerTask is how many examples of each task are written for people to read, of at most
// sampledExplanations of the data.
const samplesPerTask, sampledExplanations = 20, 1_000_000

// Preprocess joins the dataset with its rationales, samples the negatives of the top-N test, and
// writes the folder that training and evaluation read: a dataset folder, and examples.jsonl with
// some examples of each task as the student sees them. Explanations and sampled negatives are never
// in memory together.
func (a *Activities) Preprocess(ctx context.Context, in PreprocessInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "preprocess")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	folder := filepath.Join(work.dir, "dataset")
	data, err := a.readDatasetParts(ctx, in.Dataset, folder, dataset.All&^dataset.Explanations)
	if err != nil {
		return ref, err
	}
	source := data.Source()
	if len(data.Negatives) == 0 {
		progress.Step(ctx, "sample negatives")
		source.Negatives = data.StreamNegatives(in.Negatives, in.Seed)
	}
	texts, err := a.openTexts(ctx, folder, in.Rationales)
	if err != nil {
		return ref, err
	}
	defer texts.close()
	if err := texts.addTo(ctx, &source); err != nil {
		return ref, fmt.Errorf("read dataset %s: %w: %w", in.Dataset.Digest, ErrData, err)
	}
	countUnits(ctx, len(data.Users), "users")
	progress.Step(ctx, "write the dataset")
	out := filepath.Join(work.dir, "preprocessed")
	if err := dataset.Stream(out, source); err != nil {
		return ref, preprocessError(data, err)
	}
	progress.Step(ctx, "write examples")
	data.Negatives, data.Explanations.Train = nil, texts.first
	if err := writeSamples(filepath.Join(out, "examples.jsonl"), data, in); err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "dataset", out)
}

// preprocessError makes an error of the data final, but not one of the disk.
func preprocessError(data *dataset.Dataset, err error) error {
	var system *fs.PathError
	if errors.As(err, &system) {
		return fmt.Errorf("write dataset %q: %w", data.Name, err)
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

// joinedTexts is the explanations of a dataset, each with the rationale of its text.
type joinedTexts struct {
	stream     *dataset.ExplanationStream // nil if there are none
	rationales map[string]teacher.Rationale
	// first is the first of the training explanations.
	first []dataset.Explanation
}

// openTexts opens the explanations of a folder. Those that were not distilled get no rationale.
func (a *Activities) openTexts(ctx context.Context, folder string, ref storage.Ref) (*joinedTexts, error) {
	texts := &joinedTexts{stream: dataset.StreamExplanations(os.DirFS(folder))}
	if ref.IsZero() {
		return texts, nil
	}
	rows, err := readArtifactJSONL[teacher.Rationale](ctx, a.Bucket, ref, rationalesFile)
	if err != nil {
		return nil, err
	}
	texts.rationales = make(map[string]teacher.Rationale, len(rows))
	for _, row := range rows {
		if row.Failed == "" {
			texts.rationales[row.Text] = row
		}
	}
	return texts, nil
}

func (t *joinedTexts) close() { t.stream.Close() }

// addTo adds the explanations to the source of a folder, and keeps the first of them.
func (t *joinedTexts) addTo(ctx context.Context, source *dataset.Source) error {
	if t.stream == nil {
		return nil
	}
	progress.Step(ctx, "join the rationales")
	all := 0
	for i, split := range []iter.Seq2[dataset.Explanation, error]{
		t.joined(t.stream.Train()), t.joined(t.stream.Val()), t.joined(t.stream.Test()),
	} {
		for e, err := range split {
			if err != nil {
				return err
			}
			all++
			if i > 0 {
				continue
			}
			source.Rationales = source.Rationales || e.HasRationale()
			if len(t.first) < sampledExplanations {
				t.first = append(t.first, e)
			}
		}
	}
	if all > 0 {
		source.Train, source.Val = t.joined(t.stream.Train()), t.joined(t.stream.Val())
		source.Test = t.joined(t.stream.Test())
	}
	return nil
}

// joined gives each explanation the rationale of its text.
func (t *joinedTexts) joined(split iter.Seq2[dataset.Explanation, error]) iter.Seq2[dataset.Explanation, error] {
	return func(yield func(dataset.Explanation, error) bool) {
		for e, err := range split {
			if row, ok := t.rationales[e.Explanation]; ok {
				e.Preference, e.Attribution = row.Preference, row.Attribution
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// writeSamples writes some examples of each task in the form of the first method, which has all
// tasks.
func writeSamples(path string, data *dataset.Dataset, in PreprocessInput) (err error) {
	settings := task.Settings{Method: spec.Methods()[0], Protocol: spec.Protocols()[0], Negatives: in.Negatives}
	corpus, err := task.New(data, settings)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	tokenizer, err := token.NewT5()
	if err != nil {
		return err
	}
	encoder, err := task.NewEncoder(tokenizer, settings, spec.Default().Train.MaxTargetTokens)
	if err != nil {
		return err
	}
	f, err := os.Create(path) //nolint:gosec // a file of our own scratch folder
	if err != nil {
		return fmt.Errorf("write examples: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = corpus.Dump(f, encoder, in.Seed, samplesPerTask)
	return err
}
