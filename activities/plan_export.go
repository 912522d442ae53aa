package activities

import (
	"context"
	"path/filepath"
)

// ExportPlan is the number of users to export, and of items that can be recommended.
type ExportPlan struct {
	Users int `json:"users"`
	Items int `json:"items"`
}

// PlanExport validates the export and counts the users and items.
func (a *Activities) PlanExport(ctx context.Context, in ExportInput) (plan ExportPlan, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return plan, err
	}
	if err := in.check(); err != nil {
		return plan, err
	}
	data, err := a.readDatasetParts(ctx, in.Model.Preprocessed, filepath.Join(work.dir, "preprocessed"), 0)
	if err != nil {
		return plan, err
	}
	return ExportPlan{Users: len(data.Users), Items: data.Items}, nil
}
