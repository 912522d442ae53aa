package storage

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"rdrec/internal/untrusted"
)

// ErrInUse means that a nightly name still needs data of the user who is to be forgotten.
var ErrInUse = errors.New("in use")

// ForgetOptions name a user.
type ForgetOptions struct {
	// Users are the ids by which data sets may know the user: the shop's, and its pseudonym.
	Users []string
	// Retire are nightly names whose records and reviews are removed.
	Retire []string
	// Texts returns what the user wrote in a dataset artifact.
	Texts func(ctx context.Context, dataset Ref) ([]string, error)
	// Now is the time of the record.
	Now time.Time
}

// ForgetRecord is what [Bucket.Forget] removed. It does not name the user.
type ForgetRecord struct {
	Time time.Time `json:"time"`
	// Removed are the digests of removed content, Keys the keys of other removed objects.
	Removed []string `json:"removed"`
	Keys    []string `json:"keys"`
	// Rationales is the number of removed rows of teachers.
	Rationales int `json:"rationales"`
	// Models are the stages whose models were trained on data with the user. They remain.
	Models []SeenBy `json:"models"`
	// Left are the keys of the shop's own files, such as those of an inbox, that name the user.
	// They remain.
	Left []string `json:"left,omitempty"`
}

// SeenBy is a model that was trained on data with a forgotten user.
type SeenBy struct {
	Stage    string `json:"stage"`
	Label    string `json:"label"`
	Workflow string `json:"workflow"`
	Run      string `json:"run"`
	Model    Ref    `json:"model"`
}

// The stages that Forget treats apart: imports make datasets, and models contain no rows.
const (
	importStage = "import"
	modelStage  = "pretrain"
)

// Forget removes every dataset with the user, everything that stages made of them except models,
// the rationales of what the user wrote, and reports and logs that name the user. The record is
// written first, so that a killed Forget is repeated with the same result.
func (b *Bucket) Forget(ctx context.Context, o ForgetOptions) (ForgetRecord, error) {
	f := &forgetting{
		Bucket: b, options: o, named: map[string]bool{}, removed: map[string]bool{}, kept: map[string]bool{},
		keys: map[string]bool{}, texts: map[string]bool{}, parts: map[string][]byte{},
		record: ForgetRecord{Time: o.Now.UTC()},
	}
	for _, step := range []func(context.Context) error{
		f.retireNames, f.findContent, f.readStages, f.followStages, f.checkNightly, f.retireReviews, f.findRows,
		f.findKeys, f.findLeft,
	} {
		if err := step(ctx); err != nil {
			return ForgetRecord{}, err
		}
	}
	return f.apply(ctx)
}

// forgetting is a running [Bucket.Forget].
type forgetting struct {
	*Bucket
	options ForgetOptions
	record  ForgetRecord
	stages  map[string]StageRecord
	// named are the digests of content that names the user; removed are those to remove, kept those
	// that remaining artifacts need.
	named, removed, kept map[string]bool
	// keys are other objects to remove, texts what the user wrote, parts the rewritten parts of
	// rationales.
	keys  map[string]bool
	texts map[string]bool
	parts map[string][]byte
}

// names reports whether data, which may be packed with gzip, has an id of the user as a whole word.
func (f *forgetting) names(data []byte) bool {
	if unpacked, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		if plain, err := io.ReadAll(io.LimitReader(unpacked, untrusted.MaxObject)); err == nil {
			data = plain
		}
	}
	return slices.ContainsFunc(f.options.Users, func(user string) bool { return hasWord(data, user) })
}

// hasWord reports whether data has a word.
func hasWord(data []byte, word string) bool {
	for at := 0; ; {
		i := bytes.Index(data[at:], []byte(word))
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(word)
		if (start == 0 || !isWord(data[start-1])) && (end == len(data) || !isWord(data[end])) {
			return true
		}
		at = start + 1
	}
}

