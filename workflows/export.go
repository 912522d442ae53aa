package workflows

import (
	"cmp"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// ExportInput says what is exported of a model, and how.
type ExportInput struct {
	activities.ExportInput
	// Format is one of [activities.ExportFormats].
	Format string
	// Shard is how many users a worker is given at a time; 0 means 512, or 64 with explanations, and more where that would be more than
	// 256 shards. Parallel is how many shards are worked at together; 0 means 16.
	Shard, Parallel int
}

// ExportResult is what [Export] made.
type ExportResult struct {
	// Table is an artefact with all recommendations as JSON lines, Formatted one with them in the format that was wanted.
	Table     storage.Ref `json:"table"`
	Formatted storage.Ref `json:"formatted"`
	// File names the table in Formatted.
	File string `json:"file"`
}

const (
	exportStage = "export"
	// exportVersion is raised when the code changes what is exported of the same model.
	exportVersion = 1
	exportUsers   = 512
	explainUsers  = 64
	exportShards  = 256
)

// Export recommends to every user of a model: in shards over the workers that poll the GPU queue, each a stage whose finished part is
// found again; then merged in the users' order, published for serving, and written in the format that is wanted.
func Export(ctx workflow.Context, in ExportInput) (ExportResult, error) {
	stages, err := open(ctx, "")
	if err != nil {
		return ExportResult{}, err
	}
	e := &export{in, stages}
	result := ExportResult{File: activities.ExportFile(in.Format)}
	if result.Table, err = e.table(ctx); err != nil {
		return ExportResult{}, err
	}
	publish := activities.ExportPublishInput{ExportInput: in.ExportInput, Table: result.Table}
	if err := workflow.ExecuteActivity(quick(ctx, "publish"), acts.ExportPublish, publish).Get(ctx, nil); err != nil {
		return ExportResult{}, err
	}
	result.Formatted = result.Table
	if in.Format != activities.FormatJSONL {
		result.Formatted, err = e.format(ctx, result.Table)
	}
	return result, err
}

// export is a running [Export].
type export struct {
	ExportInput
	stages *ledger
}

// asked are the settings that decide what is recommended.
type asked struct {
	Method   string
	Evaluate spec.Evaluate
	Top      int
	Explain  bool
	// Shard is one of them, as users who are decoded together may differ from others in a score's last bit.
	Shard int
}

func (e *export) asked() asked {
	return asked{e.Model.Method, e.Model.Spec.Evaluate.Asked(), e.Top, e.Explain, e.Shard}
}

func (e *export) inputs() []string {
	return []string{e.Model.Examples.Digest, e.Model.Student.Digest}
}

// table is the stage that makes all recommendations.
func (e *export) table(ctx workflow.Context) (storage.Ref, error) {
	return e.stages.run(ctx, stage{
		name: exportStage, label: exportStage, version: exportVersion, settings: e.asked(), inputs: e.inputs(),
		do: func(ctx workflow.Context, _ *StageStatus) (found activities.Found, err error) {
			var plan activities.ExportPlan
			if err := workflow.ExecuteActivity(work(ctx, QueueCPU, "plan"), acts.ExportPlan, e.ExportInput.ExportInput).Get(ctx, &plan); err != nil {
				return found, err
			}
			merge := activities.ExportMergeInput{ExportInput: e.ExportInput.ExportInput, Users: plan.Users}
			if merge.Parts, err = e.shards(ctx, plan.Users); err != nil {
				return found, err
			}
			err = workflow.ExecuteActivity(work(ctx, QueueCPU, "merge"), acts.ExportMerge, merge).Get(ctx, &found.Output)
			return found, err
		},
	})
}

// shards has the users' shards worked at and returns their parts in order.
func (e *export) shards(ctx workflow.Context, users int) ([]storage.Ref, error) {
	size := e.size(users)
	parts := make([]storage.Ref, (users+size-1)/size)
	err := share(ctx, len(parts), cmp.Or(e.Parallel, shardsAtOnce), func(ctx workflow.Context, i int) error {
		part, err := e.shard(ctx, i*size, min((i+1)*size, users), users)
		parts[i] = part
		return err
	})
	return parts, err
}

// size is how many users a shard has.
func (e *export) size(users int) int {
	if e.Shard > 0 {
		return e.Shard
	}
	size := exportUsers
	if e.Explain {
		size = explainUsers
	}
	return max(size, (users+exportShards-1)/exportShards)
}

func (e *export) shard(ctx workflow.Context, from, to, users int) (storage.Ref, error) {
	in := activities.ExportShardInput{ExportInput: e.ExportInput.ExportInput, From: from, To: to}
	return e.stages.run(ctx, stage{
		name: "export-shard", label: fmt.Sprintf("users %d to %d of %d", from+1, to, users), version: exportVersion,
		settings: struct {
			asked
			From, To int
		}{e.asked(), from, to},
		inputs: e.inputs(), queue: QueueGPU, activity: acts.ExportShard, arg: func(string) any { return in },
	})
}

// format is the stage that writes a table otherwise.
func (e *export) format(ctx workflow.Context, table storage.Ref) (storage.Ref, error) {
	in := activities.ExportFormatInput{Table: table, Format: e.Format}
	return e.stages.run(ctx, stage{
		name: "export-format", label: e.Format, version: exportVersion, settings: e.Format, inputs: []string{table.Digest},
		queue: QueueCPU, activity: acts.ExportFormat, arg: func(string) any { return in },
	})
}

// Advise recommends to one user. It runs on the CPU queue: a single answer is small, and must not wait for a training to end.
func Advise(ctx workflow.Context, in activities.AdviseInput) (out activities.Advice, err error) {
	err = workflow.ExecuteActivity(work(ctx, QueueCPU, "recommend to a user"), acts.Advise, in).Get(ctx, &out)
	return out, err
}
