package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rdrec/internal/baseline"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// TrainSasrecInput is the settings of [Activities.TrainSasrec].
type TrainSasrecInput struct {
	Preprocessed storage.Ref `json:"preprocessed"`
	// Baseline is the baseline's name, sasrec or bsarec; empty means sasrec.
	Baseline string      `json:"baseline,omitempty"`
	Sasrec   spec.Sasrec `json:"sasrec"`
	// SequentialUsers, TopNUsers and TopN are the spec's evaluation settings.
	SequentialUsers int `json:"sequential_users"`
	TopNUsers       int `json:"topn_users"`
	TopN            int `json:"topn"`
	// Seeds are the trials' seeds; the first one is used for tuning.
	Seeds []int64 `json:"seeds"`
	// Fingerprint is the stage fingerprint to which the checkpoints belong. The workflow sets it;
	// it is no part of the settings that are hashed.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Name returns the name of the baseline to train.
func (in TrainSasrecInput) Name() string { return cmp.Or(in.Baseline, baseline.SASRec) }

// SasrecJob is one tuning and training of SASRec.
type SasrecJob struct {
	TrainSasrecInput
	// Data is the dataset folder.
	Data string
	// Models names the folder that receives one seed's model.
	Models func(seed int64) string
	// Ranked receives the rankings of one seed's model for the test users of a task.
	Ranked   func(seed int64, t task.Task, predictions []prediction.Prediction) error
	Progress func(Progress)
	// Scratch is for checkpoints before they are saved. Resume is the folder of the checkpoint to
	// resume from; empty starts from the beginning.
	Scratch, Resume string
	// Save persists a checkpoint's folder. SaveDue reports whether one is due.
	Save    func(ctx context.Context, step int, dir string) error
	SaveDue func() bool
	// Stop is closed when the worker drains: the job saves a checkpoint and returns ErrDrained.
	Stop <-chan struct{}
}

// SasrecRecord describes the tuning of SASRec. It is the artifact's sasrec.json.
type SasrecRecord struct {
	// Description is a text for the report's table.
	Description string `json:"description"`
	// Tuning is every training with its settings and validation metrics.
	Tuning json.RawMessage `json:"tuning"`
}

const sasrecRecord = "sasrec.json"

// TrainSasrec tunes and trains SASRec or BSARec and stores its rankings for the users on whom the
// student is evaluated, as JSON lines, one file for each task and seed. It resumes from the newest
// checkpoint of the same work, whichever run or worker wrote it.
func (a *Activities) TrainSasrec(ctx context.Context, in TrainSasrecInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, in.Name())
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	if err := a.fetch(ctx, work.dir, map[string]storage.Ref{"preprocessed": in.Preprocessed}); err != nil {
		return ref, err
	}
	out := filepath.Join(work.dir, "sasrec")
	if err := os.MkdirAll(out, 0o750); err != nil {
		return ref, fmt.Errorf("make folder for rankings: %w", err)
	}
	job := SasrecJob{
		TrainSasrecInput: in, Data: filepath.Join(work.dir, "preprocessed"), Progress: work.report,
		Scratch: filepath.Join(work.dir, "work"), Stop: stopSignal(ctx), SaveDue: a.every(checkpointInterval),
		Models: func(seed int64) string { return filepath.Join(out, sasrecModel(seed)) },
		Ranked: func(seed int64, t task.Task, predictions []prediction.Prediction) error {
			return writeJSONL(filepath.Join(out, sasrecFile(in.Name(), seed, t)), predictions)
		},
	}
	if err := a.useCheckpoints(ctx, &job, filepath.Join(work.dir, "checkpoint")); err != nil {
		return ref, err
	}
	// As in [Activities.Pretrain], a cancelled job saves its state.
	record, err := a.Rankers.Sasrec(context.WithoutCancel(ctx), job)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return ref, fmt.Errorf("training stopped: %w", cause)
		}
		return ref, err
	}
	data, err := json.MarshalIndent(record, "", " ")
	if err != nil {
		return ref, fmt.Errorf("encode %s: %w", sasrecRecord, err)
	}
	if err := os.WriteFile(filepath.Join(out, sasrecRecord), data, 0o600); err != nil {
		return ref, fmt.Errorf("write %s: %w", sasrecRecord, err)
	}
	return a.Bucket.PutFolder(ctx, in.Name(), out)
}

// useCheckpoints fetches the newest checkpoint into dir and lets the job save its own. An activity
// that an older program scheduled has no fingerprint, and so no checkpoints.
func (a *Activities) useCheckpoints(ctx context.Context, job *SasrecJob, dir string) error {
	if job.Fingerprint == "" {
		return nil
	}
	checkpoints, err := storage.OpenCheckpoints(ctx, a.Bucket, job.Fingerprint, owner(ctx), keptCheckpoints)
	if err != nil {
		return err
	}
	job.Save = a.saver(checkpoints)
	job.Resume, err = a.resume(ctx, checkpoints, dir)
	return err
}

// The checkpoints of a trained baseline.
const (
	checkpointInterval = time.Minute
	keptCheckpoints    = 2
)

// every returns a function that reports once in each interval that it is over.
func (a *Activities) every(interval time.Duration) func() bool {
	last := a.Now()
	return func() bool {
		if now := a.Now(); now.Sub(last) >= interval {
			last = now
			return true
		}
		return false
	}
}

// sasrecModel names the folder of one seed's model.
func sasrecModel(seed int64) string { return fmt.Sprintf("model-%d", seed) }

// sasrecFile names a seed's rankings in the artifact.
func sasrecFile(name string, seed int64, task task.Task) string {
	return rankingFile(fmt.Sprintf("%s-%d", name, seed), task)
}
