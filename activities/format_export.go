package activities

import (
	"context"
	"path/filepath"

	"rdrec/storage"
)

// FormatExportInput names a merged table and the format to convert it to.
type FormatExportInput struct {
	Table  storage.Ref `json:"table"`
	Format string      `json:"format"`
	// Spreadsheet quotes cells of CSV that a spreadsheet would run.
	Spreadsheet bool `json:"spreadsheet,omitzero"`
}

// TableJob converts JSON lines of [recommender.Row] to another format.
type TableJob struct {
	// Lines is the file to read, Out the file to write, Scratch a folder for data that does not fit
	// into memory.
	Lines, Out, Scratch string
	// Format is one of [ExportFormats]. Spreadsheet quotes cells that a spreadsheet would run.
	Format      string
	Spreadsheet bool
}

// FormatExport converts a merged table to another format.
func (a *Activities) FormatExport(ctx context.Context, in FormatExportInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	table := filepath.Join(work.dir, "table")
	if err := a.Bucket.GetFolder(ctx, in.Table, table); err != nil {
		return ref, err
	}
	return a.store(ctx, filepath.Join(work.dir, in.Format), func(dir string) error {
		return a.TableWriter.Write(ctx, TableJob{
			Lines: filepath.Join(table, ExportFile(FormatJSONL)), Out: filepath.Join(dir, ExportFile(in.Format)),
			Scratch: filepath.Join(work.dir, "spill"), Format: in.Format, Spreadsheet: in.Spreadsheet,
		})
	})
}
