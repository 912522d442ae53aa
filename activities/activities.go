// Package activities is the work of each stage: fetch what the stage needs from the bucket, let the
// domain do it, store what came out, and report progress on the way. In: settings and
// [storage.Ref]s; out: one [storage.Ref]. The heavy parts (DuckDB, libtorch) come in through the
// small interfaces below, which only the worker fills, so that the CLI and the workflows link
// neither.
package activities

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"rdrec/internal/prediction"
	"rdrec/internal/recommender"
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
	Recommend(ctx context.Context, job RecommendJob) ([]prediction.Prediction, error)
	Explain(ctx context.Context, job RecommendJob) ([]prediction.Text, error)
}

// Recommenders opens trained students to ask them.
type Recommenders interface {
	Open(ctx context.Context, job RecommenderJob) (recommender.Student, error)
}

// TableWriter writes tables in forms that need DuckDB.
type TableWriter interface {
	Write(ctx context.Context, job TableJob) error
}
