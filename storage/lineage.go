package storage

import (
	"context"
	"encoding/json"
	"path"
	"strings"
)

// lineage is what the records under runs/ and nightly/ say: which artifacts each run found or made,
// and which a promotion needs.
type lineage struct {
	// refs are the artifacts of each run, a run being WORKFLOW/RUN. A run that failed has those of
	// the stages that it finished.
	refs map[string][]Ref
	// unreadable says of each record that is no JSON what is wrong with it.
	unreadable map[string]string
}

// lineage reads the records of all runs, nights and promotions. Those of nights and promotions
// stand under their keys without ".json".
func (b *Bucket) lineage(ctx context.Context) (lineage, error) {
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
	return l, l.collectNightlyRefs(ctx, b)
}

// runOf says whose record a key under runs/ is; ok is false for a run's other files.
func runOf(key string) (run string, ok bool) {
	dir, name := path.Split(strings.TrimPrefix(key, runPrefix))
	dir = strings.TrimSuffix(dir, "/")
	if name == RunRecord {
		return dir, true
	}
	folder, last := path.Split(dir)
	return strings.TrimSuffix(folder, "/"), last == lineageFolder && path.Ext(name) == ".json"
}

// refsIn finds every [Ref] in a JSON document, whatever its form: other packages decide what their
// records look like.
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
				refs = append(refs, Ref{digest, int64(size)})
			}
			for _, element := range v {
				walk(element)
			}
		}
	}
	walk(value)
	return refs, nil
}
