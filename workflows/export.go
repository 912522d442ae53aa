package workflows

import (
	"cmp"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// ExportInput names the model to export, the content of the table and its format.
type ExportInput struct {
	activities.ExportInput
	// Format is one of [activities.ExportFormats].
	Format string `json:"format"`
	// Spreadsheet quotes cells of CSV that a spreadsheet would run.
	Spreadsheet bool `json:"spreadsheet,omitzero"`
	// UsersPerShard is the number of users in a shard; 0 means 512, or 64 with explanations, and
	// more where that would give more than 256 shards. Parallel is the number of shards that run at
	// the same time; 0 means 16.
	UsersPerShard int `json:"users_per_shard"`
	Parallel      int `json:"parallel"`
}

// ExportResult is the result of [Export].
type ExportResult struct {
	// Table is an artifact with all recommendations as JSON lines, Formatted one in the requested
	// format.
	Table     storage.Ref `json:"table"`
	Formatted storage.Ref `json:"formatted"`
	// File names the table in Formatted.
	File string `json:"file"`
}

const (
	exportStage                 = "export"
	defaultUsersPerShard        = 512
	defaultUsersPerExplainShard = 64
	maxExportShards             = 256
)

// Export recommends to every user of a model. The users are split into shards for the workers that
// poll the GPU queue; each shard is a stage, so finished shards are reused. Then the shards are
// merged in the order of the users, published for serving, and converted to the requested format.
func Export(ctx workflow.Context, in ExportInput) (result ExportResult, err error) {
	ctx, stages, err := trackStages(ctx, "")
	if err != nil {
		return ExportResult{}, err
	}
	defer func() { err = stages.end(ctx, err) }()
	e := &export{in, stages}
	result.File = activities.ExportFile(in.Format)
	if result.Table, err = e.table(ctx); err != nil {
		return ExportResult{}, err
	}
	publish := activities.PublishExportInput{ExportInput: in.ExportInput, Table: result.Table}
	if err := execute(bookkeepingOptions(ctx, "publish"), stub.PublishExport, publish, nil); err != nil {
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
	stages *stageTracker
}

// exportSettings are the settings that decide the recommendations.
type exportSettings struct {
	Method   string        `json:"method"`
	Evaluate spec.Evaluate `json:"evaluate"`
	Top      int           `json:"top"`
	Explain  bool          `json:"explain"`
	// UsersPerShard is one of them because users who are decoded together may differ from others in
	// the last bit of a score.
	UsersPerShard int `json:"users_per_shard"`
}

func (e *export) settings() exportSettings {
	return exportSettings{e.Model.Method, e.Model.Spec.Evaluate.ForPredictions(), e.Top, e.Explain, e.UsersPerShard}
}

func (e *export) inputs() []string {
	return []string{e.Model.Preprocessed.Digest, e.Model.Student.Digest}
}

// table is the stage that makes all recommendations.
func (e *export) table(ctx workflow.Context) (storage.Ref, error) {
	return e.stages.run(ctx, stage{
		name: exportStage, label: exportStage, settings: e.settings(), inputs: e.inputs(),
		run: func(ctx workflow.Context, _ *StageStatus) (found activities.StageResult, err error) {
			var plan activities.ExportPlan
			in := e.ExportInput.ExportInput
			if err := execute(stageOptions(ctx, QueueCPU, "plan"), stub.PlanExport, in, &plan); err != nil {
				return found, err
			}
			merge := activities.MergeExportInput{
				ExportInput: e.ExportInput.ExportInput, Users: plan.Users, Items: plan.Items,
			}
			if merge.Shards, err = e.shards(ctx, plan.Users); err != nil {
				return found, err
			}
			err = execute(stageOptions(ctx, QueueCPU, "merge"), stub.MergeExport, merge, &found.Output)
			return found, err
		},
	})
}

// shards exports the users in shards and returns the shards in order.
func (e *export) shards(ctx workflow.Context, users int) ([]storage.Ref, error) {
	size := e.usersPerShard(users)
	shards := make([]storage.Ref, (users+size-1)/size)
	err := parallel(ctx, len(shards), cmp.Or(e.Parallel, defaultParallel), func(ctx workflow.Context, i int) error {
		shard, err := e.shard(ctx, i*size, min((i+1)*size, users), users)
		shards[i] = shard
		return err
	})
	return shards, err
}

// usersPerShard returns the number of users in a shard.
func (e *export) usersPerShard(users int) int {
	if e.UsersPerShard > 0 {
		return e.UsersPerShard
	}
	size := defaultUsersPerShard
	if e.Explain {
		size = defaultUsersPerExplainShard
	}
	return max(size, (users+maxExportShards-1)/maxExportShards)
}

func (e *export) shard(ctx workflow.Context, from, to, users int) (storage.Ref, error) {
	in := activities.ExportShardInput{ExportInput: e.ExportInput.ExportInput, From: from, To: to}
	return e.stages.run(ctx, stage{
		name: "export-shard", label: fmt.Sprintf("users %d to %d of %d", from+1, to, users),
		settings: struct {
			exportSettings
			From int `json:"from"`
			To   int `json:"to"`
		}{e.settings(), from, to},
		inputs: e.inputs(), queue: QueueGPU, activity: stub.ExportShard, arg: func(string) any { return in },
	})
}

// format is the stage that converts a table to the requested format.
func (e *export) format(ctx workflow.Context, table storage.Ref) (storage.Ref, error) {
	in := activities.FormatExportInput{Table: table, Format: e.Format, Spreadsheet: e.Spreadsheet}
	settings := e.Format
	if e.Spreadsheet {
		settings += " for spreadsheets"
	}
	return e.stages.run(ctx, stage{
		name: "export-format", label: e.Format, settings: settings,
		inputs: []string{table.Digest},
		queue:  QueueCPU, activity: stub.FormatExport, arg: func(string) any { return in },
	})
}

// Recommend recommends to one user. It runs on the CPU queue: a single recommendation is small, and
// must not wait for a training to end.
func Recommend(ctx workflow.Context, in activities.RecommendInput) (err error) {
	defer func() { err = workflowError(err) }()
	err = execute(stageOptions(ctx, QueueCPU, "recommend to a user"), stub.Recommend, in, nil)
	return err
}
