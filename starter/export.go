package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// modelArg names a trained student.
type modelArg struct {
	Model  string `arg:"" name:"run" help:"${help_model}"`
	Method string `help:"One of the run's methods; the default is its first." placeholder:"METHOD"`
}

// find looks the model up in the bucket.
func (m modelArg) find(ctx context.Context, bucket *storage.Bucket) (registry.Model, error) {
	return registry.FindModel(ctx, bucket, m.Model, m.Method)
}

// exportCmd exports recommendations, or the student itself.
type exportCmd struct {
	modelArg
	Out           string `help:"${help_out}" placeholder:"DIR|URL" xor:"what"`
	Student       string `help:"Write the student instead, as a Hugging Face folder." placeholder:"DIR" xor:"what"`
	Format        string `help:"parquet, jsonl or csv." enum:"parquet,jsonl,csv" default:"parquet"`
	Top           int    `help:"Maximum number of items per user." default:"10"`
	Explain       bool   `help:"${help_explain}"`
	Spreadsheet   bool   `help:"${help_spreadsheet}"`
	UsersPerShard int    `name:"users-per-shard" help:"${help_shard}" placeholder:"N"`
	Parallel      int    `help:"${help_parallel}" placeholder:"N"`
}

// Run exports the recommendations of all users, or the student.
func (c *exportCmd) Run(ctx context.Context, a *app) error {
	if c.Out == "" && c.Student == "" {
		return usageError{errors.New("expected --out or --student")}
	}
	if c.Spreadsheet && c.Format != activities.FormatCSV {
		return usageError{errors.New("--spreadsheet: want --format csv")}
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	model, err := c.find(ctx, bucket)
	if err != nil {
		return err
	}
	if c.Student != "" {
		return a.exportStudent(ctx, bucket, model, c.Student)
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	e, err := c.start(ctx, to, model)
	if err != nil {
		return err
	}
	a.printStarted(e)
	const message = "the export continues; the same command shows it again and writes the table"
	if err := a.await(ctx, e, message); err != nil {
		return err
	}
	return c.writeTable(ctx, a, bucket, e)
}

// start starts the export, or finds the running one with the same input. One that has ended is
// started again, and finds its finished stages.
func (c *exportCmd) start(ctx context.Context, to *server, model registry.Model) (*execution, error) {
	in := workflows.ExportInput{
		ExportInput:   activities.ExportInput{Model: model, Top: c.Top, Explain: c.Explain},
		Format:        c.Format,
		Spreadsheet:   c.Spreadsheet,
		UsersPerShard: c.UsersPerShard,
		Parallel:      c.Parallel,
	}
	id, err := workflowID("export", model.Spec.Name, in)
	if err != nil {
		return nil, err
	}
	return startOrFind(ctx, to, client.StartWorkflowOptions{
		ID:                    id,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         fmt.Sprintf("top %d for every user of %s", c.Top, model.Name),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(attributeDataset).ValueSet(dataName(model.Spec)),
			temporal.NewSearchAttributeKeyKeywordList(attributeMethod).ValueSet([]string{model.Method}),
		),
	}, workflows.Export, in)
}

// exportResult is the result of an export, for programs.
type exportResult struct {
	ID string `json:"id"`
	// Table is the path or URL of the written file.
	Table string `json:"table"`
	Bytes int64  `json:"bytes"`
	activities.ExportSummary
}

// writeTable writes the finished table to --out.
func (c *exportCmd) writeTable(ctx context.Context, a *app, bucket *storage.Bucket, e *execution) error {
	var result workflows.ExportResult
	if err := e.result(ctx, &result); err != nil {
		return err
	}
	file, err := bucket.ArtifactFile(ctx, result.Formatted, result.File)
	if err != nil {
		return fmt.Errorf("fetching the table of %q: %w", e.id, err)
	}
	x := exportResult{ID: e.id, Bytes: file.Size}
	summary, err := bucket.ReadArtifactFile(ctx, result.Table, activities.ExportSummaryFile)
	if err == nil {
		err = json.Unmarshal(summary, &x.ExportSummary)
	}
	if err == nil {
		x.Table, err = bucket.Export(ctx, file, c.Out, result.File)
	}
	if err != nil {
		return fmt.Errorf("fetching the table of %q: %w", e.id, err)
	}
	for _, finding := range x.Lists.Findings() {
		a.logf("warning: %s", finding.Text)
	}
	if a.flags.JSON {
		return a.printJSON(x)
	}
	return a.print(fmt.Sprintf("%s\n%d users, top %d, %d bytes\n%s\n", x.Table, x.Users, x.Top, x.Bytes, x.Lists))
}
