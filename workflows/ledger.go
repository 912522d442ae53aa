package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/storage"
)

// State is how far a stage is.
type State string

// The states of a stage.
const (
	Running  State = "running"
	Finished State = "done"
	Cached   State = "cached"
	Failed   State = "failed"
)

// StageStatus is one line of the query [QueryStages].
type StageStatus struct {
	Name        string      `json:"name"`
	State       State       `json:"state"`
	Seconds     float64     `json:"seconds"`
	Fingerprint string      `json:"fingerprint"`
	Output      storage.Ref `json:"output"`
	Note        string      `json:"note,omitempty"`
	// Progress is what the workflow itself knows of a running stage; the heartbeats of its activities come on top.
	Progress *activities.Progress `json:"progress,omitempty"`
	// Figures are what else is known of the work, see [storage.Done].
	Figures map[string]float64 `json:"figures,omitempty"`
}

// QueryStages is the query that every workflow here answers with its []StageStatus.
const QueryStages = "stages"

// ledger keeps a workflow's stages for people: the query, and the details that the Web UI shows.
type ledger struct {
	entries []*StageStatus
	// fresh is the run's [Fresh] nonce.
	fresh string
}

// open answers the query of a workflow with its ledger.
func open(ctx workflow.Context, fresh string) (*ledger, error) {
	l := &ledger{fresh: fresh}
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryStages, l.list, workflow.QueryHandlerOptions{
		Description: "the stages so far, with their states and results",
	})
	return l, err
}

func (l *ledger) list() ([]StageStatus, error) {
	stages := make([]StageStatus, 0, len(l.entries))
	for _, e := range l.entries {
		stages = append(stages, *e)
	}
	return stages, nil
}

func (l *ledger) begin(ctx workflow.Context, s stage, fingerprint string) *StageStatus {
	entry := &StageStatus{Name: s.label, State: Running, Fingerprint: fingerprint}
	l.entries = append(l.entries, entry)
	l.publish(ctx)
	showStage(ctx, s.name)
	return entry
}

// StageAttribute is the search attribute that says what a workflow does now.
func StageAttribute() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword("RdrecStage")
}

// showStage sets the search attribute. Runs that began before it was set go on without it.
func showStage(ctx workflow.Context, name string) {
	if workflow.GetVersion(ctx, "stage-attribute", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, StageAttribute().ValueSet(name)); err != nil {
		workflow.GetLogger(ctx).Warn("the stage's search attribute was not set", "error", err)
	}
}

// end closes an entry and returns err as it is: Temporal would make an error of its own out of a wrapped one, and hide its type.
func (l *ledger) end(ctx workflow.Context, entry *StageStatus, state State, found activities.Found, err error) error {
	entry.State, entry.Seconds, entry.Output, entry.Figures, entry.Progress = state, found.Seconds, found.Output, found.Figures, nil
	if err != nil {
		entry.Note = err.Error()
	}
	l.publish(ctx)
	return err
}

// times is what the report says of each stage.
func (l *ledger) times() []activities.StageTime {
	times := make([]activities.StageTime, 0, len(l.entries))
	for _, e := range l.entries {
		times = append(times, activities.StageTime{
			Name: e.Name, Cached: e.State == Cached, Seconds: e.Seconds, Fingerprint: e.Fingerprint, Output: e.Output, Figures: e.Figures,
		})
	}
	return times
}

// publish writes the stages as a Markdown table into the workflow's details.
func (l *ledger) publish(ctx workflow.Context) {
	var table strings.Builder
	table.WriteString("| stage | state | seconds | artefact |\n| --- | --- | ---: | --- |\n")
	for _, e := range l.entries {
		artefact := ""
		if !e.Output.IsZero() {
			artefact = "`" + e.Output.Digest[:12] + "`"
		}
		fmt.Fprintf(&table, "| %s | %s | %.1f | %s |\n", e.Name, e.State, e.Seconds, artefact)
	}
	workflow.SetCurrentDetails(ctx, table.String())
}
