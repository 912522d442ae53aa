package registry

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"rdrec/storage"
)

// Diff is the comparison of one input or artifact of two runs.
type Diff struct {
	// Name is the input's or artifact's name, such as "model rdrec/1".
	Name  string `json:"name"`
	Equal bool   `json:"equal"`
	// First and Second are the digests of the compared files; "" where a run has none.
	First  string `json:"first"`
	Second string `json:"second"`
	// Files are the names of the files that differ.
	Files []string `json:"files,omitempty"`
}

// DistillationFile is the file of an artifact of rationales that describes the distillation.
const DistillationFile = "distillation.json"

// filesWithTimings returns the files that contain durations. All others have the same bytes
// whenever they are made.
func filesWithTimings() []string { return []string{DistillationFile} }

// CompareRuns compares the inputs and the artifacts of two runs file by file, except for files with
// durations.
func CompareRuns(ctx context.Context, bucket *storage.Bucket, first, second RunRecord) ([]Diff, error) {
	rows := []Diff{
		diffInput("input: data", first.Identity.Data, second.Identity.Data),
		diffInput("input: teacher", first.Identity.Teacher, second.Identity.Teacher),
		diffInput("input: student", first.Identity.Student, second.Identity.Student),
		diffInput("input: key of the pseudonyms", first.Identity.UserKey, second.Identity.UserKey),
	}
	a, b := artifactsOf(first), artifactsOf(second)
	names := make([]string, 0, len(a)+len(b))
	for _, named := range append(a, b...) {
		names = append(names, named.name)
	}
	for _, name := range unique(names) {
		row, err := diffArtifact(ctx, bucket, name, find(a, name), find(b, name))
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", name, err)
		}
		rows = append(rows, row)
	}
	paired := rows[:0]
	for _, row := range rows {
		if row.First != "" || row.Second != "" { // else the spec has no such input
			paired = append(paired, row)
		}
	}
	return paired, nil
}

func diffInput(name, first, second string) Diff {
	return Diff{Name: name, Equal: first == second, First: first, Second: second}
}

// namedArtifact is an artifact of a run with its name.
type namedArtifact struct {
	name string
	ref  storage.Ref
}

// artifactsOf returns the artifacts of a run, in the order of the stages.
func artifactsOf(run RunRecord) []namedArtifact {
	all := []namedArtifact{
		{"dataset", run.Dataset},
		{"rationales", run.Rationales},
		{"preprocessed", run.Preprocessed},
		{"baseline", run.Baseline},
		{"sasrec", run.Sasrec},
		{"bsarec", run.Bsarec},
	}
	for _, trial := range run.Trials {
		of := fmt.Sprintf(" %s/%d", trial.Name(), trial.Seed) // an ablation has its student's method and seed
		all = append(all, namedArtifact{"model" + of, trial.Model})
		for i, evaluation := range trial.Evaluations {
			all = append(all, namedArtifact{fmt.Sprintf("evaluation %d%s", i+1, of), evaluation})
		}
		if !trial.Fusion.IsZero() {
			all = append(all, namedArtifact{"fusion" + of, trial.Fusion})
		}
	}
	if !run.Entailment.IsZero() {
		all = append(all, namedArtifact{"entailment", run.Entailment})
	}
	return all
}

func find(all []namedArtifact, name string) storage.Ref {
	for _, named := range all {
		if named.name == name {
			return named.ref
		}
	}
	return storage.Ref{}
}

// unique returns the names without repetitions, in order.
func unique(names []string) []string {
	seen := map[string]bool{}
	var result []string
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			result = append(result, name)
		}
	}
	return result
}

func diffArtifact(ctx context.Context, bucket *storage.Bucket, name string, first, second storage.Ref) (Diff, error) {
	a, err := digests(ctx, bucket, first)
	if err != nil {
		return Diff{}, err
	}
	b, err := digests(ctx, bucket, second)
	if err != nil {
		return Diff{}, err
	}
	row := Diff{Name: name, First: combinedDigest(a), Second: combinedDigest(b)}
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
	row.Equal = row.First == row.Second
	return row, nil
}

// digests returns the digests of an artifact's files by name, without the files that contain
// durations.
func digests(ctx context.Context, bucket *storage.Bucket, ref storage.Ref) (map[string]string, error) {
	if ref.IsZero() {
		return nil, nil //nolint:nilnil // no artifact, no files
	}
	artifact, err := bucket.Artifact(ctx, ref)
	if err != nil {
		return nil, err
	}
	found := make(map[string]string, len(artifact.Files))
	for _, file := range artifact.Files {
		found[file.Name] = file.Digest
	}
	for _, name := range filesWithTimings() {
		delete(found, name)
	}
	return found, nil
}

// combinedDigest returns one digest of files and their names; "" for none.
func combinedDigest(files map[string]string) string {
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
