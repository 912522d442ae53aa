package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// NightlyRun is what came of one night; it is recorded under nightly/<name>/nights and posted to
// the webhook.
type NightlyRun struct {
	Name    string    `json:"name"`
	Number  int       `json:"number"`
	Time    time.Time `json:"time"`
	Verdict string    `json:"verdict"`
	// Reasons say why a model was not promoted.
	Reasons  []string `json:"reasons,omitempty"`
	Workflow string   `json:"workflow"`
	Run      string   `json:"run"`
	// Ingested are the files that came in; Held is how many were left out because an earlier night
	// set them aside.
	Ingested     []storage.File `json:"ingested,omitempty"`
	SkippedFiles int            `json:"skipped_files,omitempty"`
	// SkipFiles says that no later night takes the files that came in, unless it is told to.
	SkipFiles bool `json:"skip_files,omitempty"`
	// PreviousPromotion is the promotion that was in use, Promotion the one that is now (0: none).
	PreviousPromotion int            `json:"previous_promotion"`
	Promotion         int            `json:"promotion"`
	WarmStart         bool           `json:"warm_start"`
	Counts            map[string]int `json:"counts,omitempty"`
	Coverage          float64        `json:"coverage,omitempty"`
	// Metric is the one that the gate looks at.
	Metric       string              `json:"metric,omitempty"`
	Metrics      []storage.Measure   `json:"metrics,omitempty"`
	Comparison   *storage.Comparison `json:"comparison,omitempty"`
	Seconds      float64             `json:"seconds"`
	Reviews      storage.Ref         `json:"reviews,omitzero"`
	Dataset      storage.Ref         `json:"dataset,omitzero"`
	Preprocessed storage.Ref         `json:"preprocessed,omitzero"`
	Model        storage.Ref         `json:"model,omitzero"`
	Report       storage.Ref         `json:"report,omitzero"`
	HTML         string              `json:"html,omitempty"`
}

// Verdicts on a night.
const (
	// VerdictFirst and VerdictPromoted put the new model in use; VerdictRejected keeps the one
	// before.
	VerdictFirst    = "first"
	VerdictPromoted = "promoted"
	VerdictRejected = "rejected"
	// VerdictIdle had nothing new to learn from; VerdictFailed could not be brought to its end.
	VerdictIdle   = "idle"
	VerdictFailed = "failed"
)

// Counts of a night. Those of rows, bad and so on are of all reviews so far; those with new are of
// what came in.
const (
	CountRows          = "rows"
	CountBad           = "bad"
	CountNewRows       = "new_rows"
	CountNewBad        = "new_bad"
	CountUsers         = "users"
	CountItems         = "items"
	CountInteractions  = "interactions"
	CountNewUsers      = "new_users"
	CountNewItems      = "new_items"
	CountRationales    = "rationales"
	CountParsed        = "parsed"
	CountNewRationales = "new_rationales"
	CountNewParsed     = "new_parsed"
	CountRequests      = "requests"
	CountTokens        = "tokens"
)

// IngestInput names a nightly's inbox.
type IngestInput struct {
	Name  string `json:"name"`
	Inbox string `json:"inbox"`
	// RetryRejected takes the files of refused nights again, Retake all that was ever set aside.
	RetryRejected bool `json:"retry_rejected"`
	RetryAll      bool `json:"retry_all"`
}

// IngestResult is what a night goes on from.
type IngestResult struct {
	RunNumber int `json:"run_number"`
	// Promoted is the model in use; its number is 0 where there is none yet.
	Promoted storage.Promotion `json:"promoted"`
	// Reviews is an artifact of all reviews so far: those that the model in use was made from, and
	// Taken.
	Reviews      storage.Ref    `json:"reviews"`
	Ingested     []storage.File `json:"ingested"`
	SkippedFiles int            `json:"skipped_files"`
}

// In an artifact of reviews, partsFolder holds the files in the order in which they came;
// ingested.json says where each came from.
const (
	partsFolder    = "parts"
	ingestedRecord = "ingested.json"
)

// Ingest takes in the files of the inbox that are not among the reviews of the model in use, and
// were not set aside: by their hashes, so that no content is taken twice whatever it is called. The
// inbox itself stays as it is.
func (a *Activities) Ingest(ctx context.Context, in IngestInput) (out IngestResult, err error) {
	ctx, work, err := a.begin(ctx, "ingest")
	defer work.finish(&err)
	if err != nil {
		return out, err
	}
	if out.Promoted, err = a.Bucket.CurrentPromotion(ctx, in.Name); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return out, err
	}
	if _, out.RunNumber, err = a.Bucket.NightlyRuns(ctx, in.Name, 0); err != nil {
		return out, err
	}
	out.RunNumber++
	g := &ingestion{Activities: a, IngestInput: in, dir: work.dir}
	if err := g.loadPrevious(ctx, out.Promoted); err != nil {
		return out, err
	}
	if err := g.skipRejected(ctx); err != nil {
		return out, err
	}
	return out, g.ingestNew(ctx, &out)
}

