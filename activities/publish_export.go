package activities

import (
	"context"

	"rdrec/storage"
)

// PublishExportInput is a merged table.
type PublishExportInput struct {
	ExportInput
	Table storage.Ref `json:"table"`
}

// PublishExport makes the table the one that is served for its model.
func (a *Activities) PublishExport(ctx context.Context, in PublishExportInput) (err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return err
	}
	id, err := in.Model.ID()
	if err != nil {
		return err
	}
	return a.Bucket.PutTable(ctx, id, storage.Table{Artifact: in.Table, Top: in.Top, Explained: in.Explain})
}
