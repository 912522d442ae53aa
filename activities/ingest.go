package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"rdrec/internal/fileset"
	"rdrec/internal/pseudonym"
	"rdrec/internal/spec"
	"rdrec/internal/untrusted"
	"rdrec/registry"
	"rdrec/storage"
)

// IngestInput names a nightly schedule's inbox.
type IngestInput struct {
	Name  string `json:"name"`
	Inbox string `json:"inbox"`
	// RetryRejected ingests the files of rejected runs again, RetryAll all files that were ever
	// skipped.
	RetryRejected bool `json:"retry_rejected"`
	RetryAll      bool `json:"retry_all"`
	// Retake names files of the inbox that were skipped or set aside, to ingest them again.
	Retake []string `json:"retake,omitempty"`
	// Reviews are the settings that the files are read with; nil sets none aside.
	Reviews *spec.Reviews `json:"reviews,omitempty"`
	// Pseudonyms replaces the user ids of the files that become reviews.
	Pseudonyms bool `json:"pseudonyms,omitempty"`
}

// IngestResult is the starting point of a nightly run.
type IngestResult struct {
	RunNumber int `json:"run_number"`
	// Promoted is the promotion in use; its number is 0 where there is none.
	Promoted registry.Promotion `json:"promoted"`
	// Reviews is an artifact of all reviews so far: those of the model in use, and Ingested.
	Reviews      storage.Ref    `json:"reviews"`
	Ingested     []storage.File `json:"ingested"`
	SkippedFiles int            `json:"skipped_files"`
	// SetAside are the new files that cannot be read.
	SetAside []registry.SetAside `json:"set_aside,omitempty"`
	// UserKey is the digest of the key of the reviews' pseudonyms; empty where ids are kept.
	UserKey string `json:"user_key,omitempty"`
}

// In an artifact of reviews, partsFolder holds the files in the order of their arrival;
// ingested.json lists where each came from.
const (
	partsFolder    = "parts"
	ingestedRecord = "ingested.json"
)

// Ingest adds the files of the inbox to the reviews of the model in use, except those that are
// among them, those to skip, and those that cannot be read, which are set aside. Files are compared
// by their hashes, so no content is ingested twice under different names. The inbox itself is not
// changed.
func (a *Activities) Ingest(ctx context.Context, in IngestInput) (out IngestResult, err error) {
	ctx, work, err := a.begin(ctx, "ingest")
	defer work.finish(&err)
	if err != nil {
		return out, err
	}
	out.Promoted, err = registry.CurrentPromotion(ctx, a.Bucket, in.Name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return out, err
	}
	g := &ingestion{Activities: a, IngestInput: in, dir: work.dir, retake: map[string]bool{}}
	if out.UserKey, err = g.checkUserKey(out.Promoted); err != nil {
		return out, err
	}
	if g.index, err = registry.OpenNightlyIndex(ctx, a.Bucket, in.Name, a.readIngested); err != nil {
		return out, err
	}
	out.RunNumber = g.index.NextRun()
	if !in.RetryAll {
		g.skip = g.index.Skipped(out.Promoted.Number, in.RetryRejected)
	}
	for _, name := range in.Retake {
		g.retake[strings.TrimPrefix(name, in.Inbox)] = false
	}
	if err := g.loadPrevious(ctx, out.Promoted); err != nil {
		return out, err
	}
	if err := g.ingestNew(ctx, &out); err != nil {
		return out, err
	}
	return out, g.checkRetaken()
}

// ingestion is a running [Activities.Ingest].
type ingestion struct {
	*Activities
	IngestInput
	dir   string
	index *registry.NightlyIndex
	// artifact is the reviews so far, and ingested lists where each came from, in the same order.
	// skip has the hashes of the files to skip.
	artifact storage.Artifact
	ingested []storage.File
	skip     map[string]bool
	// retake has the names of files to ingest although they were skipped, and whether they were
	// found.
	retake map[string]bool
}

