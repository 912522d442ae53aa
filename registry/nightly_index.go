package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"rdrec/storage"
)

// NightlyIndex is what a nightly run needs of all earlier ones under its name. It is stored, so
// that a run reads only the records that are new since the last one. It may be lost: every entry is
// made from a record or from an object of the inbox.
type NightlyIndex struct {
	// Runs and Promotions are in the order of their numbers.
	Runs       []IndexedRun       `json:"runs"`
	Promotions []IndexedPromotion `json:"promotions"`
	// Inbox are the objects of the inbox as they were hashed last.
	Inbox []storage.InboxFile `json:"inbox"`

	bucket *storage.Bucket
	name   string
	stored []byte
}

// IndexedRun is a nightly run.
type IndexedRun struct {
	Number int    `json:"number"`
	Run    string `json:"run"`
	// Rejected are the digests of the files that later runs skip unless they retry them, SetAside
	// those of the files that could not be read.
	Rejected []string `json:"rejected,omitempty"`
	SetAside []string `json:"set_aside,omitempty"`
}

// IndexedPromotion is a promotion. RolledBack are the digests of the files on which only the model
// was trained that a rollback took out of use.
type IndexedPromotion struct {
	Number     int      `json:"number"`
	RolledBack []string `json:"rolled_back,omitempty"`
}

// OpenNightlyIndex returns the index of a name with all records. ingested returns the files on
// which the model of a promotion was trained.
func OpenNightlyIndex(
	ctx context.Context, b *storage.Bucket, name string,
	ingested func(ctx context.Context, reviews storage.Ref) ([]storage.File, error),
) (*NightlyIndex, error) {
	x := &NightlyIndex{bucket: b, name: name}
	data, err := b.NightlyIndex(ctx, name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	if json.Unmarshal(data, x) != nil {
		x = &NightlyIndex{bucket: b, name: name} // damaged: it is made anew
	}
	x.stored = data
	runs, promotions, err := b.NightlyNumbers(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := x.addRuns(ctx, runs); err != nil {
		return nil, err
	}
	return x, x.addPromotions(ctx, promotions, ingested)
}

// addRuns makes the runs those of the records with the numbers.
func (x *NightlyIndex) addRuns(ctx context.Context, numbers []int) error {
	x.Runs = slices.DeleteFunc(x.Runs, func(r IndexedRun) bool { return !slices.Contains(numbers, r.Number) })
	known := map[int]bool{}
	for _, r := range x.Runs {
		known[r.Number] = true
	}
	missing := slices.DeleteFunc(slices.Clone(numbers), func(number int) bool { return known[number] })
	records, err := x.bucket.ReadNightlyRecords(ctx, x.name, missing)
	if err != nil {
		return err
	}
	for i, record := range records {
		var run NightlyRun
		if err := json.Unmarshal(record, &run); err != nil {
			return fmt.Errorf("record of nightly run %d of %q: %w: %w", missing[i], x.name, ErrCorrupt, err)
		}
		run.Number = missing[i]
		x.addRun(run)
	}
	return nil
}

// addRun adds a run, or replaces it.
func (x *NightlyIndex) addRun(run NightlyRun) {
	entry := IndexedRun{Number: run.Number, Run: run.Run}
	if run.SkipFiles {
		entry.Rejected = digestsOf(run.Ingested)
	}
	for _, bad := range run.SetAside {
		entry.SetAside = append(entry.SetAside, bad.File.Digest)
	}
	at, found := slices.BinarySearchFunc(x.Runs, run.Number, func(r IndexedRun, n int) int { return r.Number - n })
	if found {
		x.Runs[at] = entry
	} else {
		x.Runs = slices.Insert(x.Runs, at, entry)
	}
}

func digestsOf(files []storage.File) []string {
	all := make([]string, len(files))
	for i, f := range files {
		all[i] = f.Digest
	}
	return all
}

// addPromotions adds the promotions with the numbers.
func (x *NightlyIndex) addPromotions(
	ctx context.Context, numbers []int,
	ingested func(ctx context.Context, reviews storage.Ref) ([]storage.File, error),
) error {
	for _, number := range numbers {
		byNumber := func(p IndexedPromotion) bool { return p.Number == number }
		if slices.ContainsFunc(x.Promotions, byNumber) {
			continue
		}
		entry := IndexedPromotion{Number: number}
		p, err := ReadPromotion(ctx, x.bucket, x.name, number)
		if err == nil && p.Kind == Rollback && number > 1 {
			entry.RolledBack, err = x.rolledBack(ctx, p, ingested)
		}
		if err != nil {
			return err
		}
		x.Promotions = append(x.Promotions, entry)
	}
	return nil
}

// rolledBack returns the files that the promotion before a rollback had, and the rollback's has
// not.
func (x *NightlyIndex) rolledBack(
	ctx context.Context, p Promotion,
	ingested func(ctx context.Context, reviews storage.Ref) ([]storage.File, error),
) ([]string, error) {
	previous, err := ReadPromotion(ctx, x.bucket, x.name, p.Number-1)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil // it was never written: there is nothing to skip
	}
	if err != nil {
		return nil, err
	}
	bad, err := ingested(ctx, previous.Reviews)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil // collected long ago
	}
	if err != nil {
		return nil, err
	}
	good, err := ingested(ctx, p.Reviews)
	if err != nil {
		return nil, err
	}
	used := digestsOf(good)
	return slices.DeleteFunc(digestsOf(bad), func(digest string) bool { return slices.Contains(used, digest) }), nil
}

