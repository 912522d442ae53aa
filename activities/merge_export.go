package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"rdrec/storage"
)

// MergeExportInput is the finished shards, in the order of the users.
type MergeExportInput struct {
	ExportInput
	Shards []storage.Ref `json:"shards"`
	Users  int           `json:"users"`
}

// ExportSummary is the content of an export's export.json.
type ExportSummary struct {
	Model   string `json:"model"`
	Method  string `json:"method"`
	Users   int    `json:"users"`
	Top     int    `json:"top"`
	Explain bool   `json:"explain"`
}

// MergeExport merges the shards into one table.
func (a *Activities) MergeExport(ctx context.Context, in MergeExportInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	id, err := in.Model.ID()
	if err != nil {
		return ref, err
	}
	return a.store(ctx, filepath.Join(work.dir, "table"), func(dir string) error {
		summary := ExportSummary{Model: id, Method: in.Model.Method, Users: in.Users, Top: in.Top, Explain: in.Explain}
		if err := writeJSON(filepath.Join(dir, ExportSummaryFile), summary); err != nil {
			return err
		}
		return a.concatenate(ctx, in.Shards, work, filepath.Join(dir, ExportFile(FormatJSONL)))
	})
}

// concatenate writes the lines of the shards one after the other.
func (a *Activities) concatenate(ctx context.Context, shards []storage.Ref, work attempt, path string) (err error) {
	out, err := os.Create(path) //nolint:gosec // a file of our own scratch folder
	if err != nil {
		return fmt.Errorf("merge the table: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for i, shard := range shards {
		work.report(Progress{Done: i, Total: len(shards), Unit: "parts"})
		dir := filepath.Join(work.dir, "shard")
		if err := a.Bucket.GetFolder(ctx, shard, dir); err != nil {
			return err
		}
		lines, err := os.Open(filepath.Join(dir, ExportFile(FormatJSONL)))
		if err != nil {
			return fmt.Errorf("merge the table: shard %d: %w", i+1, err)
		}
		_, err = io.Copy(out, lines)
		if err := errors.Join(err, lines.Close()); err != nil {
			return fmt.Errorf("merge the table: shard %d: %w", i+1, err)
		}
	}
	return nil
}