// checkUserKey returns the digest of the key for the reviews' pseudonyms, and an error unless the
// model in use has the same.
func (g *ingestion) checkUserKey(p registry.Promotion) (string, error) {
	digest := ""
	if g.Pseudonyms {
		var err error
		if digest, err = g.UserKey.Required(); err != nil {
			return "", err
		}
	}
	switch {
	case p.Number == 0 || p.Model.UserKey == digest:
		return digest, nil
	case g.Pseudonyms && p.Model.UserKey != "":
		return "", g.UserKey.Check(p.Model.UserKey)
	default:
		return "", fmt.Errorf("%w: data.pseudonyms is %t, and promotion %d of %q is of the other kind: "+
			"use another name", ErrInvalid, g.Pseudonyms, p.Number, g.Name)
	}
}

// loadPrevious starts from the reviews of the model in use.
func (g *ingestion) loadPrevious(ctx context.Context, p registry.Promotion) (err error) {
	g.artifact.Kind = "reviews"
	if p.Reviews.IsZero() {
		return nil
	}
	if g.ingested, err = g.readIngested(ctx, p.Reviews); err != nil {
		return err
	}
	previous, err := g.Bucket.Artifact(ctx, p.Reviews)
	for _, f := range previous.Files {
		if f.Name != ingestedRecord {
			g.artifact.Files = append(g.artifact.Files, f)
		}
	}
	return err
}

func (a *Activities) readIngested(ctx context.Context, reviews storage.Ref) ([]storage.File, error) {
	if reviews.IsZero() {
		return nil, nil
	}
	data, err := a.Bucket.ReadArtifactFile(ctx, reviews, ingestedRecord)
	if err != nil {
		return nil, err
	}
	var ingested []storage.File
	if err := json.Unmarshal(data, &ingested); err != nil {
		return nil, fmt.Errorf("read %s of %s: %w: %w", ingestedRecord, reviews.Digest, ErrData, err)
	}
	return ingested, nil
}

// maxNewFiles is how many files a run ingests: its record names them all, and Temporal accepts 2
// MiB of it. The next run ingests the rest.
const maxNewFiles = 2000

// ingestNew adds the new files to the reviews.
func (g *ingestion) ingestNew(ctx context.Context, out *IngestResult) error {
	files, err := g.newFiles(ctx, out)
	if err != nil {
		return err
	}
	if more := len(files) - maxNewFiles; more > 0 {
		g.log(ctx).Warn().Int("files", more).Int("limit", maxNewFiles).Msg("left new files for the next run")
		files = files[:maxNewFiles]
	}
	for _, f := range files {
		if err := g.ingestFile(ctx, f, out); err != nil {
			return err
		}
	}
	if len(out.Ingested) == 0 {
		out.Reviews = out.Promoted.Reviews
		return nil
	}
	record, err := json.MarshalIndent(g.ingested, "", " ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", ingestedRecord, err)
	}
	ref, err := g.Bucket.Put(ctx, record)
	if err != nil {
		return err
	}
	g.artifact.Files = append(g.artifact.Files, storage.File{Name: ingestedRecord, Ref: ref})
	out.Reviews, err = g.Bucket.PutArtifact(ctx, g.artifact)
	return err
}

// newFiles returns the files of the inbox that are to be ingested, and counts those that are
// skipped.
func (g *ingestion) newFiles(ctx context.Context, out *IngestResult) ([]storage.File, error) {
	files, err := g.index.HashInbox(ctx, g.Inbox)
	if err != nil {
		return nil, err
	}
	if err := g.index.Store(ctx); err != nil {
		return nil, err
	}
	present := map[string]bool{}
	for _, f := range g.ingested {
		present[f.Digest] = true
	}
	var all []storage.File
	for _, f := range files {
		name := strings.TrimPrefix(f.Name, g.Inbox)
		_, retake := g.retake[name]
		if retake {
			g.retake[name] = true
		}
		switch reason := g.passOver(f); {
		case reason != "":
			g.log(ctx).Info().Str("file", f.Name).Str("reason", reason).Msg("passed over a file without rows")
		case present[f.Digest]:
		case g.skip[f.Digest] && !retake:
			out.SkippedFiles++
		default:
			present[f.Digest], all = true, append(all, f)
		}
	}
	return all, nil
}

