package storage

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Usage is what the runs of a name refer to.
type Usage struct {
	// Name is what the ids of the runs have in common: the spec's name, for an experiment.
	Name string `json:"name"`
	// Runs counts workflows, Expired those of them that a collection removes.
	Runs    int `json:"runs"`
	Expired int `json:"expired"`
	// Bytes is the size of the content that the runs refer to. Content of several names counts for
	// each of them.
	Bytes int64 `json:"bytes"`
}

// retention decides which runs a collection follows.
type retention struct {
	// newest is when the last object of a workflow, without the part of its id that names a child,
	// was written.
	newest map[string]time.Time
	// expired are the workflows whose runs are removed.
	expired map[string]bool
	// content are the content keys of each name, with their sizes.
	content map[string]map[string]int64
}

// retain finds the workflows whose runs are removed: those that no policy keeps, without an object
// written at or after the age limit.
func (b *Bucket) retain(ctx context.Context, c CollectOptions) (*retention, error) {
	r := &retention{
		newest: map[string]time.Time{}, expired: map[string]bool{}, content: map[string]map[string]int64{},
	}
	err := b.scan(ctx, runPrefix, func(o object) error {
		owner := ownerOf(strings.TrimPrefix(o.key, runPrefix))
		if o.written.After(r.newest[owner]) {
			r.newest[owner] = o.written
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	for name, owners := range r.byName() {
		policy := c.Retention.of(name)
		for n, owner := range owners {
			written := r.newest[owner]
			r.expired[owner] = !policy.remains(n, written, c.Now) && written.Before(c.Before)
		}
	}
	return r, nil
}

// byName returns the workflows of each name, the newest first.
func (r *retention) byName() map[string][]string {
	names := map[string][]string{}
	for owner := range r.newest {
		names[nameOf(owner)] = append(names[nameOf(owner)], owner)
	}
	for _, owners := range names {
		slices.SortFunc(owners, func(a, b string) int {
			return cmp.Or(r.newest[b].Compare(r.newest[a]), strings.Compare(a, b))
		})
	}
	return names
}

// ownerOf returns the workflow that a person or a schedule started, by a run's name or a key below
// runs/.
func ownerOf(run string) string {
	owner, _, _ := strings.Cut(run, "/")
	return owner
}

// uniquePattern matches the part of a workflow's id that differs between runs of one name: the hash
// of a spec, or the time at which a schedule started it.
var uniquePattern = regexp.MustCompile(`-([0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$`)

func nameOf(owner string) string { return uniquePattern.ReplaceAllString(owner, "") }

// removes reports whether the run of a lineage is removed.
func (r *retention) removes(run string) bool {
	return !strings.HasPrefix(run, nightlyPrefix) && r.expired[ownerOf(run)]
}

// addContent counts the content that a run refers to for its name.
func (r *retention) addContent(run string, content map[string]int64) {
	if strings.HasPrefix(run, nightlyPrefix) {
		return // it is in the run's own lineage, too
	}
	name := nameOf(ownerOf(run))
	if r.content[name] == nil {
		r.content[name] = map[string]int64{}
	}
	maps.Copy(r.content[name], content)
}

// usage returns what each name holds, the largest first.
func (r *retention) usage() []Usage {
	names := r.byName()
	all := make([]Usage, 0, len(names))
	for name, owners := range names {
		u := Usage{Name: name, Runs: len(owners)}
		for _, owner := range owners {
			if r.expired[owner] {
				u.Expired++
			}
		}
		for _, size := range r.content[name] {
			u.Bytes += size
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Name, b.Name))
	})
	return all
}
