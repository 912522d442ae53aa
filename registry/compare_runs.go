package registry

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"rdrec/storage"
)

// Diff is whether two runs of a spec read or made the same bytes of one thing.
type Diff struct {
	// Name is an input's or an artifact's name, such as "model rdrec/1".
	Name  string `json:"name"`
	Equal bool   `json:"equal"`
	// First and Second are the digests of the files that were compared; "" where a run has none.
	First  string `json:"first"`
	Second string `json:"second"`
	// Files are the names of those that differ.
	Files []string `json:"files,omitempty"`
}

// DistillationFile is the file of an artifact of rationales that describes the distillation.
const DistillationFile = "distillation.json"

// filesWithTimings are the files that say how long something took; all others are the same bytes
// whenever they are made.
func filesWithTimings() []string { return []string{DistillationFile} }

// CompareRuns compares what two runs read and made, file by file but for those that hold times.
func CompareRuns(ctx context.Context, bucket *storage.Bucket, first, second RunRecord) ([]Diff, error) {
	rows := []Diff{
		diffInput("input: data", first.Identity.Data, second.Identity.Data),
		diffInput("input: teacher", first.Identity.Teacher, second.Identity.Teacher),
		diffInput("input: student", first.Identity.Student, second.Identity.Student),
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
		if row.First != "" || row.Second != "" { // an input that the spec does not have
			paired = append(paired, row)
		}
	}
	return paired, nil
}

func diffInput(name, first, second string) Diff {
	return Diff{Name: name, Equal: first == second, First: first, Second: second}
}

// namedArtifact is an artifact of a run.
type namedArtifact struct {
	name string
	ref  storage.Ref
}

// artifactsOf lists what a run made, in the order of the stages.
func artifactsOf(run RunRecord) []namedArtifact {
	all := []namedArtifact{
		{"dataset", run.Dataset},
		{"rationales", run.Rationales},
		{"preprocessed", run.Preprocessed},
		{"baseline", run.Baseline},
		{"sasrec", run.Sasrec},
	}
	for _, trial := range run.Trials {
		of := fmt.Sprintf(" %s/%d", trial.Name(), trial.Seed) // an ablation's method and seed are its student's, too
		all = append(all, namedArtifact{"model" + of, trial.Model})
		for i, evaluation := range trial.Evaluations {
			all = append(all, namedArtifact{fmt.Sprintf("evaluation %d%s", i+1, of), evaluation})
		}
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

// unique keeps the first of each name.
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

// digests are those of an artifact's files by name, without the timed ones.
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

// combinedDigest is one digest for files and their names; "" for none.
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
