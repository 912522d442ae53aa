package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
	"rdrec/workflows"
)

// distillCmd has a teacher write rationales, and steers it.
type distillCmd struct {
	Start  distillStartCmd  `cmd:"" default:"withargs" help:"Distill a data set's explanations into rationales; finished rows are reused."`
	Pause  distillPauseCmd  `cmd:"" help:"Pause requests to the teacher; finished rows are kept."`
	Resume distillResumeCmd `cmd:"" help:"Resume after a pause."`
	Skip   distillSkipCmd   `cmd:"" help:"Skip a shard; its finished rows are kept, the next distillation requests the rest."`
}

// distillStartCmd starts a distillation.
type distillStartCmd struct {
	Spec     string   `arg:"" optional:"" help:"A spec, for its data and teacher; or name the data by --dataset or --reviews."`
	Dataset  string   `help:"The data: a folder in RDRec's format, or the name of one in RDREC_DATA, data or testdata/rdrec." placeholder:"NAME|DIR"`
	Reviews  string   `help:"The data: raw reviews." placeholder:"FILE"`
	Teacher  string   `help:"The teacher: smollm2, meta:DIR, hf:DIR, gguf:FILE, openai:URL#MODEL or copy; as --set teacher.model=..." placeholder:"FORM"`
	Sample   int      `help:"Distill only N explanations, sampled evenly, and print the rationales, to check quality before paying for all. Their rows are reused." placeholder:"N"`
	Parallel int      `help:"Shards in parallel; 0 means 16. Each needs a worker on the queue rdrec-gpu."`
	Set      []string `help:"Override a value of the spec, for example teacher.prompt=paper." placeholder:"KEY=VALUE" sep:"none"`
	Watch    bool     `help:"Watch until it ends." default:"true" negatable:""`
}

// distillation is the type of a distillation's workflow.
const distillation = "Distillation"

// maxSample bounds a sample: it is for reading.
const maxSample = 1000

// load is the spec whose data and teacher are meant.
func (c *distillStartCmd) load() (spec.Spec, error) {
	if c.Sample < 0 || c.Sample > maxSample {
		return spec.Spec{}, usageError{fmt.Errorf("--sample %d: want 1 to %d", c.Sample, maxSample)}
	}
	if c.Dataset != "" && c.Reviews != "" {
		return spec.Spec{}, usageError{errors.New("--dataset and --reviews both name the data: keep one of them")}
	}
	var overrides []string
	if c.Teacher != "" {
		overrides = append(overrides, fmt.Sprintf("teacher.model=%q", c.Teacher))
	}
	if c.Reviews == "" {
		return specArg{Spec: c.Spec, Dataset: c.Dataset, Set: append(overrides, c.Set...)}.load()
	}
	if c.Spec != "" {
		overrides = append([]string{fmt.Sprintf("data.reviews.path=%q", c.Reviews)}, overrides...)
		return spec.Load(c.Spec, append(overrides, c.Set...))
	}
	name, _, _ := strings.Cut(filepath.Base(c.Reviews), ".")
	text := fmt.Sprintf("name: %q\ndata: {reviews: {path: %q}}\n%s", slugOf(name), c.Reviews, datasetSpec)
	return spec.Parse("the spec of --reviews", []byte(text), append(overrides, c.Set...))
}

// Run starts the distillation, or finds it where it runs, and watches it.
func (c *distillStartCmd) Run(ctx context.Context, a *app) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	in, err := workflows.NewDistillation(s)
	if err != nil {
		return err
	}
	in.Sample, in.Parallel = c.Sample, c.Parallel
	if c.Watch {
		if err := a.checkBucket(ctx); err != nil {
			return err
		}
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	e, err := startDistillation(ctx, to, s, in)
	if err != nil {
		return err
	}
	a.logf("distillation %s", e.id)
	if page := e.page(e.id, e.run); page != "" {
		a.logf("Web UI       %s", page)
	}
	if !c.Watch {
		return a.printStartedJSON(e)
	}
	err = a.awaitClosed(ctx, e)
	if interrupted(ctx) {
		a.logf("the distillation continues; the same command shows it again, \"starter distill pause %s\" pauses it", e.id)
		return errInterrupted
	}
	if err != nil {
		return err
	}
	return a.printDistillation(ctx, e, c.Sample > 0)
}

