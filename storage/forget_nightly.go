package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// retired reports whether a key is a record of a nightly name that is retired.
func (f *forgetting) retired(key string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(key, nightlyPrefix), "/")
	return slices.Contains(f.options.Retire, name)
}

// eachNightlyRef visits the references of the nightly records that are retired, or of the others.
func (f *forgetting) eachNightlyRef(ctx context.Context, retired bool, visit func(key string, ref Ref) error) error {
	return f.scan(ctx, nightlyPrefix, func(o object) error {
		if f.retired(o.key) != retired || path.Ext(o.key) != ".json" {
			return nil
		}
		data, err := f.read(ctx, o.key)
		if err != nil {
			return err
		}
		refs, err := refsIn(data)
		if err != nil {
			return &CorruptError{o.key, err.Error()}
		}
		for _, ref := range refs {
			if err := visit(o.key, ref); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkNightly returns an error if a nightly name that stays refers to what would be removed: its
// next run and the served model need it.
func (f *forgetting) checkNightly(ctx context.Context) error {
	return f.eachNightlyRef(ctx, false, func(key string, ref Ref) error {
		digests, named, err := f.contentsOf(ctx, ref)
		if err != nil {
			return err
		}
		if named || f.removed[ref.Digest] {
			name, _, _ := strings.Cut(strings.TrimPrefix(key, nightlyPrefix), "/")
			return fmt.Errorf("%w: %s refers to data of the user: remove the user from the source, retrain under "+
				"another name, and retire %q", ErrInUse, key, name)
		}
		for _, digest := range digests {
			f.kept[digest] = true
		}
		return nil
	})
}

// retireNames removes the records of nightly names.
func (f *forgetting) retireNames(ctx context.Context) error {
	for _, name := range f.options.Retire {
		keys, err := f.list(ctx, nightlyPrefix+name+"/")
		if err == nil && len(keys) == 0 {
			err = fmt.Errorf("retire %q: no such nightly name: %w", name, ErrNotFound)
		}
		if err != nil {
			return err
		}
		for _, key := range keys {
			f.keys[key] = true
		}
	}
	return nil
}

// retireReviews removes what only the retired names refer to.
func (f *forgetting) retireReviews(ctx context.Context) error {
	return f.eachNightlyRef(ctx, true, func(_ string, ref Ref) error {
		digests, _, err := f.contentsOf(ctx, ref)
		for _, digest := range digests {
			if !f.kept[digest] {
				f.removed[digest] = true
			}
		}
		return err
	})
}

// findLeft lists the objects of others that name the user.
func (f *forgetting) findLeft(ctx context.Context) error {
	own := []string{
		identityKey, probePrefix, requestPrefix, forgottenPrefix, casPrefix, stagePrefix, rationalePrefix,
		checkpointPrefix, runPrefix, nightlyPrefix, exportPrefix, quarantinePrefix,
	}
	return f.scan(ctx, "", func(o object) error {
		if slices.ContainsFunc(own, func(prefix string) bool { return strings.HasPrefix(o.key, prefix) }) {
			return nil
		}
		data, err := f.read(ctx, o.key)
		if err == nil && f.names(data) {
			f.record.Left = append(f.record.Left, o.key)
		}
		return err
	})
}

// UserKeys returns the digests of the keys of pseudonyms, and how many imports used each.
func (b *Bucket) UserKeys(ctx context.Context) (map[string]int, error) {
	keys := map[string]int{}
	err := b.scan(ctx, stagePrefix+importStage+"/", func(o object) error {
		data, err := b.read(ctx, o.key)
		if err != nil || path.Ext(o.key) != ".json" {
			return err
		}
		var record StageRecord
		var settings struct {
			UserKey string `json:"user_key"`
		}
		if err := json.Unmarshal(data, &record); err != nil {
			return &CorruptError{o.key, err.Error()}
		}
		if record.Settings == "" {
			return nil // an older record
		}
		if err := json.Unmarshal([]byte(record.Settings), &settings); err != nil {
			return &CorruptError{o.key, "settings: " + err.Error()}
		}
		if settings.UserKey != "" {
			keys[settings.UserKey]++
		}
		return nil
	})
	return keys, err
}
