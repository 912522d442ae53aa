package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"rdrec/internal/progress"
)

// VerifyResult is the result of [Bucket.Verify].
type VerifyResult struct {
	// Runs is the number of verified runs; Objects and Bytes are the amount that was read and
	// hashed.
	Runs    int   `json:"runs"`
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// BadObjects are the objects that are missing or corrupt, by key.
	BadObjects []BadObject `json:"bad_objects"`
}

// BadObject is a missing or corrupt object.
type BadObject struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
	// Runs are all runs that refer to the object, as WORKFLOW/RUN, including those that were not to
	// be verified.
	Runs []string `json:"runs"`
}

// Verify reads and hashes everything to which the runs of a workflow and of its children refer. The
// run's id may follow the workflow's, after a slash. An empty name verifies the whole bucket,
// including objects to which no run refers: stage records, rationales, checkpoints.
func (b *Bucket) Verify(ctx context.Context, name string) (VerifyResult, error) {
	line, err := b.lineage(ctx, Retention{})
	if err != nil {
		return VerifyResult{}, err
	}
	forgotten, err := b.forgotten(ctx)
	if err != nil {
		return VerifyResult{}, err
	}
	v := &verifier{
		forgotten: forgotten,
		bucket:    b, referrers: map[string][]string{}, sizes: map[string]int64{}, reasons: map[string]string{},
		hashed:    map[string]bool{},
		artifacts: map[Ref][]Ref{},
	}
	if v.result.Runs, err = v.addRuns(ctx, line, name); err != nil {
		return VerifyResult{}, err
	}
	if name != "" && v.result.Runs == 0 {
		return VerifyResult{}, fmt.Errorf("records of run %q: %w", name, ErrNotFound)
	}
	if name == "" {
		if err := v.addUnreferenced(ctx); err != nil {
			return VerifyResult{}, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(v.sizes)) {
		if err := v.hash(ctx, key); err != nil {
			return VerifyResult{}, err
		}
	}
	return v.report(), nil
}

// verifier is a running [Bucket.Verify].
type verifier struct {
	bucket *Bucket
	result VerifyResult
	// referrers are the runs that refer to each key; sizes are the content keys to hash, with their
	// recorded sizes.
	referrers map[string][]string
	sizes     map[string]int64
	// reasons are the bad keys, each with what is wrong; hashed are the keys that were hashed.
	reasons map[string]string
	hashed  map[string]bool
	// artifacts are the files of the artifacts that were read.
	artifacts map[Ref][]Ref
	// forgotten are the digests of what was removed with a user, to which runs still refer.
	forgotten map[string]bool
}

// addRuns records which runs use which objects, and selects those of the named runs for hashing.
func (v *verifier) addRuns(ctx context.Context, line lineage, name string) (runs int, err error) {
	for key, reason := range line.unreadable {
		run, _ := runOf(key)
		if strings.HasPrefix(key, nightlyPrefix) {
			run = strings.TrimSuffix(key, ".json") // as lineage names it
		}
		if matchesRun(run, name) {
			v.reasons[key] = "not a record: " + reason
		}
		v.referrers[key] = append(v.referrers[key], run)
	}
	for _, run := range slices.Sorted(maps.Keys(line.refs)) {
		if matchesRun(run, name) {
			runs++
		}
		for _, ref := range line.refs[run] {
			if err := v.addRef(ctx, ref, run, matchesRun(run, name)); err != nil {
				return runs, err
			}
		}
	}
	return runs, nil
}

// matchesRun reports whether a run is of the named workflow or of its children; an empty name means
// all.
func matchesRun(run, name string) bool {
	return name == "" || run == name || strings.HasPrefix(run, name+"/")
}

// addRef records that a run refers to an artifact and its files.
func (v *verifier) addRef(ctx context.Context, ref Ref, run string, verify bool) error {
	if v.forgotten[ref.Digest] {
		return nil
	}
	files, known := v.artifacts[ref]
	if !known {
		artifact, err := v.bucket.Artifact(ctx, ref)
		var corrupt *CorruptError
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.As(err, &corrupt) {
			return err
		}
		for _, f := range artifact.Files {
			files = append(files, f.Ref)
		}
		v.artifacts[ref] = files
	}
	for _, object := range append([]Ref{ref}, files...) {
		key := contentKey(object.Digest)
		if run != "" && !slices.Contains(v.referrers[key], run) {
			v.referrers[key] = append(v.referrers[key], run)
		}
		if verify {
			v.sizes[key] = object.Size
		}
	}
	return nil
}

// addUnreferenced selects the objects to which runs need not refer.
func (v *verifier) addUnreferenced(ctx context.Context) error {
	for prefix, visit := range map[string]func(context.Context, object) error{
		casPrefix: v.content, stagePrefix: v.stage, rationalePrefix: v.rationales, checkpointPrefix: v.checkpoint,
	} {
		if err := v.bucket.scan(ctx, prefix, func(o object) error { return visit(ctx, o) }); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) content(_ context.Context, o object) error {
	if _, known := v.sizes[o.key]; !known && validDigest(path.Base(o.key)) {
		v.sizes[o.key] = o.size
	}
	return nil
}

func (v *verifier) stage(ctx context.Context, o object) error {
	if path.Ext(o.key) != ".json" {
		return nil // the temporary file of a write that was killed
	}
	data, err := v.bucket.read(ctx, o.key)
	if err != nil {
		return err
	}
	var done StageRecord
	if err := json.Unmarshal(data, &done); err != nil || !validDigest(done.Output.Digest) {
		v.reasons[o.key] = fmt.Sprintf("not a stage's record: its %d bytes contain no artifact", len(data))
		return nil //nolint:nilerr // it is a finding
	}
	return v.addRef(ctx, done.Output, "", true)
}

func (v *verifier) rationales(ctx context.Context, o object) error {
	name, ok := strings.CutSuffix(path.Base(o.key), ".jsonl")
	digest := name[strings.LastIndex(name, "-")+1:] // a shard's parts begin with its name
	if !ok || !validDigest(digest) {
		return nil
	}
	return v.compare(ctx, o.key, digest)
}

func (v *verifier) checkpoint(ctx context.Context, o object) error {
	if path.Base(o.key) != manifestName {
		return nil
	}
	data, err := v.bucket.read(ctx, o.key)
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		v.reasons[o.key] = "not a checkpoint's manifest: " + err.Error()
		return nil //nolint:nilerr // it is a finding
	}
	for _, f := range m.Files {
		if err := v.compare(ctx, path.Dir(o.key)+"/"+f.Name, f.Digest); err != nil {
			return err
		}
	}
	return nil
}

// hash checks a content object against its name.
func (v *verifier) hash(ctx context.Context, key string) error {
	return v.compare(ctx, key, path.Base(key))
}

// compare reads the object at key and compares its hash.
func (v *verifier) compare(ctx context.Context, key, want string) error {
	if v.hashed[key] {
		return nil
	}
	v.hashed[key] = true
	r, err := v.bucket.open(ctx, key)
	if err = classify("read", key, err); errors.Is(err, ErrNotFound) {
		v.reasons[key] = "missing"
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close() // reading only
	h := sha256.New()
	size, err := io.Copy(h, progress.Reader(ctx, r))
	if err != nil {
		return classify("read", key, err)
	}
	v.result.Objects++
	v.result.Bytes += size
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		v.reasons[key] = fmt.Sprintf("its %d bytes hash to %s", size, got)
		if promised, known := v.sizes[key]; known && promised != size {
			v.reasons[key] += fmt.Sprintf("; %d bytes were written", promised)
		}
	}
	return nil
}

func (v *verifier) report() VerifyResult {
	v.result.BadObjects = []BadObject{}
	for _, key := range slices.Sorted(maps.Keys(v.reasons)) {
		runs := v.referrers[key]
		slices.Sort(runs)
		v.result.BadObjects = append(v.result.BadObjects, BadObject{key, v.reasons[key], runs})
	}
	return v.result
}
