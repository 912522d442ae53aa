package activities

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"rdrec/internal/progress"
	"rdrec/internal/recommender"
	"rdrec/storage"
)

// ExportShardInput is a range of the users, by their indices in the dataset.
type ExportShardInput struct {
	ExportInput
	From int `json:"from"`
	To   int `json:"to"`
}

// ExportShard recommends to a range of the users and stores the recommendations as JSON lines.
func (a *Activities) ExportShard(ctx context.Context, in ExportShardInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	rec, data, err := a.recommender(ctx, in.Model, in.Top, work.dir)
	if err != nil {
		return ref, err
	}
	defer rec.Close()
	if in.From < 0 || in.To > len(data.Users) || in.From >= in.To {
		return ref, fmt.Errorf("%w: users %d to %d of %d", ErrInvalid, in.From+1, in.To, len(data.Users))
	}
	unit := "users"
	if in.Explain {
		unit = "explanations"
	}
	working, cancel := drainable(ctx)
	defer cancel()
	recommendations, err := rec.Histories(working, data.Users[in.From:in.To], recommender.Options{
		Top: in.Top, Explain: in.Explain, Progress: func(done, total int) {
			work.report(Progress{Progress: progress.Progress{Done: done, Total: total, Unit: unit}})
		},
	})
	if errors.Is(context.Cause(working), ErrDrained) {
		return ref, fmt.Errorf("%w: these users restart on another worker", ErrDrained)
	}
	if err != nil {
		return ref, err
	}
	var rows []recommender.Row
	for _, ranked := range recommendations {
		rows = append(rows, ranked...)
	}
	return a.store(ctx, filepath.Join(work.dir, "shard"), func(dir string) error {
		return writeJSONL(filepath.Join(dir, ExportFile(FormatJSONL)), rows)
	})
}