// isWord reports whether a byte continues an id.
func isWord(c byte) bool {
	return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// eachNamed visits the objects under a prefix that name the user.
func (f *forgetting) eachNamed(ctx context.Context, prefix string, visit func(key string)) error {
	return f.scan(ctx, prefix, func(o object) error {
		data, err := f.read(ctx, o.key)
		if err == nil && f.names(data) {
			visit(o.key)
		}
		return err
	})
}

func (f *forgetting) findContent(ctx context.Context) error {
	return f.eachNamed(ctx, casPrefix, func(key string) { f.named[path.Base(key)] = true })
}

// readStages reads the records of all stages by their keys.
func (f *forgetting) readStages(ctx context.Context) error {
	f.stages = map[string]StageRecord{}
	return f.scan(ctx, stagePrefix, func(o object) error {
		data, err := f.read(ctx, o.key)
		if err != nil || path.Ext(o.key) != ".json" {
			return err
		}
		var record StageRecord
		if err := json.Unmarshal(data, &record); err != nil {
			return &CorruptError{o.key, err.Error()}
		}
		f.stages[o.key] = record
		return nil
	})
}

// contentsOf returns the digests of an artifact and its files, and whether one names the user; none
// for an artifact that is gone.
func (f *forgetting) contentsOf(ctx context.Context, ref Ref) (digests []string, named bool, err error) {
	artifact, err := f.Artifact(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return nil, false, nil
	}
	digests = []string{ref.Digest}
	for _, file := range artifact.Files {
		digests = append(digests, file.Digest)
		named = named || f.named[file.Digest]
	}
	return digests, named, err
}

// followStages decides which stages' outputs are removed: those that name the user, and those made
// of them.
func (f *forgetting) followStages(ctx context.Context) error {
	affected, contents := map[string]bool{}, map[string][]string{}
	for key, record := range f.stages {
		digests, named, err := f.contentsOf(ctx, record.Output)
		if err != nil {
			return err
		}
		contents[key] = digests
		if named {
			affected[record.Output.Digest] = true
		}
	}
	f.addMade(affected)
	for _, key := range slices.Sorted(maps.Keys(f.stages)) {
		if err := f.sortStage(ctx, key, contents[key], affected); err != nil {
			return err
		}
	}
	maps.DeleteFunc(f.removed, func(digest string, _ bool) bool { return f.kept[digest] })
	maps.Copy(f.removed, f.named)
	return nil
}

// addMade adds the outputs that were made of affected ones.
func (f *forgetting) addMade(affected map[string]bool) {
	for before := -1; before != len(affected); {
		before = len(affected)
		for _, record := range f.stages {
			if record.Stage != modelStage && madeOf(record, affected) {
				affected[record.Output.Digest] = true
			}
		}
	}
}

// madeOf reports whether a stage read one of the artifacts.
func madeOf(record StageRecord, artifacts map[string]bool) bool {
	return slices.ContainsFunc(record.Inputs, func(digest string) bool { return artifacts[digest] })
}

// sortStage adds a stage's output to what is removed or kept, and lists a model that has seen the
// user.
func (f *forgetting) sortStage(ctx context.Context, key string, contents []string, affected map[string]bool) error {
	record, to := f.stages[key], f.kept
	if affected[record.Output.Digest] {
		to = f.removed
		f.keys[key] = true
		if err := f.addTexts(ctx, record); err != nil {
			return err
		}
	} else if madeOf(record, affected) {
		f.record.Models = append(f.record.Models, SeenBy{
			record.Stage, record.Label, record.Workflow, record.Run, record.Output,
		})
	}
	for _, digest := range contents {
		to[digest] = true
	}
	return nil
}

// addTexts adds what the user wrote in a dataset.
func (f *forgetting) addTexts(ctx context.Context, record StageRecord) error {
	if record.Stage != importStage && record.Stage != "preprocess" {
		return nil
	}
	texts, err := f.options.Texts(ctx, record.Output)
	if errors.Is(err, ErrNotFound) {
		return nil // an earlier Forget was killed
	}
	for _, text := range texts {
		f.texts[text] = true
	}
	return err
}

// findRows rewrites the parts of rationales without the rows of the user's texts.
func (f *forgetting) findRows(ctx context.Context) error {
	return f.scan(ctx, rationalePrefix, func(o object) error {
		data, err := f.read(ctx, o.key)
		if err != nil || path.Ext(o.key) != ".jsonl" {
			return err
		}
		var rest bytes.Buffer
		for line := range bytes.Lines(data) {
			var row struct {
				Text string `json:"text"`
			}
			if json.Unmarshal(line, &row) == nil && f.texts[row.Text] {
				f.record.Rationales++
				continue
			}
			rest.Write(line)
		}
		if rest.Len() == len(data) {
			return nil
		}
		f.keys[o.key] = true
		if rest.Len() > 0 {
			prefix := strings.TrimSuffix(o.key, Digest(data)+".jsonl")
			f.parts[prefix+Digest(rest.Bytes())+".jsonl"] = rest.Bytes()
		}
		return nil
	})
}

// findKeys finds reports, logs, pointers to tables and set-aside objects.
func (f *forgetting) findKeys(ctx context.Context) error {
	for _, prefix := range []string{runPrefix, quarantinePrefix, requestPrefix} {
		if err := f.eachNamed(ctx, prefix, func(key string) { f.keys[key] = true }); err != nil {
			return err
		}
	}
	return f.scan(ctx, exportPrefix, func(o object) error {
		data, err := f.read(ctx, o.key)
		if err != nil {
			return err
		}
		refs, err := refsIn(data)
		if slices.ContainsFunc(refs, func(ref Ref) bool { return f.removed[ref.Digest] }) {
			f.keys[o.key] = true
		}
		return err
	})
}

// apply writes the record and the rewritten parts, then removes.
func (f *forgetting) apply(ctx context.Context) (ForgetRecord, error) {
	f.record.Removed = slices.Sorted(maps.Keys(f.removed))
	f.record.Keys = slices.Sorted(maps.Keys(f.keys))
	data, err := json.MarshalIndent(f.record, "", " ")
	if err != nil {
		return f.record, fmt.Errorf("encode what is forgotten: %w", err)
	}
	if err := f.write(ctx, forgottenKey(f.record.Time, strings.ToLower(rand.Text())), data); err != nil {
		return f.record, err
	}
	for key, part := range f.parts {
		if err := f.write(ctx, key, part); err != nil {
			return f.record, err
		}
	}
	gone := slices.Clone(f.record.Keys)
	for _, digest := range f.record.Removed {
		gone = append(gone, contentKey(digest))
	}
	return f.record, f.remove(ctx, gone...)
}

// forgotten returns the digests of all content that was removed with a user. Records of runs still
// refer to them.
func (b *Bucket) forgotten(ctx context.Context) (map[string]bool, error) {
	digests := map[string]bool{}
	err := b.scan(ctx, forgottenPrefix, func(o object) error {
		data, err := b.read(ctx, o.key)
		if err != nil {
			return err
		}
		var record ForgetRecord
		if err := json.Unmarshal(data, &record); err != nil {
			return &CorruptError{o.key, err.Error()}
		}
		for _, digest := range record.Removed {
			digests[digest] = true
		}
		return nil
	})
	return digests, err
}
