package storage

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"
)

// lineage is the content of the records under runs/ and nightly/: the artifacts that each run found
// or made, and those that a promotion needs.
type lineage struct {
	// refs are the artifacts of each run, by WORKFLOW/RUN. A failed run has those of the stages
	// that it finished.
	refs map[string][]Ref
	// unreadable are the records that are not JSON, with the reason.
	unreadable map[string]string
}

// lineage reads the records of all runs, nightly runs and promotions, of the last two kinds as many
// as the policies keep. They have their keys without ".json" as names.
func (b *Bucket) lineage(ctx context.Context, keep Retention) (lineage, error) {
	l := lineage{map[string][]Ref{}, map[string]string{}}
	err := b.scan(ctx, runPrefix, func(o object) error {
		run, ok := runOf(o.key)
		if !ok {
			return nil
		}
		data, err := b.read(ctx, o.key)
		if err != nil {
			return err
		}
		refs, err := refsIn(data)
		if err != nil {
			l.unreadable[o.key] = err.Error()
		}
		l.refs[run] = append(l.refs[run], refs...)
		return nil
	})
	if err != nil {
		return l, err
	}
	return l, l.collectNightlyRefs(ctx, b, keep)
}

// FinishedRun is a run that has a record, and when the record was written.
type FinishedRun struct {
	Workflow, Run string
	Ended         time.Time
}

// FinishedRuns returns the newest runs that have a record, newest first.
func (b *Bucket) FinishedRuns(ctx context.Context, last int) ([]FinishedRun, error) {
	var runs []FinishedRun
	err := b.scan(ctx, runPrefix, func(o object) error {
		if run, ok := runOf(o.key); ok && path.Base(o.key) == RunRecord {
			runs = append(runs, FinishedRun{path.Dir(run), path.Base(run), o.written})
		}
		return nil
	})
	slices.SortStableFunc(runs, func(a, b FinishedRun) int { return b.Ended.Compare(a.Ended) })
	return runs[:min(last, len(runs))], err
}

// runOf returns the run whose record a key under runs/ is; ok is false for a run's other files.
func runOf(key string) (run string, ok bool) {
	dir, name := path.Split(strings.TrimPrefix(key, runPrefix))
	dir = strings.TrimSuffix(dir, "/")
	if name == RunRecord {
		return dir, true
	}
	folder, last := path.Split(dir)
	return strings.TrimSuffix(folder, "/"), last == lineageFolder && path.Ext(name) == ".json"
}

// refsIn returns every [Ref] in a JSON document of any structure: other packages define their
// records.
func refsIn(document []byte) ([]Ref, error) {
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return nil, err
	}
	var refs []Ref
	var walk func(any)
	walk = func(value any) {
		switch v := value.(type) {
		case []any:
			for _, element := range v {
				walk(element)
			}
		case map[string]any:
			digest, named := v["digest"].(string)
			size, sized := v["size"].(float64)
			if named && sized && validDigest(digest) {
				refs = append(refs, Ref{Digest: digest, Size: int64(size)})
			}
			for _, element := range v {
				walk(element)
			}
		}
	}
	walk(value)
	return refs, nil
}
