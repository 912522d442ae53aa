package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/hfexport"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/storage"
	"rdrec/workflows"
)

// modelArg names a trained student.
type modelArg struct {
	Model  string `arg:"" name:"run" help:"The model: the name of promotions, or a finished experiment as ID or ID/RUN."`
	Method string `help:"Which of the run's methods; its first one by default." placeholder:"METHOD"`
}

// find resolves the model from the bucket.
func (m modelArg) find(ctx context.Context, bucket *storage.Bucket) (activities.Model, error) {
	return activities.FindModel(ctx, bucket, m.Model, m.Method)
}

// exportCmd hands out what a model makes.
type exportCmd struct {
	modelArg
	Out           string `help:"Where recommendations.FORMAT is written: a folder, or a URL such as s3://bucket/path." placeholder:"DIR|URL" xor:"what"`
	Student       string `help:"Write the student itself instead, as a Hugging Face folder." placeholder:"DIR" xor:"what"`
	Format        string `help:"parquet, jsonl or csv." enum:"parquet,jsonl,csv" default:"parquet"`
	Top           int    `help:"Items for each user, at most." default:"10"`
	Explain       bool   `help:"Add the student's explanation of each item; it takes as many searches as there are rows."`
	UsersPerShard int    `name:"users-per-shard" help:"Users per shard; 0 means 512, or 64 with explanations." placeholder:"N"`
	Parallel      int    `help:"Shards in parallel; 0 means 16. Each needs a worker on the queue rdrec-gpu." placeholder:"N"`
}

// Run exports the recommendations of all users, or the student.
func (c *exportCmd) Run(ctx context.Context, a *app) error {
	if c.Out == "" && c.Student == "" {
		return usageError{errors.New("expected --out or --student")}
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
	a.logf("export     %s", e.id)
	if page := e.page(e.id, e.run); page != "" {
		a.logf("Web UI     %s", page)
	}
	if err := a.awaitClosed(ctx, e); err != nil {
		if interrupted(ctx) {
			a.logf("the export continues; the same command shows it again and writes the table")
			return errInterrupted
		}
		return err
	}
	return c.writeTable(ctx, a, bucket, e)
}

// startExperiment starts the export, or finds the same one running. One that has ended is started
// again, and finds what it made.
func (c *exportCmd) start(ctx context.Context, to *server, model activities.Model) (*execution, error) {
	in := workflows.ExportInput{
		ExportInput: activities.ExportInput{Model: model, Top: c.Top, Explain: c.Explain}, Format: c.Format, UsersPerShard: c.UsersPerShard, Parallel: c.Parallel,
	}
	text, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("writing the export as JSON: %w", err)
	}
	options := client.StartWorkflowOptions{
		ID: fmt.Sprintf("export-%s-%.12s", model.Spec.Name, storage.Digest(text)), TaskQueue: workflows.QueueCPU,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            fmt.Sprintf("top %d for every user of %s", c.Top, model.Name),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword("RdrecDataset").ValueSet(dataName(model.Spec)),
			temporal.NewSearchAttributeKeyKeywordList("RdrecMethod").ValueSet([]string{model.Method}),
		),
	}
	run, err := to.ExecuteWorkflow(ctx, options, workflows.Export, in)
	if err != nil {
		return nil, fmt.Errorf("starting export %q: %w", options.ID, err)
	}
	return find(ctx, to, run.GetID())
}

// exportResult is what an export came to, for programs.
type exportResult struct {
	ID string `json:"id"`
	// Table is where it was written.
	Table string `json:"table"`
	Bytes int64  `json:"bytes"`
	activities.ExportSummary
}

// writeTable writes the finished table to where it is wanted.
func (c *exportCmd) writeTable(ctx context.Context, a *app, bucket *storage.Bucket, e *execution) error {
	var result workflows.ExportResult
	err := e.GetWorkflow(ctx, e.id, "").Get(ctx, &result)
	switch {
	case temporal.IsCanceledError(err):
		return fmt.Errorf("%w: %s", errCancelled, e.id)
	case err != nil:
		return fmt.Errorf("%w: %s: %s", errExperiment, e.id, rootCause(err))
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
	if a.flags.JSON {
		return a.printJSON(x)
	}
	return a.print(fmt.Sprintf("%s\n%d users, top %d, %d bytes\n", x.Table, x.Users, x.Top, x.Bytes))
}

// exportStudent writes a student's folder: under another name first, so that it is there whole or
// not at all.
func (a *app) exportStudent(ctx context.Context, bucket *storage.Bucket, model activities.Model, dir string) error {
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return usageError{fmt.Errorf("--student %s: the folder is not empty", dir)}
	}
	part := strings.TrimRight(dir, string(filepath.Separator)) + ".part"
	if err := os.RemoveAll(part); err != nil {
		return fmt.Errorf("making room for the student: %w", err)
	}
	if err := fetchStudent(ctx, bucket, model, part); err != nil {
		return fmt.Errorf("fetching the student: %w", err)
	}
	about, err := studentCard(model, part)
	if err != nil {
		return err
	}
	if err := hfexport.Complete(part, about); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("writing the student: %w", err)
	}
	if err := os.Rename(part, dir); err != nil {
		return fmt.Errorf("writing the student: %w", err)
	}
	if a.flags.JSON {
		return a.printJSON(map[string]string{"student": dir, "model": model.Name, "method": model.Method})
	}
	return a.print(dir + "\n")
}

// fetchStudent writes what the bucket has of a student: its folder, and the numbers of its users
// and items.
func fetchStudent(ctx context.Context, bucket *storage.Bucket, model activities.Model, dir string) error {
	if err := bucket.GetFolder(ctx, model.Student, dir); err != nil {
		return err
	}
	maps, err := bucket.ArtifactFile(ctx, model.Preprocessed, "datamaps.json")
	if err != nil {
		return err
	}
	return bucket.GetFile(ctx, maps, filepath.Join(dir, "datamaps.json"))
}

// studentCard is what the README says.
func studentCard(model activities.Model, dir string) (hfexport.Card, error) {
	about := hfexport.Card{Model: model.Name, Method: model.Method, Data: dataName(model.Spec)}
	text, err := os.ReadFile(filepath.Join(dir, "config.json")) //nolint:gosec // the student that was just written
	if err != nil {
		return about, fmt.Errorf("reading the student: %w", err)
	}
	var config struct {
		Prompts int `json:"prompts_per_task"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return about, fmt.Errorf("reading the student's config.json: %w", err)
	}
	about.Prompts = config.Prompts
	method, err := spec.MethodNamed(model.Method)
	if err != nil {
		return about, err
	}
	templateSet, err := task.TemplateSetNamed(method.TemplateSet)
	if err != nil {
		return about, err
	}
	about.SplitOnSpaces = templateSet.Words == token.BlankWords
	about.ExplainPrompt, about.SequentialPrompt, err = templateSet.Inputs(task.Pair{User: 7, Item: 12}, []int{3, 12})
	return about, err
}