// checkBucket finds out before the work, rather than after it, that what comes out could not be
// fetched.
func (a *app) checkBucket(ctx context.Context) error {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	return bucket.Close()
}

// startDistillation starts a distillation or finds the same one running. One that has ended is
// started again: its data may be others by now, and what it wrote is found.
func startDistillation(ctx context.Context, to *server, s spec.Spec, in workflows.DistillationInput) (*execution, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("writing the distillation as JSON: %w", err)
	}
	options := client.StartWorkflowOptions{
		ID: fmt.Sprintf("distill-%s-%.12s", s.Name, storage.Digest(text)), TaskQueue: workflows.QueueCPU,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            fmt.Sprintf("rationales of %s by %s", dataName(s), s.Teacher.Model),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword("RdrecDataset").ValueSet(dataName(s)),
			temporal.NewSearchAttributeKeyKeyword("RdrecTeacher").ValueSet(s.Teacher.Model),
		),
	}
	run, err := to.ExecuteWorkflow(ctx, options, workflows.Distillation, in)
	if err != nil {
		return nil, fmt.Errorf("starting distillation %q: %w", options.ID, err)
	}
	return find(ctx, to, run.GetID())
}

// distillationResult is what a distillation came to, for programs.
type distillationResult struct {
	ID         string                  `json:"id"`
	Rationales string                  `json:"rationales"`
	Partial    bool                    `json:"partial,omitempty"`
	Stats      map[string]float64      `json:"stats"`
	Summary    activities.Distillation `json:"summary"`
	Sample     []teacher.Rationale     `json:"sample,omitempty"`
}

