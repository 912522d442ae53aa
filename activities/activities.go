// Package activities does the work of each stage: fetch the stage's inputs from the bucket, let the
// domain compute, store the output, and report progress meanwhile. In: settings and [storage.Ref]s;
// out: one [storage.Ref]. Each activity has a file of its own. The heavy parts (DuckDB, libtorch)
// come in through the small interfaces of this file, which only the worker implements, so that the
// CLI and the workflows link neither.
package activities

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"rdrec/internal/prediction"
	"rdrec/internal/pseudonym"
	"rdrec/internal/recommender"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
	"rdrec/storage/remote"
)

// Activities has one exported method for each activity; the method's name is the activity type.
type Activities struct {
	Bucket       *storage.Bucket
	Importer     Importer
	Teachers     Teachers
	Students     Students
	Rankers      Rankers
	Recommenders Recommenders
	TableWriter  TableWriter
	// ReportURL, if set, returns the address where a browser finds a key of the bucket; "" if none.
	ReportURL func(ctx context.Context, key string) string
	// Sources keeps the files that specs name by URLs.
	Sources *remote.Cache
	// Scratch is a folder for temporary files. Each activity works in its own subfolder and removes
	// it.
	Scratch string
	// Memory is the bytes of the device that computes tensors here; 0 means unknown, or none.
	// HostMemory is the bytes of the machine's memory; 0 means unknown. ImportMemory is how many of
	// them an import's database may use.
	Memory, HostMemory, ImportMemory int64
	// GPU is PyTorch's name of the GPU that computes tensors here; empty for a CPU.
	GPU string
	// MaxScratch is how many bytes Scratch may hold when an activity begins; 0 means no limit.
	MaxScratch int64
	// UserKey makes user ids pseudonyms where a spec asks for them; its zero value is no key.
	UserKey pseudonym.Key
	// Build identifies the program and the libraries that do the work; the report shows it.
	Build map[string]string
	Log   zerolog.Logger
	// Now is the clock.
	Now func() time.Time
	// OnProgress and OnCheckpoint, unless nil, are called when a stage reports progress, and when a
	// checkpoint has been saved.
	OnProgress   func(Progress)
	OnCheckpoint func()
	// StallTimeout is how long an activity may go without progress before it is stopped and
	// retried; those with long steps may take a multiple of it.
	StallTimeout time.Duration
	// MaxFailures is how many attempts of an activity may fail in a row without progress before its
	// workflow pauses; 0 means no limit.
	MaxFailures int
	// MaxLost is how many attempts in a row may lose their worker without progress before the run
	// fails; 0 means [DefaultMaxLost].
	MaxLost int
}

// log returns the logger of an activity: that of its attempt, whose lines are kept with the run, or
// the worker's.
func (a *Activities) log(ctx context.Context) *zerolog.Logger {
	if l := zerolog.Ctx(ctx); l.GetLevel() != zerolog.Disabled {
		return l
	}
	return &a.Log
}

// Rankers trains the baselines that need libtorch.
type Rankers interface {
	// Sasrec tunes and trains SASRec or BSARec and passes its rankings to the job's Ranked.
	Sasrec(ctx context.Context, job SasrecJob) (SasrecRecord, error)
}

// Importer makes a dataset folder from raw reviews.
type Importer interface {
	Import(ctx context.Context, job ImportJob) error
	// Check returns an error that is [ErrData] if nothing in the job's file can be imported.
	Check(ctx context.Context, job CheckJob) error
	// IngestSource writes the new rows of a source into a file, if there are any.
	IngestSource(ctx context.Context, job IngestSourceJob) (spec.Ingested, error)
}

// Teachers opens the teacher of the settings.
type Teachers interface {
	// Digest identifies the teacher's weights without loading them.
	Digest(ctx context.Context, settings spec.Teacher) (string, error)
	// Size returns the size of the teacher's model without loading it; the zero value for one that
	// is not in this process.
	Size(settings spec.Teacher) (room.Teacher, error)
	// Open loads the teacher; free releases its memory.
	Open(ctx context.Context, settings spec.Teacher) (engine teacher.Engine, free func(), err error)
}

// Students trains and evaluates the student.
type Students interface {
	// CheckPretrained returns an error, final where it wraps ErrInvalid, if a folder cannot start a
	// student.
	CheckPretrained(dir string) error
	Train(ctx context.Context, job TrainJob) error
	Recommend(ctx context.Context, job RecommendJob) ([]prediction.Prediction, error)
	Explain(ctx context.Context, job RecommendJob) ([]prediction.Text, error)
	// Fuse fits or applies a mix of rankings.
	Fuse(ctx context.Context, job FuseJob) (FusedRankings, error)
}

// Recommenders opens trained students for recommending.
type Recommenders interface {
	Open(ctx context.Context, job RecommenderJob) (recommender.Student, error)
}

// TableWriter writes tables in formats that need DuckDB.
type TableWriter interface {
	Write(ctx context.Context, job TableJob) error
}
