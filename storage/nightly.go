package storage

import (
	"context"
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"
)

// collectNightlyRefs adds the references of the newest nightly runs and promotions of all names,
// and those of the promotion in use however old it is.
func (l *lineage) collectNightlyRefs(ctx context.Context, b *Bucket, keep Retention) error {
	records, err := l.nightlyRecordKeys(ctx, b, keep)
	if err != nil {
		return err
	}
	for _, key := range records {
		data, err := b.read(ctx, key)
		if err != nil {
			return err
		}
		refs, err := refsIn(data)
		if err != nil {
			l.unreadable[key] = err.Error()
		}
		owner := strings.TrimSuffix(key, ".json")
		l.refs[owner] = append(l.refs[owner], refs...)
	}
	return nil
}

// nightlyRecordKeys returns the keys under nightly/ whose references count.
func (l *lineage) nightlyRecordKeys(ctx context.Context, b *Bucket, keep Retention) ([]string, error) {
	keys, err := b.list(ctx, nightlyPrefix)
	if err != nil {
		return nil, err
	}
	var chosen []string
	folders := map[string][]string{}
	for _, key := range keys {
		folder, name := path.Split(key)
		switch {
		case name == currentName:
			current, _, err := b.CurrentPromotion(ctx, path.Base(folder))
			var corrupt *CorruptError
			if errors.As(err, &corrupt) || errors.Is(err, ErrNotFound) {
				l.unreadable[key] = err.Error()
				continue
			}
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, PromotionKey(path.Base(folder), current))
		case name == watermarkName, name == indexName: // keep nothing
		case path.Ext(name) == ".json":
			folders[folder] = append(folders[folder], key) // in order of their numbers, which are padded
		}
	}
	for folder, records := range folders {
		last := keep.of(path.Base(path.Dir(path.Clean(folder)))).KeepPromotions
		chosen = append(chosen, records[max(0, len(records)-last):]...)
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

// PutNightlyRun stores the record of a nightly run. The caller defines its structure; garbage
// collection follows any [Ref] in it.
func (b *Bucket) PutNightlyRun(ctx context.Context, name string, number int, record []byte) error {
	return b.write(ctx, nightlyRunKey(name, number), record)
}

// PutNightlyPage stores the page of a name's nightly runs under [NightlyPageKey].
func (b *Bucket) PutNightlyPage(ctx context.Context, name string, page []byte) error {
	return b.write(ctx, NightlyPageKey(name), page)
}

// NightlyRuns returns the records of the last nightly runs of a name, oldest first, and the number
// of the newest (0 where there is none).
func (b *Bucket) NightlyRuns(ctx context.Context, name string, last int) (records [][]byte, newest int, err error) {
	keys, err := b.list(ctx, nightlyRunFolder(name))
	if err != nil {
		return nil, 0, err
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return path.Ext(key) != ".json" })
	if len(keys) == 0 {
		return nil, 0, nil
	}
	if newest, err = strconv.Atoi(strings.TrimSuffix(path.Base(keys[len(keys)-1]), ".json")); err != nil {
		return nil, 0, &CorruptError{keys[len(keys)-1], "its name is not a run number"}
	}
	records, err = b.readAll(ctx, keys[max(0, len(keys)-last):])
	return records, newest, err
}

// NightlyNumbers returns the numbers of all nightly runs and promotions of a name that have a
// record, in order.
func (b *Bucket) NightlyNumbers(ctx context.Context, name string) (runs, promotions []int, err error) {
	if runs, err = b.numbersIn(ctx, nightlyRunFolder(name)); err != nil {
		return nil, nil, err
	}
	promotions, err = b.numbersIn(ctx, promotionFolder(name))
	return runs, promotions, err
}

func (b *Bucket) numbersIn(ctx context.Context, folder string) (numbers []int, err error) {
	keys, err := b.list(ctx, folder)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if path.Ext(key) != ".json" {
			continue
		}
		number, err := strconv.Atoi(strings.TrimSuffix(path.Base(key), ".json"))
		if err != nil {
			return nil, &CorruptError{key, "its name is not a number"}
		}
		numbers = append(numbers, number)
	}
	return numbers, nil
}

// ReadNightlyRecords returns the records of nightly runs by their numbers, in that order.
func (b *Bucket) ReadNightlyRecords(ctx context.Context, name string, numbers []int) ([][]byte, error) {
	keys := make([]string, len(numbers))
	for i, number := range numbers {
		keys[i] = nightlyRunKey(name, number)
	}
	return b.readAll(ctx, keys)
}

// NightlyIndex returns the index of a name's nightly runs, or [ErrNotFound]. The caller defines it.
func (b *Bucket) NightlyIndex(ctx context.Context, name string) ([]byte, error) {
	return b.read(ctx, nightlyIndexKey(name))
}

// PutNightlyIndex stores the index of a name's nightly runs.
func (b *Bucket) PutNightlyIndex(ctx context.Context, name string, index []byte) error {
	return b.write(ctx, nightlyIndexKey(name), index)
}

// readAll returns the objects at keys, in their order.
func (b *Bucket) readAll(ctx context.Context, keys []string) ([][]byte, error) {
	all := make([][]byte, len(keys))
	err := inParallel(ctx, len(keys), func(ctx context.Context, i int) (err error) {
		all[i], err = b.read(ctx, keys[i])
		return err
	})
	return all, err
}