// printDistillation prints what a closed distillation came to; of a sample, all of it.
func (a *app) printDistillation(ctx context.Context, e *execution, sample bool) error {
	var result workflows.DistillationResult
	err := e.GetWorkflow(ctx, e.id, "").Get(ctx, &result)
	switch {
	case temporal.IsCanceledError(err):
		return fmt.Errorf("%w: %s", errCancelled, e.id)
	case err != nil:
		return fmt.Errorf("%w: %s: %s", errExperiment, e.id, rootCause(err))
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	d := distillationResult{
		ID: e.id, Rationales: bucket.URL(storage.ContentKey(result.Rationales)), Partial: result.Partial, Stats: result.Stats,
	}
	record, err := bucket.ReadArtifactFile(ctx, result.Rationales, "distillation.json")
	if err == nil {
		err = json.Unmarshal(record, &d.Summary)
	}
	if err == nil && sample {
		d.Sample, err = rationalesOf(ctx, bucket, result.Rationales)
	}
	if err != nil {
		return fmt.Errorf("fetching the rationales of %q: %w", e.id, err)
	}
	if a.flags.JSON {
		return a.printJSON(d)
	}
	return a.print(d.text())
}

func rationalesOf(ctx context.Context, bucket *storage.Bucket, from storage.Ref) ([]teacher.Rationale, error) {
	lines, err := bucket.ReadArtifactFile(ctx, from, "rationales.jsonl")
	if err != nil {
		return nil, err
	}
	var rows []teacher.Rationale
	for decoder := json.NewDecoder(bytes.NewReader(lines)); ; {
		var row teacher.Rationale
		if err := decoder.Decode(&row); errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// text is what people read.
func (d *distillationResult) text() string {
	var page strings.Builder
	for i, row := range d.Sample {
		fmt.Fprintf(&page, "%3d  review       %s\n", i+1, row.Text)
		if row.Failed != "" {
			fmt.Fprintf(&page, "     not used     %s\n     its reply    %s\n\n", row.Failed, strings.ReplaceAll(row.Reply, "\n", " / "))
			continue
		}
		fmt.Fprintf(&page, "     preference   %s\n     attribution  %s\n\n", row.Preference, row.Attribution)
	}
	q := d.Summary.Quality
	fmt.Fprintf(&page, "%d of %d wanted rationales by %s (%s prompt): %d parsed, %d retried, %d quarantined, %d leaked the prompt, %.0f%% of their words from the review\n",
		q.Rationales, d.Summary.Wanted, d.Summary.Teacher, d.Summary.Prompt, q.Parsed, q.Retried, q.Quarantined, q.Leaked, 100*q.Grounded)
	for _, reason := range q.Reasons {
		fmt.Fprintf(&page, "  quarantined: %s\n", reason)
	}
	requests, elapsed := d.Stats[activities.StatRequests], d.Stats[activities.StatSeconds]
	if requests > 0 {
		fmt.Fprintf(&page, "%.0f requested now, in %s, %.0f tokens/s; the others were in the bucket\n",
			requests, seconds(elapsed), d.Stats[activities.StatTokens]/max(elapsed, 1e-3))
	}
	if n := d.Stats[activities.StatBatchHalvings]; n > 0 {
		fmt.Fprintf(&page, "memory ran out %.0f times, and half as many replies were generated per batch from then on\n", n)
	}
	if n := len(d.Sample); n > 0 && requests > 0 {
		all := float64(d.Summary.Explanations)
		fmt.Fprintf(&page, "all %d explanations: about %s on one worker like this, %.0f tokens read and %.0f written\n", d.Summary.Explanations,
			seconds(all*elapsed/requests), all*float64(q.PromptTokens)/float64(n), all*float64(q.Tokens)/float64(n))
	}
	if d.Partial {
		page.WriteString("shards were skipped: run it again for the rest\n")
	}
	fmt.Fprintf(&page, "rationales   %s\n", d.Rationales)
	return page.String()
}

// distillationUpdate sends an update to a running distillation.
type distillationUpdate struct {
	ID string `arg:"" help:"The distillation's id, as distill prints it; an experiment's own is its id with /distill."`
}

// send updates the distillation and prints how far it is.
func (s distillationUpdate) send(ctx context.Context, a *app, update string, args ...any) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	handle, err := to.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: s.ID, UpdateName: update, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var status workflows.DistillationStatus
	if err == nil {
		err = handle.Get(ctx, &status)
	}
	if err != nil {
		return fmt.Errorf("distillation %q: %s", s.ID, cmp.Or(rootCause(err), err.Error()))
	}
	if a.flags.JSON {
		return a.printJSON(status)
	}
	state := "runs"
	if status.Paused {
		state = "is paused"
	}
	a.logf("%s %s: %d shards done, %d running, %d pending, %d skipped", s.ID, state, status.Done, len(status.Running), status.Pending, len(status.Skipped))
	return nil
}

type (
	distillPauseCmd  struct{ distillationUpdate }
	distillResumeCmd struct{ distillationUpdate }
	distillSkipCmd   struct {
		distillationUpdate
		Shard int `arg:"" help:"The shard's number, from 1 on."`
	}
)

// Run pauses a distillation.
func (c *distillPauseCmd) Run(ctx context.Context, a *app) error {
	return c.send(ctx, a, workflows.UpdatePause)
}

// Run resumes a distillation.
func (c *distillResumeCmd) Run(ctx context.Context, a *app) error {
	return c.send(ctx, a, workflows.UpdateResume)
}

// Run skips a shard.
func (c *distillSkipCmd) Run(ctx context.Context, a *app) error {
	return c.send(ctx, a, workflows.UpdateSkip, workflows.SkipShard{Shard: c.Shard})
}
