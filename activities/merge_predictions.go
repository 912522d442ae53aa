package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"rdrec/internal/task"
	"rdrec/storage"
)

// MergePredictionsInput is the answers of all parts of one examination.
type MergePredictionsInput struct {
	Task   task.Task     `json:"task"`
	Shards []storage.Ref `json:"shards"`
}

// MergePredictions puts parts together: byte for byte what [Activities.Evaluate] makes of the
// whole.
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
		err = merge(ctx, a.Bucket, in, path, textIndex)
	} else {
		err = merge(ctx, a.Bucket, in, path, predictionIndex)
	}
	if err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "evaluation", filepath.Dir(path))
}

func merge[Row any](ctx context.Context, b *storage.Bucket, in MergePredictionsInput, path string, index func(*Row) *int) error {
	var all []Row
	for _, shard := range in.Shards {
		rows, err := readArtifactJSONL[Row](ctx, b, shard, predictionsFile(in.Task))
		if err != nil {
			return err
		}
		all = append(all, rows...)
	}
	return writeJSONL(path, sortByIndex(all, index))
}

// sortByIndex sorts answers by their places, which then go without saying.
func sortByIndex[Row any](rows []Row, index func(*Row) *int) []Row {
	slices.SortStableFunc(rows, func(a, b Row) int { return *index(&a) - *index(&b) })
	for i := range rows {
		*index(&rows[i]) = 0
	}
	return rows
}

func predictionIndex(p *Prediction) *int { return &p.Index }

func textIndex(t *Text) *int { return &t.Index }