// ingestion is a running [Activities.Ingest].
type ingestion struct {
	*Activities
	IngestInput
	dir string
	// putArtifact is the reviews so far and taken where each came from, in its order; refused are
	// hashes that were set aside.
	artifact storage.Artifact
	ingested []storage.File
	skip     map[string]bool
}

// loadPrevious begins with the reviews of the model in use.
func (g *ingestion) loadPrevious(ctx context.Context, p storage.Promotion) (err error) {
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

// skipRejected finds what was set aside: the files of refused nights, and those that a rollback
// took out of use.
func (g *ingestion) skipRejected(ctx context.Context) error {
	g.skip = map[string]bool{}
	if g.RetryAll {
		return nil
	}
	runs, err := ReadNightlyRuns(ctx, g.Bucket, g.Name, allRuns)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if run.SkipFiles && !g.RetryRejected {
			g.skipFiles(run.Ingested, nil)
		}
	}
	return g.skipRolledBack(ctx)
}

// skipRolledBack sets aside what only a model that was rolled back has seen.
func (g *ingestion) skipRolledBack(ctx context.Context) error {
	history, err := g.Bucket.Promotions(ctx, g.Name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	for i, p := range history {
		if p.Kind != storage.Rollback || i == 0 {
			continue
		}
		bad, err := g.readIngested(ctx, history[i-1].Reviews)
		if errors.Is(err, storage.ErrNotFound) {
			continue // collected long ago
		}
		if err != nil {
			return err
		}
		good, err := g.readIngested(ctx, p.Reviews)
		if err != nil {
			return err
		}
		g.skipFiles(bad, good)
	}
	return nil
}

func (g *ingestion) skipFiles(files, except []storage.File) {
	keep := map[string]bool{}
	for _, f := range except {
		keep[f.Digest] = true
	}
	for _, f := range files {
		if !keep[f.Digest] {
			g.skip[f.Digest] = true
		}
	}
}

// allRuns is more nights than there will ever be.
const allRuns = 1 << 20

// ReadNightlyRuns returns the last nights under a name, oldest first.
func ReadNightlyRuns(ctx context.Context, b *storage.Bucket, name string, last int) ([]NightlyRun, error) {
	records, _, err := b.NightlyRuns(ctx, name, last)
	if err != nil {
		return nil, err
	}
	runs := make([]NightlyRun, len(records))
	for i, record := range records {
		if err := json.Unmarshal(record, &runs[i]); err != nil {
			return nil, fmt.Errorf("record %d of the last %d nightly runs of %q: %w: %w", i+1, len(records), name, ErrData, err)
		}
	}
	return runs, nil
}

// add adds what is new.
func (g *ingestion) ingestNew(ctx context.Context, out *IngestResult) error {
	files, err := g.Bucket.Inbox(ctx, g.Inbox)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, f := range g.ingested {
		known[f.Digest] = true
	}
	for _, f := range files {
		switch {
		case known[f.Digest]:
			continue
		case g.skip[f.Digest]:
			out.SkippedFiles++
			continue
		}
		known[f.Digest] = true
		name := fmt.Sprintf("%s/%06d-%.12s%s", partsFolder, len(g.ingested)+1, f.Digest, extensions(f.Name))
		if err := g.Bucket.IngestObject(ctx, f, filepath.Join(g.dir, filepath.FromSlash(name))); err != nil {
			return err
		}
		g.artifact.Files = append(g.artifact.Files, storage.File{Name: name, Ref: f.Ref})
		g.ingested, out.Ingested = append(g.ingested, f), append(out.Ingested, f)
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

// extensions are a key's, such as ".jsonl.gz".
func extensions(key string) string {
	_, rest, found := strings.Cut(path.Base(key), ".")
	if !found {
		return ""
	}
	return "." + rest
}

// PromoteInput appends to a history.
type PromoteInput struct {
	Name string `json:"name"`
	// Previous is the promotion that was in use when it was decided.
	Previous  int               `json:"previous"`
	Promotion storage.Promotion `json:"promotion"`
}

// Promote puts a model in use.
func (a *Activities) Promote(ctx context.Context, in PromoteInput) (p storage.Promotion, err error) {
	ctx, hb := a.startHeartbeat(ctx, "promote")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	run := activity.GetInfo(ctx).WorkflowExecution
	in.Promotion.Workflow, in.Promotion.Run, in.Promotion.Time = run.ID, run.RunID, a.Now().UTC()
	p, err = a.Bucket.Promote(ctx, in.Name, in.Previous, in.Promotion)
	if errors.Is(err, storage.ErrPromotionConflict) || errors.Is(err, storage.ErrNotFound) {
		return p, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return p, err
}

// RecordNightlyRun keeps what came of a night. A number that another run took meanwhile is left to
// it; the same run keeps the number of the record that it has.
func (a *Activities) RecordNightlyRun(ctx context.Context, nightly NightlyRun) (number int, err error) {
	ctx, hb := a.startHeartbeat(ctx, "record the nightly run")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	run := activity.GetInfo(ctx).WorkflowExecution
	nightly.Workflow, nightly.Run, nightly.Time = run.ID, run.RunID, a.Now().UTC()
	runs, err := ReadNightlyRuns(ctx, a.Bucket, nightly.Name, allRuns)
	if err != nil {
		return 0, err
	}
	nightly.Number = numberAmong(runs, nightly)
	record, err := json.MarshalIndent(nightly, "", " ")
	if err != nil {
		return 0, fmt.Errorf("encode nightly run %d of %q: %w", nightly.Number, nightly.Name, err)
	}
	if err := a.Bucket.PutNightlyRun(ctx, nightly.Name, nightly.Number, record); err != nil {
		return 0, err
	}
	return nightly.Number, a.writeNightlyPage(ctx, nightly.Name)
}

// numberAmong is the number of a night beside those that are recorded.
func numberAmong(recorded []NightlyRun, night NightlyRun) int {
	number := night.Number
	for _, other := range recorded {
		switch {
		case other.Run == night.Run:
			return other.Number
		case other.Number >= number:
			number = other.Number + 1
		}
	}
	return number
}

// NewPromotedModel is the student that a spec's one method made, as a promotion tells of it.
func NewPromotedModel(weights storage.Ref, s spec.Spec) (storage.PromotedModel, error) {
	text, err := s.Canonical()
	return storage.PromotedModel{
		Weights: weights, Method: s.Methods[0], Size: s.Student.Size, Protocol: s.Protocol, Seed: s.Seed, Spec: text,
	}, err
}

// ChooseModelInput names a model that somebody wants in use: that of a finished run (WORKFLOW/RUN),
// or that of an earlier promotion. Neither means the model that was in use before the present one.
type ChooseModelInput struct {
	Name string `json:"name"`
	Run  string `json:"run"`
	To   int    `json:"to"`
}

// ChooseModel finds the model.
func (a *Activities) ChooseModel(ctx context.Context, in ChooseModelInput) (out PromoteInput, err error) {
	ctx, hb := a.startHeartbeat(ctx, "choose model")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	current, err := a.Bucket.CurrentPromotion(ctx, in.Name)
	if err != nil && (in.Run == "" || !errors.Is(err, storage.ErrNotFound)) {
		return out, invalidIfNotFound(err)
	}
	out = PromoteInput{Name: in.Name, Previous: current.Number}
	if in.Run != "" {
		out.Promotion, err = a.modelOfRun(ctx, in.Run)
		return out, invalidIfNotFound(err)
	}
	if in.To == 0 {
		if in.To, err = previousModel(in.Name, current); err != nil {
			return out, err
		}
	}
	if in.To == current.Number {
		return out, fmt.Errorf("%w: promotion %d of %q is already in use", ErrInvalid, in.To, in.Name)
	}
	if out.Promotion, err = a.Bucket.Promotion(ctx, in.Name, in.To); err != nil {
		return out, invalidIfNotFound(err)
	}
	out.Promotion.Kind, out.Promotion.RollbackTo = storage.Rollback, in.To
	return out, nil
}

func invalidIfNotFound(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}

// previousModel is the promotion whose model was in use before the present one: rollbacks are
// followed to what they took back.
func previousModel(name string, current storage.Promotion) (int, error) {
	number := current.Number
	if current.Kind == storage.Rollback {
		number = current.RollbackTo
	}
	if number < 2 {
		return 0, fmt.Errorf("%w: %q has no model from before promotion %d", ErrInvalid, name, number)
	}
	return number - 1, nil
}

// modelOfRun is the first student of a run's first method.
func (a *Activities) modelOfRun(ctx context.Context, run string) (p storage.Promotion, err error) {
	_, record, err := readRun(ctx, a.Bucket, run)
	if err != nil {
		return p, err
	}
	student, err := record.model("")
	if err != nil {
		return p, fmt.Errorf("%w: run %q: %w", ErrInvalid, run, err)
	}
	p = storage.Promotion{Dataset: record.Dataset, Preprocessed: record.Preprocessed}
	if record.Spec.Data.Accumulated != nil {
		p.Reviews = storage.Ref(record.Spec.Data.Accumulated.Reviews)
	}
	if record.NightlyRun != nil {
		p.Counts, p.Metrics, p.Comparison = record.NightlyRun.Counts, record.NightlyRun.Metrics, record.NightlyRun.Comparison
	}
	p.Model, err = NewPromotedModel(student.Student, record.Spec)
	return p, err
}
