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
)

// Verified is what [Bucket.Verify] found.
type Verified struct {
	// Runs is how many runs were looked at, Objects and Bytes how much was read and hashed.
	Runs    int   `json:"runs"`
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Faults are the objects that are missing or not what they should be, by key.
	Faults []Fault `json:"faults"`
}

// Fault is an object that can't be trusted.
type Fault struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
	// Runs are all runs that refer to it, as WORKFLOW/RUN, whether they were asked for or not.
	Runs []string `json:"runs"`
}

// Verify reads and hashes everything that the runs of a workflow and of its children refer to. The run's id may follow the
// workflow's, after a slash. An empty name verifies the whole bucket, also what no run refers to: stage records, rationales,
// checkpoints.
func (b *Bucket) Verify(ctx context.Context, name string) (Verified, error) {
	line, err := b.lineage(ctx)
	if err != nil {
		return Verified{}, err
	}
	v := &verifier{
		bucket: b, users: map[string][]string{}, sizes: map[string]int64{}, faults: map[string]string{}, seen: map[string]bool{},
		artefacts: map[Ref][]Ref{},
	}
	if v.result.Runs, err = v.gather(ctx, line, name); err != nil {
		return Verified{}, err
	}
	if name != "" && v.result.Runs == 0 {
		return Verified{}, fmt.Errorf("records of run %q: %w", name, ErrNotFound)
	}
	if name == "" {
		if err := v.rest(ctx); err != nil {
			return Verified{}, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(v.sizes)) {
		if err := v.hash(ctx, key); err != nil {
			return Verified{}, err
		}
	}
	return v.report(), nil
}

// verifier is a running [Bucket.Verify].
type verifier struct {
	bucket *Bucket
	result Verified
	// users are the runs that refer to each key; sizes are the content keys to hash, with the sizes that were promised.
	users map[string][]string
	sizes map[string]int64
	// faults says of each bad key what is wrong with it; seen are the keys that were hashed.
	faults map[string]string
	seen   map[string]bool
	// artefacts are the files behind those that were opened.
	artefacts map[Ref][]Ref
}

// gather notes which runs use which objects, and chooses those of the named runs for hashing.
func (v *verifier) gather(ctx context.Context, line lineage, name string) (runs int, err error) {
	for key, reason := range line.unread {
		run, _ := runOf(key)
		if strings.HasPrefix(key, nightlyPrefix) {
			run = strings.TrimSuffix(key, ".json") // as lineage names it
		}
		if chosen(run, name) {
			v.faults[key] = "not a record: " + reason
		}
		v.users[key] = append(v.users[key], run)
	}
	for _, run := range slices.Sorted(maps.Keys(line.refs)) {
		if chosen(run, name) {
			runs++
		}
		for _, ref := range line.refs[run] {
			if err := v.use(ctx, ref, run, chosen(run, name)); err != nil {
				return runs, err
			}
		}
	}
	return runs, nil
}

// chosen says whether a run is of the named workflow or its children; an empty name means all.
func chosen(run, name string) bool {
	return name == "" || run == name || strings.HasPrefix(run, name+"/")
}

// use notes that a run refers to an artefact and its files.
func (v *verifier) use(ctx context.Context, ref Ref, run string, choose bool) error {
	files, known := v.artefacts[ref]
	if !known {
		artefact, err := v.bucket.Artefact(ctx, ref)
		var corrupt *CorruptError
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.As(err, &corrupt) {
			return err
		}
		for _, f := range artefact.Files {
			files = append(files, f.Ref)
		}
		v.artefacts[ref] = files
	}
	for _, object := range append([]Ref{ref}, files...) {
		key := contentKey(object.Digest)
		if run != "" && !slices.Contains(v.users[key], run) {
			v.users[key] = append(v.users[key], run)
		}
		if choose {
			v.sizes[key] = object.Size
		}
	}
	return nil
}

// rest chooses what no run need refer to.
func (v *verifier) rest(ctx context.Context) error {
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
	var done Done
	if err := json.Unmarshal(data, &done); err != nil || !validDigest(done.Output.Digest) {
		v.faults[o.key] = fmt.Sprintf("not a stage's record: its %d bytes name no artefact", len(data))
		return nil //nolint:nilerr // it is a finding
	}
	return v.use(ctx, done.Output, "", true)
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
		v.faults[o.key] = "not a checkpoint's manifest: " + err.Error()
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
	if v.seen[key] {
		return nil
	}
	v.seen[key] = true
	r, err := v.bucket.blob.NewReader(ctx, key, nil)
	if err = classify("read", key, err); errors.Is(err, ErrNotFound) {
		v.faults[key] = "missing"
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close() // reading only
	h := sha256.New()
	size, err := io.Copy(h, r)
	if err != nil {
		return classify("read", key, err)
	}
	v.result.Objects++
	v.result.Bytes += size
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		v.faults[key] = fmt.Sprintf("its %d bytes hash to %s", size, got)
		if promised, known := v.sizes[key]; known && promised != size {
			v.faults[key] += fmt.Sprintf("; %d bytes were written", promised)
		}
	}
	return nil
}

func (v *verifier) report() Verified {
	v.result.Faults = []Fault{}
	for _, key := range slices.Sorted(maps.Keys(v.faults)) {
		runs := v.users[key]
		slices.Sort(runs)
		v.result.Faults = append(v.result.Faults, Fault{key, v.faults[key], runs})
	}
	return v.result
}
