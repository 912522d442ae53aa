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
	dir := filepath.Join(work.dir, "evaluation")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return ref, fmt.Errorf("make folder for predictions: %w", err)
	}
	if in.Task == task.Explanation {
		err = merge[prediction.Text](ctx, a.Bucket, in, dir, predictionsFile(in.Task))
	} else {
		err = a.mergeRankings(ctx, in, dir)
	}
	if err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "evaluation", dir)
}

// mergeRankings merges the rankings of the search and, if there are some, of the item head.
func (a *Activities) mergeRankings(ctx context.Context, in MergePredictionsInput, dir string) error {
	if err := merge[prediction.Prediction](ctx, a.Bucket, in, dir, predictionsFile(in.Task)); err != nil {
		return err
	}
	if in.Task != task.Sequential || len(in.Shards) == 0 {
		return nil
	}
	first, err := a.Bucket.Artifact(ctx, in.Shards[0])
	if err != nil || !hasFile(first, headFile) {
		return err
	}
	return merge[prediction.Prediction](ctx, a.Bucket, in, dir, headFile)
}

func merge[R prediction.Row[R]](
	ctx context.Context, b *storage.Bucket, in MergePredictionsInput, dir, name string,
) error {
	shards := make([][]R, len(in.Shards))
	for i, shard := range in.Shards {
		var err error
		if shards[i], err = readArtifactJSONL[R](ctx, b, shard, name); err != nil {
			return err
		}
	}
	return writeJSONL(filepath.Join(dir, name), prediction.Complete(shards...))
}
