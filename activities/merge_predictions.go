package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/prediction"
	"rdrec/internal/task"
	"rdrec/storage"
)

// MergePredictionsInput is the predictions of all shards of one evaluation.
type MergePredictionsInput struct {
	Task   task.Task     `json:"task"`
	Shards []storage.Ref `json:"shards"`
}

// MergePredictions merges the shards of an evaluation. The result is byte for byte that of
// [Activities.Evaluate] without shards.
func (a *Activities) MergePredictions(ctx context.Context, in MergePredictionsInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "merge")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	path := filepath.Join(work.dir, "evaluation", predictionsFile(in.Task))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return ref, fmt.Errorf("make folder for predictions: %w", err)
	}
	if in.Task == task.Explanation {
		err = merge[prediction.Text](ctx, a.Bucket, in, path)
	} else {
		err = merge[prediction.Prediction](ctx, a.Bucket, in, path)
	}
	if err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "evaluation", filepath.Dir(path))
}

func merge[R prediction.Row[R]](ctx context.Context, b *storage.Bucket, in MergePredictionsInput, path string) error {
	shards := make([][]R, len(in.Shards))
	for i, shard := range in.Shards {
		var err error
		if shards[i], err = readArtifactJSONL[R](ctx, b, shard, predictionsFile(in.Task)); err != nil {
			return err
		}
	}
	return writeJSONL(path, prediction.Complete(shards...))
}