// Put stores the record of a run and returns its number. A number that another run claimed
// meanwhile stays that run's; a run that has a record already keeps its number.
func (x *NightlyIndex) Put(ctx context.Context, run NightlyRun) (number int, err error) {
	run.Number = x.freeNumber(run)
	record, err := json.MarshalIndent(run, "", " ")
	if err != nil {
		return 0, fmt.Errorf("encode nightly run %d of %q: %w", run.Number, run.Name, err)
	}
	if err := x.bucket.PutNightlyRun(ctx, run.Name, run.Number, record); err != nil {
		return 0, err
	}
	x.addRun(run)
	return run.Number, x.Store(ctx)
}

// freeNumber returns the number of run beside the recorded ones.
func (x *NightlyIndex) freeNumber(run NightlyRun) int {
	number := run.Number
	for _, other := range x.Runs {
		switch {
		case other.Run == run.Run:
			return other.Number
		case other.Number >= number:
			number = other.Number + 1
		}
	}
	return number
}

// NextRun returns the number after those of all runs.
func (x *NightlyIndex) NextRun() int {
	if len(x.Runs) == 0 {
		return 1
	}
	return x.Runs[len(x.Runs)-1].Number + 1
}

// Skipped returns the digests of the files that a run skips: those that were set aside, those that
// a rollback up to the current promotion took out of use and, unless they are retried, those of
// rejected runs.
func (x *NightlyIndex) Skipped(current int, retryRejected bool) map[string]bool {
	skip := map[string]bool{}
	add := func(digests []string) {
		for _, digest := range digests {
			skip[digest] = true
		}
	}
	for _, run := range x.Runs {
		add(run.SetAside)
		if !retryRejected {
			add(run.Rejected)
		}
	}
	for _, p := range x.Promotions {
		if p.Number <= current {
			add(p.RolledBack)
		}
	}
	return skip
}

// HashInbox returns the objects of an inbox with their hashes. Unchanged objects are not read
// again.
func (x *NightlyIndex) HashInbox(ctx context.Context, inbox string) ([]storage.File, error) {
	found, err := x.bucket.Inbox(ctx, inbox, x.Inbox)
	if err != nil {
		return nil, err
	}
	x.Inbox = found
	files := make([]storage.File, len(found))
	for i, f := range found {
		files[i] = f.File
	}
	return files, nil
}

// Store stores the index if it has changed.
func (x *NightlyIndex) Store(ctx context.Context) error {
	data, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("encode the index of nightly runs of %q: %w", x.name, err)
	}
	if slices.Equal(data, x.stored) {
		return nil
	}
	x.stored = data
	return x.bucket.PutNightlyIndex(ctx, x.name, data)
}
