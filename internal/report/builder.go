package report

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// Run is what is known about a run before the outputs of its stages are read.
type Run struct {
	// ID is the workflow's id and the run's id: "ID/RUN".
	ID   string
	Made time.Time
	Spec spec.Spec
	// Dataset is the preprocessed dataset, DataDigest the digest of its source, and Import counts
	// its raw reviews; nil for a dataset folder.
	Dataset    *dataset.Dataset
	DataDigest string
	Indexing   Indexing
	Import     *dataset.ImportSummary
	Stages     []Stage
	Artifacts  []Pair
	// Build is the versions of the program and its libraries.
	Build map[string]string
	// Nightly is what a nightly run did with the new model, in sentences.
	Nightly []string
	// Progress is how far a running run is; empty for a finished one.
	Progress string
}

// Builder assembles a [Report] from the outputs of a run's stages. They are added one at a time, so
// that no more than one file of predictions is in memory. The students' predictions come before
// those of the baselines.
type Builder struct {
	run    Run
	report Report
	strict bool
	tables map[task.Task]*Table
	// heldOut is the protocol's switch; explained is the explanations of the last student.
	heldOut   bool
	explained []prediction.Text
}

// NewBuilder returns a builder with everything that is known before the outputs are read. It fails
// if the spec is invalid.
func NewBuilder(run Run) (*Builder, error) {
	protocol, err := run.Spec.Resolve()
	if err != nil {
		return nil, err
	}
	yaml, err := run.Spec.YAML()
	if err != nil {
		return nil, err
	}
	s, found := run.Spec, audit.Run(run.Dataset, run.Spec.Seed)
	b := &Builder{run: run, strict: protocol.Constrained, heldOut: protocol.HeldOut, tables: map[task.Task]*Table{}}
	b.report = Report{
		Name: s.Name, Run: run.ID, Made: run.Made, Protocol: s.Protocol, Switches: s.ChangedSwitches(),
		Methods: s.Methods, Seed: s.Seed, Trials: s.Trials, Spec: string(yaml), Data: sourceOf(run), Audit: &found,
		Stages: run.Stages, Artifacts: run.Artifacts, Build: sortedPairs(run.Build), Nightly: run.Nightly,
		Conventions: conventions(run, b.strict),
	}
	return b, nil
}

// sourceOf describes the origin of the data, what the import kept of it, and the item indexing.
func sourceOf(run Run) Data {
	d := Data{
		Name: run.Spec.Name, Source: run.Spec.Data.Folder, Digest: run.DataDigest,
		Sequences: run.Dataset.SequenceDigest(), Indexing: run.Indexing, Stats: run.Dataset.Stats(),
	}
	if run.Spec.Data.Reviews != nil {
		d.Source = run.Spec.Data.Reviews.Path
	}
	if n := run.Import; n != nil {
		d.Rows, d.Bad, d.Duplicates, d.Filtered = n.Rows, n.Bad, n.Duplicates, n.Filtered
		d.Sources, d.PassedOver, d.Replaced, d.OddTimes = n.Sources, n.PassedOver, n.Replaced, n.OddTimes
		d.Language, d.Texts, d.Explained = n.Language, n.Texts, n.Explanations
		for _, cause := range slices.Sorted(maps.Keys(n.Unexplained)) {
			d.Unexplained = append(d.Unexplained, Pair{Name: cause, Value: thousands(n.Unexplained[cause])})
		}
		if run.Spec.Data.Reviews.Metadata != "" {
			d.Untitled = n.Items - n.Titles
		}
	}
	return d
}

// Report returns the report with its comparisons, its verdict and its caveats. Call it last.
func (b *Builder) Report() Report {
	for _, t := range []task.Task{task.Sequential, task.TopN} {
		if table := b.tables[t]; table != nil {
			table.Compare(b.run.Spec.Seed)
			b.report.Tables = append(b.report.Tables, *table)
		}
	}
	b.report.compareTexts()
	if len(b.report.Explanations) > 0 {
		b.report.RepeatedTexts = b.repeatedTexts()
	}
	b.report.ComparePublished()
	b.report.Conclude()
	if b.run.Progress != "" {
		b.report.Verdict = unfinished(b.run.Progress)
	}
	return b.report
}

// sortedPairs returns a map as pairs in alphabetical order.
func sortedPairs(m map[string]string) []Pair {
	list := make([]Pair, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, Pair{Name: name, Value: m[name]})
	}
	return list
}

// table returns the table of a task, and makes it if there is none.
func (b *Builder) table(t task.Task) *Table {
	if b.tables[t] != nil {
		return b.tables[t]
	}
	table := &Table{Task: "sequential", Setting: "the next item of each user among all items", Strict: b.strict}
	if t == task.TopN {
		negatives := b.report.Data.Stats.Negatives
		table.Task, table.Candidates = "top-N", 1+negatives
		table.Setting = fmt.Sprintf("the next item of each user among it and %d unseen ones", negatives)
	}
	b.tables[t] = table
	return table
}
