package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/fusion"
	"rdrec/internal/prediction"
	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// FuseInput names a student and what its rankings are mixed with.
type FuseInput struct {
	Preprocessed storage.Ref `json:"preprocessed"`
	Model        storage.Ref `json:"model"`
	// Trained are the artifacts of [Activities.TrainSasrec] by the name of the baseline, for the
	// parts that are such baselines.
	Trained map[string]storage.Ref `json:"trained,omitempty"`
	// Fitted is a fusion that is applied as it is, with its own weights and trained baselines; zero
	// fits a new one.
	Fitted   storage.Ref   `json:"fitted,omitzero"`
	Method   string        `json:"method"`
	Evaluate spec.Evaluate `json:"evaluate"`
	// Fusion has its parts. It is not used where Fitted is set.
	Fusion spec.Fusion `json:"fusion,omitzero"`
	// Seed is the seed of the student and of the trained baselines.
	Seed int64 `json:"seed"`
}

// FuseJob is [Activities.Fuse] on files.
type FuseJob struct {
	FuseInput
	// Data is the dataset folder, Model the student's; Baselines are those of the trained baselines
	// by name, and Earlier is that of the fusion to apply, "" for none.
	Data, Model string
	Baselines   map[string]string
	Earlier     string
	// Out is a folder that receives the fusion: see [FusionFile].
	Out      string
	Progress func(done, total int)
}

// FusedRankings are the sequential rankings of a fusion, and those without each of its parts.
type FusedRankings struct {
	Mixed   []prediction.Prediction
	Without map[string][]prediction.Prediction
}

// FusionFile is the file of the weights in a fusion's artifact. Beside it are a folder for each
// trained baseline, with its model, and the rankings.
const FusionFile = "fusion.json"

// Fuse fits a mix of a student and baselines on validation items, and ranks the test users with it.
// Its artifact has all that is needed to recommend with it besides the student.
func (a *Activities) Fuse(ctx context.Context, in FuseInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "fuse")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	job := FuseJob{
		FuseInput: in, Data: filepath.Join(work.dir, "preprocessed"), Model: filepath.Join(work.dir, "model"),
		Baselines: map[string]string{}, Out: filepath.Join(work.dir, "fusion"),
	}
	inputs := map[string]storage.Ref{"preprocessed": in.Preprocessed, "model": in.Model}
	for name, trained := range in.Trained {
		inputs["trained-"+name] = trained
		job.Baselines[name] = filepath.Join(work.dir, "trained-"+name, sasrecModel(in.Seed))
	}
	if !in.Fitted.IsZero() {
		inputs["fitted"], job.Earlier = in.Fitted, filepath.Join(work.dir, "fitted")
	}
	if err := a.fetch(ctx, work.dir, inputs); err != nil {
		return ref, err
	}
	if err := os.MkdirAll(job.Out, 0o750); err != nil {
		return ref, fmt.Errorf("make folder for the fusion: %w", err)
	}
	job.Progress = func(done, total int) {
		work.report(Progress{Progress: progress.Progress{Done: done, Total: total, Unit: "users"}})
	}
	working, cancel := drainable(ctx)
	defer cancel()
	ranked, err := a.Students.Fuse(working, job)
	if errors.Is(context.Cause(working), ErrDrained) {
		return ref, fmt.Errorf("%w: the fusion restarts on another worker", ErrDrained)
	}
	if err != nil {
		return ref, err
	}
	if err := writeJSONL(filepath.Join(job.Out, predictionsFile(task.Sequential)), ranked.Mixed); err != nil {
		return ref, err
	}
	for part, rows := range ranked.Without {
		if err := writeJSONL(filepath.Join(job.Out, withoutFile(part)), rows); err != nil {
			return ref, err
		}
	}
	return a.Bucket.PutFolder(ctx, "fusion", job.Out)
}

// withoutFile names the rankings of the mix of all other parts.
func withoutFile(part string) string { return "sequential-without-" + part + ".jsonl" }

// addFusions adds the fusions' rankings, those without each part, and the weights.
func (w *reportWork) addFusions(ctx context.Context) error {
	for _, trial := range w.Trials {
		if trial.Fusion.IsZero() {
			continue
		}
		fitted, err := readArtifactJSON[fusion.Fitted](ctx, w.Bucket, trial.Fusion, FusionFile)
		if err != nil {
			return err
		}
		mixed, err := readArtifactJSONL[prediction.Prediction](
			ctx, w.Bucket, trial.Fusion, predictionsFile(task.Sequential),
		)
		if err != nil {
			return err
		}
		w.builder.AddFusion(trialID(trial), fitted, mixed)
	}
	for _, part := range w.fusedParts() {
		for _, trial := range w.Trials {
			if trial.Fusion.IsZero() {
				continue
			}
			rows, err := readPredictions[prediction.Prediction](
				ctx, w.Bucket, []storage.Ref{trial.Fusion}, withoutFile(part),
			)
			if err != nil {
				return err
			}
			if rows != nil {
				w.builder.AddFusionWithout(trialID(trial), part, rows)
			}
		}
	}
	return nil
}

// fusedParts returns the parts of the spec's fusion.
func (w *reportWork) fusedParts() []string {
	if f := w.Spec.Fusion(); f != nil {
		return f.Parts
	}
	return nil
}
