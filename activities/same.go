package activities

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"rdrec/storage"
)

// Sameness is whether two runs of a spec read or made the same bytes of one thing.
type Sameness struct {
	// What is an input's or an artefact's name, such as "model rdrec/1".
	What string `json:"what"`
	Same bool   `json:"same"`
	// First and Second are the digests of the files that were compared; "" where a run has none.
	First  string `json:"first"`
	Second string `json:"second"`
	// Files are the names of those that differ.
	Files []string `json:"files,omitempty"`
}

// timed are the files that say how long something took; all others are the same bytes whenever they are made.
func timed() []string { return []string{"distillation.json"} }

// CompareRuns compares what two runs read and made, file by file but for those that hold times.
func CompareRuns(ctx context.Context, bucket *storage.Bucket, first, second ReportInput) ([]Sameness, error) {
	rows := []Sameness{
		sameInput("input: data", first.Identity.Data, second.Identity.Data),
		sameInput("input: teacher", first.Identity.Teacher, second.Identity.Teacher),
		sameInput("input: student", first.Identity.Student, second.Identity.Student),
	}
	a, b := artefactsOf(first), artefactsOf(second)
	names := make([]string, 0, len(a)+len(b))
	for _, named := range append(a, b...) {
		names = append(names, named.name)
	}
	for _, name := range unique(names) {
		row, err := sameArtefact(ctx, bucket, name, find(a, name), find(b, name))
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", name, err)
		}
		rows = append(rows, row)
	}
	kept := rows[:0]
	for _, row := range rows {
		if row.First != "" || row.Second != "" { // an input that the spec does not have
			kept = append(kept, row)
		}
	}
	return kept, nil
}

func sameInput(what, first, second string) Sameness {
	return Sameness{What: what, Same: first == second, First: first, Second: second}
}

// namedArtefact is an artefact of a run.
type namedArtefact struct {
	name string
	ref  storage.Ref
}

// artefactsOf lists what a run made, in the order of the stages.
func artefactsOf(run ReportInput) []namedArtefact {
	all := []namedArtefact{
		{"dataset", run.Dataset},
		{"rationales", run.Rationales},
		{"examples", run.Examples},
		{"baseline", run.Baseline},
		{"sasrec", run.Sasrec},
	}
	for _, trial := range run.Trials {
		of := fmt.Sprintf(" %s/%d", trial.Name(), trial.Seed) // an ablation's method and seed are its student's, too
		all = append(all, namedArtefact{"model" + of, trial.Model})
		for i, evaluation := range trial.Evaluations {
			all = append(all, namedArtefact{fmt.Sprintf("evaluation %d%s", i+1, of), evaluation})
		}
	}
	return all
}

func find(all []namedArtefact, name string) storage.Ref {
	for _, named := range all {
		if named.name == name {
			return named.ref
		}
	}
	return storage.Ref{}
}

// unique keeps the first of each name.
func unique(names []string) []string {
	seen := map[string]bool{}
	var kept []string
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			kept = append(kept, name)
		}
	}
	return kept
}

func sameArtefact(ctx context.Context, bucket *storage.Bucket, name string, first, second storage.Ref) (Sameness, error) {
	a, err := digests(ctx, bucket, first)
	if err != nil {
		return Sameness{}, err
	}
	b, err := digests(ctx, bucket, second)
	if err != nil {
		return Sameness{}, err
	}
	row := Sameness{What: name, First: together(a), Second: together(b)}
	for file := range a {
		if a[file] != b[file] {
			row.Files = append(row.Files, file)
		}
	}
	for file := range b {
		if _, both := a[file]; !both {
			row.Files = append(row.Files, file)
		}
	}
	sort.Strings(row.Files)
	row.Same = row.First == row.Second
	return row, nil
}

// digests are those of an artefact's files by name, without the timed ones.
func digests(ctx context.Context, bucket *storage.Bucket, ref storage.Ref) (map[string]string, error) {
	if ref.IsZero() {
		return nil, nil //nolint:nilnil // no artefact, no files
	}
	artefact, err := bucket.Artefact(ctx, ref)
	if err != nil {
		return nil, err
	}
	found := make(map[string]string, len(artefact.Files))
	for _, file := range artefact.Files {
		found[file.Name] = file.Digest
	}
	for _, name := range timed() {
		delete(found, name)
	}
	return found, nil
}

// together is one digest for files and their names; "" for none.
func together(files map[string]string) string {
	if len(files) == 0 {
		return ""
	}
	lines := make([]string, 0, len(files))
	for name, digest := range files {
		lines = append(lines, digest+" "+name+"\n")
	}
	sort.Strings(lines)
	return storage.Digest([]byte(strings.Join(lines, "")))
}
