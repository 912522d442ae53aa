package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"go.temporal.io/sdk/activity"

	"rdrec/internal/baseline"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// TrainSasrecInput is the settings of [Activities.TrainSasrec].
type TrainSasrecInput struct {
	Preprocessed storage.Ref `json:"preprocessed"`
	Sasrec       spec.Sasrec `json:"sasrec"`
	// SequentialUsers, TopNUsers and TopN are the spec's of evaluate.
	SequentialUsers int `json:"sequential_users"`
	TopNUsers       int `json:"topn_users"`
	TopN            int `json:"topn"`
	// Seeds are the trials'; the first one tunes.
	Seeds []int64 `json:"seeds"`
}

// SasrecJob is one tuning and training.
type SasrecJob struct {
	TrainSasrecInput
	// Data is the folder of examples.
	Data string
	// Ranked takes what a seed's model ranked for the test users of a kind.
	Ranked   func(seed int64, kind task.Task, predictions []prediction.Prediction) error
	Progress func(Progress)
	// Stop is closed when the worker drains: the job returns ErrDrained and another worker begins
	// anew.
	Stop <-chan struct{}
}

// SasrecRecord says how SASRec was tuned. It stands in the artifact as sasrec.json.
type SasrecRecord struct {
	// Description is for the report's table.
	Description string `json:"description"`
	// Tuning is every training with its settings and validation figures.
	Tuning json.RawMessage `json:"tuning"`
}

const sasrecRecord = "sasrec.json"

// TrainSasrec tunes and trains SASRec and stores what it ranks for the users that the student is
// examined on, as JSON lines, one file for each kind and seed. It has no checkpoints: an attempt
// that ends begins anew.
func (a *Activities) TrainSasrec(ctx context.Context, in TrainSasrecInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "sasrec")
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
	record, err := a.Rankers.Sasrec(ctx, SasrecJob{
		TrainSasrecInput: in, Data: filepath.Join(work.dir, "preprocessed"), Progress: work.report, Stop: activity.GetWorkerStopChannel(ctx),
		Ranked: func(seed int64, t task.Task, predictions []prediction.Prediction) error {
			return writeJSONL(filepath.Join(out, sasrecFile(seed, t)), predictions)
		},
	})
	if err != nil {
		return ref, err
	}
	data, err := json.MarshalIndent(record, "", " ")
	if err != nil {
		return ref, fmt.Errorf("encode %s: %w", sasrecRecord, err)
	}
	if err := os.WriteFile(filepath.Join(out, sasrecRecord), data, 0o600); err != nil {
		return ref, fmt.Errorf("write %s: %w", sasrecRecord, err)
	}
	return a.Bucket.PutFolder(ctx, "sasrec", out)
}

// sasrecFile names a seed's rankings in the artifact.
func sasrecFile(seed int64, task task.Task) string {
	return rankingFile(fmt.Sprintf("%s-%d", baseline.SASRec, seed), task)
}
