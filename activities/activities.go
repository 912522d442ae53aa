// Package activities is the work of each stage: fetch what the stage needs from the bucket, let the
// domain do it, store what came out, and report progress on the way. In: settings and
// [storage.Ref]s; out: one [storage.Ref]. The heavy parts (DuckDB, libtorch) come in through the
// small interfaces below, which only the worker fills, so that the CLI and the workflows link
// neither.
package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"

	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// Activities has one exported method a stage; the method's name is the activity's type.
type Activities struct {
	Bucket       *storage.Bucket
	Importer     Importer
	Teachers     Teachers
	Students     Students
	Rankers      Rankers
	Recommenders Recommenders
	TableWriter  TableWriter
	// Scratch is a folder for temporary files; each activity works in a folder of its own and
	// removes it.
	Scratch string
	// Build says which program and libraries do the work; it stands in the report.
	Build map[string]string
	Log   zerolog.Logger
	// Now is the clock.
	Now func() time.Time
	// StallTimeout is how long an activity may go without progress before it is stopped and tried
	// again.
	StallTimeout time.Duration
}

// Rankers trains the baselines that need libtorch.
type Rankers interface {
	// TrainSasrec tunes and trains SASRec and hands its rankings to the job's Ranked.
	Sasrec(ctx context.Context, job SasrecJob) (SasrecRecord, error)
}

// Importer makes a dataset folder of raw reviews.
type Importer interface {
	Import(ctx context.Context, job ImportJob) error
	// IngestSource writes what is new in a source into a file, if anything is.
	IngestSource(ctx context.Context, job IngestSourceJob) (IngestSourceResult, error)
}

// IngestSourceJob names what is drawn from a source: the rows whose watermark is greater than
// After; all, where that is empty.
type IngestSourceJob struct {
	Source      spec.Source
	After, File string
}

// IngestSourceResult is what was new in a source.
type IngestSourceResult struct {
	Rows int `json:"rows"`
	// WithoutWatermark rows have no watermark and are never drawn.
	WithoutWatermark int `json:"without_watermark"`
	// Watermark is the greatest value that was drawn, as text; empty where nothing was.
	Watermark string `json:"watermark"`
}

// ImportJob is one import of raw reviews.
type ImportJob struct {
	Reviews spec.Reviews
	// Appearance numbers users and items in the order in which they appear; else they are numbered
	// at random.
	Appearance bool
	Seed       int64
	// Dir is where the dataset folder is written.
	Dir string
}

// Teachers opens the teacher that settings name.
type Teachers interface {
	// Digest identifies the teacher's weights without loading them.
	Digest(ctx context.Context, settings spec.Teacher) (string, error)
	// Open loads the teacher; free gives its memory back.
	Open(ctx context.Context, settings spec.Teacher) (engine teacher.Engine, free func(), err error)
}

// Students trains and examines the student.
type Students interface {
	Train(ctx context.Context, job TrainJob) error
	Recommend(ctx context.Context, job RecommendJob) ([]Prediction, error)
	Explain(ctx context.Context, job RecommendJob) ([]Text, error)
}

// TrainJob is one training run.
type TrainJob struct {
	PretrainInput
	// Data is the folder of examples; Out is where the model's folder is written.
	Data, Out string
	// Scratch is for temporary files. Resume is the folder of the checkpoint to go on from; empty
	// starts anew.
	Scratch, Resume string
	// Save persists a checkpoint's folder.
	Save func(ctx context.Context, step int, dir string) error
	// Progress is told after every step.
	Progress func(Progress)
	// Stop is closed when the worker drains: the job saves a checkpoint and returns ErrDrained.
	Stop <-chan struct{}
}

// RecommendJob examines a trained student on one kind of task.
type RecommendJob struct {
	EvaluateInput
	// Data is the folder of examples, Model the student's.
	Data, Model string
	// Progress is told after every batch.
	Progress func(done, total int)
}

// attempt is one try at an activity: its pulse, and a folder of its own for temporary files.
type attempt struct {
	*heartbeat
	dir string
	// finish is to be deferred whether or not the attempt could begin: it removes the folder, gives
	// the activity's error the type that decides what is retried, and stops the pulse.
	finish func(err *error)
}

// loadHistory starts an attempt at a stage. The returned context is the pulse's: it ends when the
// activity is cancelled, or when it stalls.
func (a *Activities) begin(ctx context.Context, stage string) (context.Context, attempt, error) {
	ctx, p := a.startHeartbeat(ctx, stage)
	dir, remove, err := a.scratch(ctx)
	return ctx, attempt{p, dir, func(failed *error) {
		remove()
		*failed = temporalError(ctx, *failed)
		p.stop()
	}}, err
}

// scratch makes a folder for one activity's files and returns what removes it.
func (a *Activities) scratch(ctx context.Context) (dir string, remove func(), err error) {
	if err := context.Cause(ctx); err != nil {
		return "", func() {}, err
	}
	info := activity.GetInfo(ctx)
	if err := os.MkdirAll(a.Scratch, 0o750); err != nil {
		return "", func() {}, fmt.Errorf("make scratch folder: %w", err)
	}
	dir, err = os.MkdirTemp(a.Scratch, filepath.Base(info.ActivityType.Name)+"-")
	if err != nil {
		return "", func() {}, fmt.Errorf("make scratch folder: %w", err)
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			a.Log.Warn().Err(err).Str("dir", dir).Msg("scratch folder was not removed")
		}
	}, nil
}

// fetch brings artifacts into folders of their own under dir, by name.
func (a *Activities) fetch(ctx context.Context, dir string, artifacts map[string]storage.Ref) error {
	for name, ref := range artifacts {
		if err := a.Bucket.GetFolder(ctx, ref, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