// ingestFile adds a file to the reviews, or sets it aside.
func (g *ingestion) ingestFile(ctx context.Context, f storage.File, out *IngestResult) error {
	part := fmt.Sprintf("%s/%06d-%.12s%s", partsFolder, len(g.ingested)+1, f.Digest, extensions(f.Name))
	file, err := untrusted.Join(g.dir, part)
	if err != nil {
		return err
	}
	copied := ""
	if g.Pseudonyms {
		part = strings.TrimSuffix(part, extensions(f.Name)) + ".parquet"
		copied = file + ".copy"
		err = g.Bucket.FetchObject(ctx, f, file)
	} else {
		err = g.Bucket.IngestObject(ctx, f, file)
	}
	if err != nil {
		return err
	}
	reason, err := g.check(ctx, file, path.Base(f.Name), copied)
	if err != nil {
		return err
	}
	if reason != "" {
		g.log(ctx).Warn().Str("file", f.Name).Str("reason", reason).Msg("set aside a file that cannot be read")
		out.SetAside = append(out.SetAside, registry.SetAside{File: f, Reason: reason})
		return nil
	}
	stored := f.Ref
	if copied != "" {
		if stored, err = g.Bucket.PutFile(ctx, copied); err != nil {
			return err
		}
	}
	g.artifact.Files = append(g.artifact.Files, storage.File{Name: part, Ref: stored})
	g.ingested, out.Ingested = append(g.ingested, f), append(out.Ingested, f)
	return nil
}

// CheckJob is a file of reviews to check, and how its rows are read. Dir receives temporary files.
// Copy, if set, receives the rows, with pseudonyms by UserKey.
type CheckJob struct {
	Reviews         spec.Reviews
	File, Dir, Copy string
	UserKey         pseudonym.Key
}

// check returns why a file, which people know by name, cannot be read; "" if it can. Its rows are
// copied with pseudonyms if copied is set.
func (g *ingestion) check(ctx context.Context, file, name, copied string) (reason string, err error) {
	if g.Reviews == nil {
		return "", nil
	}
	job := CheckJob{Reviews: *g.Reviews, File: file, Dir: filepath.Join(g.dir, "check"), Copy: copied}
	if copied != "" {
		job.UserKey = g.UserKey
	}
	err = g.Importer.Check(ctx, job)
	if errors.Is(err, ErrData) {
		reason = strings.TrimPrefix(err.Error(), ErrData.Error()+": ")
		reason = strings.ReplaceAll(reason, file, name)
		return strings.ReplaceAll(reason, filepath.Base(file), name), nil
	}
	return "", err
}

// checkRetaken returns an error if a file to retake is not in the inbox.
func (g *ingestion) checkRetaken() error {
	for name, found := range g.retake {
		if !found {
			return fmt.Errorf("%w: retake %q: no such file in the inbox %s", ErrInvalid, name, g.Inbox)
		}
	}
	return nil
}

// passOver returns why a file of the inbox has no rows, by the names below the inbox and the size.
// It returns "" if the file may have some.
func (g *ingestion) passOver(f storage.File) string {
	for name := range strings.SplitSeq(strings.TrimPrefix(f.Name, g.Inbox), "/") {
		if reason := fileset.PassOver(name, f.Size); reason != "" {
			return reason
		}
	}
	return ""
}

// extensions returns a key's extensions, such as ".jsonl.gz".
func extensions(key string) string {
	_, rest, found := strings.Cut(path.Base(key), ".")
	if !found {
		return ""
	}
	return "." + rest
}
