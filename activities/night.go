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

// Night is what came of one night; it is recorded under nightly/<name>/nights and posted to the webhook.
type Night struct {
	Name    string    `json:"name"`
	Number  int       `json:"number"`
	Time    time.Time `json:"time"`
	Verdict string    `json:"verdict"`
	// Reasons say why a model was not promoted.
	Reasons  []string `json:"reasons,omitempty"`
	Workflow string   `json:"workflow"`
	Run      string   `json:"run"`
	// Taken are the files that came in; Held is how many were left out because an earlier night set them aside.
	Taken []storage.File `json:"taken,omitempty"`
	Held  int            `json:"held,omitempty"`
	// SetAside says that no later night takes the files that came in, unless it is told to.
	SetAside bool `json:"set_aside,omitempty"`
	// Against is the promotion that was in use, Promotion the one that is now (0: none).
	Against   int            `json:"against"`
	Promotion int            `json:"promotion"`
	Warm      bool           `json:"warm"`
	Counts    map[string]int `json:"counts,omitempty"`
	Coverage  float64        `json:"coverage,omitempty"`
	// Metric is the one that the gate looks at.
	Metric   string              `json:"metric,omitempty"`
	Metrics  []storage.Measure   `json:"metrics,omitempty"`
	Compared *storage.Comparison `json:"compared,omitempty"`
	Seconds  float64             `json:"seconds"`
	Reviews  storage.Ref         `json:"reviews,omitzero"`
	Dataset  storage.Ref         `json:"dataset,omitzero"`
	Examples storage.Ref         `json:"examples,omitzero"`
	Model    storage.Ref         `json:"model,omitzero"`
	Report   storage.Ref         `json:"report,omitzero"`
	HTML     string              `json:"html,omitempty"`
}

// Verdicts on a night.
const (
	// NightFirst and NightPromoted put the new model in use; NightKept keeps the one before.
	NightFirst    = "first"
	NightPromoted = "promoted"
	NightKept     = "kept"
	// NightIdle had nothing new to learn from; NightFailed could not be brought to its end.
	NightIdle   = "idle"
	NightFailed = "failed"
)

// Counts of a night. Those of rows, bad and so on are of all reviews so far; those with new are of what came in.
const (
	CountRows       = "rows"
	CountBad        = "bad"
	CountNewRows    = "new_rows"
	CountNewBad     = "new_bad"
	CountUsers      = "users"
	CountItems      = "items"
	CountEvents     = "interactions"
	CountNewUsers   = "new_users"
	CountNewItems   = "new_items"
	CountReplies    = "rationales"
	CountParsed     = "parsed"
	CountNewReplies = "new_rationales"
	CountNewParsed  = "new_parsed"
	CountAsked      = "asked"
	CountTokens     = "tokens"
)

// GatherInput names a nightly's inbox.
type GatherInput struct {
	Name, Inbox string
	// KeepRefused takes the files of refused nights again, Retake all that was ever set aside.
	KeepRefused, Retake bool
}

// Gathered is what a night goes on from.
type Gathered struct {
	Night int
	// Promoted is the model in use; its number is 0 where there is none yet.
	Promoted storage.Promotion
	// Reviews is an artefact of all reviews so far: those that the model in use was made from, and Taken.
	Reviews storage.Ref
	Taken   []storage.File
	Held    int
}

// In an artefact of reviews, partsFolder holds the files in the order in which they came; taken.json says where each came from.
const (
	partsFolder = "parts"
	takenRecord = "taken.json"
)

// Gather takes in the files of the inbox that are not among the reviews of the model in use, and were not set aside: by their hashes, so
// that no content is taken twice whatever it is called. The inbox itself stays as it is.
func (a *Activities) Gather(ctx context.Context, in GatherInput) (out Gathered, err error) {
	ctx, work, err := a.begin(ctx, "gather")
	defer work.end(&err)
	if err != nil {
		return out, err
	}
	if out.Promoted, err = a.Bucket.Promoted(ctx, in.Name); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return out, err
	}
	if _, out.Night, err = a.Bucket.Nights(ctx, in.Name, 0); err != nil {
		return out, err
	}
	out.Night++
	g := &gathering{Activities: a, GatherInput: in, dir: work.dir}
	if err := g.base(ctx, out.Promoted); err != nil {
		return out, err
	}
	if err := g.aside(ctx); err != nil {
		return out, err
	}
	return out, g.take(ctx, &out)
}

// gathering is a running [Activities.Gather].
type gathering struct {
	*Activities
	GatherInput
	dir string
	// artefact is the reviews so far and taken where each came from, in its order; refused are hashes that were set aside.
	artefact storage.Artefact
	taken    []storage.File
	refused  map[string]bool
}

// base begins with the reviews of the model in use.
func (g *gathering) base(ctx context.Context, p storage.Promotion) (err error) {
	g.artefact.Kind = "reviews"
	if p.Reviews.IsZero() {
		return nil
	}
	if g.taken, err = g.takenIn(ctx, p.Reviews); err != nil {
		return err
	}
	before, err := g.Bucket.Artefact(ctx, p.Reviews)
	for _, f := range before.Files {
		if f.Name != takenRecord {
			g.artefact.Files = append(g.artefact.Files, f)
		}
	}
	return err
}

func (a *Activities) takenIn(ctx context.Context, reviews storage.Ref) ([]storage.File, error) {
	if reviews.IsZero() {
		return nil, nil
	}
	data, err := a.Bucket.GetNamed(ctx, reviews, takenRecord)
	if err != nil {
		return nil, err
	}
	var taken []storage.File
	if err := json.Unmarshal(data, &taken); err != nil {
		return nil, fmt.Errorf("read %s of %s: %w: %w", takenRecord, reviews.Digest, ErrData, err)
	}
	return taken, nil
}

// aside finds what was set aside: the files of refused nights, and those that a rollback took out of use.
func (g *gathering) aside(ctx context.Context) error {
	g.refused = map[string]bool{}
	if g.Retake {
		return nil
	}
	nights, err := ReadNights(ctx, g.Bucket, g.Name, everyNight)
	if err != nil {
		return err
	}
	for _, night := range nights {
		if night.SetAside && !g.KeepRefused {
			g.refuse(night.Taken, nil)
		}
	}
	return g.rolledBack(ctx)
}

// rolledBack sets aside what only a model that was rolled back has seen.
func (g *gathering) rolledBack(ctx context.Context) error {
	history, err := g.Bucket.Promotions(ctx, g.Name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	for i, p := range history {
		if p.Kind != storage.Rollback || i == 0 {
			continue
		}
		bad, err := g.takenIn(ctx, history[i-1].Reviews)
		if errors.Is(err, storage.ErrNotFound) {
			continue // collected long ago
		}
		if err != nil {
			return err
		}
		good, err := g.takenIn(ctx, p.Reviews)
		if err != nil {
			return err
		}
		g.refuse(bad, good)
	}
	return nil
}

func (g *gathering) refuse(files, but []storage.File) {
	keep := map[string]bool{}
	for _, f := range but {
		keep[f.Digest] = true
	}
	for _, f := range files {
		if !keep[f.Digest] {
			g.refused[f.Digest] = true
		}
	}
}

// everyNight is more nights than there will ever be.
const everyNight = 1 << 20

// ReadNights returns the last nights under a name, oldest first.
func ReadNights(ctx context.Context, b *storage.Bucket, name string, last int) ([]Night, error) {
	records, _, err := b.Nights(ctx, name, last)
	if err != nil {
		return nil, err
	}
	nights := make([]Night, len(records))
	for i, record := range records {
		if err := json.Unmarshal(record, &nights[i]); err != nil {
			return nil, fmt.Errorf("record %d of the last %d nights of %q: %w: %w", i+1, len(records), name, ErrData, err)
		}
	}
	return nights, nil
}

// take adds what is new.
func (g *gathering) take(ctx context.Context, out *Gathered) error {
	files, err := g.Bucket.Inbox(ctx, g.Inbox)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, f := range g.taken {
		known[f.Digest] = true
	}
	for _, f := range files {
		switch {
		case known[f.Digest]:
			continue
		case g.refused[f.Digest]:
			out.Held++
			continue
		}
		known[f.Digest] = true
		name := fmt.Sprintf("%s/%06d-%.12s%s", partsFolder, len(g.taken)+1, f.Digest, endings(f.Name))
		if err := g.Bucket.TakeIn(ctx, f, filepath.Join(g.dir, filepath.FromSlash(name))); err != nil {
			return err
		}
		g.artefact.Files = append(g.artefact.Files, storage.File{Name: name, Ref: f.Ref})
		g.taken, out.Taken = append(g.taken, f), append(out.Taken, f)
	}
	if len(out.Taken) == 0 {
		out.Reviews = out.Promoted.Reviews
		return nil
	}
	record, err := json.MarshalIndent(g.taken, "", " ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", takenRecord, err)
	}
	ref, err := g.Bucket.Put(ctx, record)
	if err != nil {
		return err
	}
	g.artefact.Files = append(g.artefact.Files, storage.File{Name: takenRecord, Ref: ref})
	out.Reviews, err = g.Bucket.PutArtefact(ctx, g.artefact)
	return err
}

// endings are a key's, such as ".jsonl.gz".
func endings(key string) string {
	_, rest, found := strings.Cut(path.Base(key), ".")
	if !found {
		return ""
	}
	return "." + rest
}

// PromoteInput appends to a history.
type PromoteInput struct {
	Name string
	// Before is the promotion that was in use when it was decided.
	Before    int
	Promotion storage.Promotion
}

// Promote puts a model in use.
func (a *Activities) Promote(ctx context.Context, in PromoteInput) (p storage.Promotion, err error) {
	ctx, beat := a.beat(ctx, "promote")
	defer beat.stop()
	defer func() { err = fail(ctx, err) }()
	run := activity.GetInfo(ctx).WorkflowExecution
	in.Promotion.Workflow, in.Promotion.Run, in.Promotion.Time = run.ID, run.RunID, a.Now().UTC()
	p, err = a.Bucket.Promote(ctx, in.Name, in.Before, in.Promotion)
	if errors.Is(err, storage.ErrPromotedMeanwhile) || errors.Is(err, storage.ErrNotFound) {
		return p, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return p, err
}

// RecordNight keeps what came of a night. A number that another run took meanwhile is left to it; the same run keeps the number of the
// record that it has.
func (a *Activities) RecordNight(ctx context.Context, night Night) (number int, err error) {
	ctx, beat := a.beat(ctx, "record the night")
	defer beat.stop()
	defer func() { err = fail(ctx, err) }()
	run := activity.GetInfo(ctx).WorkflowExecution
	night.Workflow, night.Run, night.Time = run.ID, run.RunID, a.Now().UTC()
	nights, err := ReadNights(ctx, a.Bucket, night.Name, everyNight)
	if err != nil {
		return 0, err
	}
	night.Number = numberAmong(nights, night)
	record, err := json.MarshalIndent(night, "", " ")
	if err != nil {
		return 0, fmt.Errorf("encode night %d of %q: %w", night.Number, night.Name, err)
	}
	if err := a.Bucket.PutNight(ctx, night.Name, night.Number, record); err != nil {
		return 0, err
	}
	return night.Number, a.drawNights(ctx, night.Name)
}

// numberAmong is the number of a night beside those that are recorded.
func numberAmong(recorded []Night, night Night) int {
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

// Promotable is the student that a spec's one method made, as a promotion tells of it.
func Promotable(weights storage.Ref, s spec.Spec) (storage.PromotedModel, error) {
	text, err := s.Canonical()
	return storage.PromotedModel{
		Weights: weights, Method: s.Methods[0], Size: s.Student.Size, Protocol: s.Protocol, Seed: s.Seed, Spec: text,
	}, err
}

// ChooseInput names a model that somebody wants in use: that of a finished run (WORKFLOW/RUN), or that of an earlier promotion. Neither
// means the model that was in use before the present one.
type ChooseInput struct {
	Name string
	Run  string
	To   int
}

// Choose finds the model.
func (a *Activities) Choose(ctx context.Context, in ChooseInput) (out PromoteInput, err error) {
	ctx, beat := a.beat(ctx, "choose")
	defer beat.stop()
	defer func() { err = fail(ctx, err) }()
	now, err := a.Bucket.Promoted(ctx, in.Name)
	if err != nil && (in.Run == "" || !errors.Is(err, storage.ErrNotFound)) {
		return out, invalidIfAbsent(err)
	}
	out = PromoteInput{Name: in.Name, Before: now.Number}
	if in.Run != "" {
		out.Promotion, err = a.modelOfRun(ctx, in.Run)
		return out, invalidIfAbsent(err)
	}
	if in.To == 0 {
		if in.To, err = before(in.Name, now); err != nil {
			return out, err
		}
	}
	if in.To == now.Number {
		return out, fmt.Errorf("%w: promotion %d of %q is the one in use", ErrInvalid, in.To, in.Name)
	}
	if out.Promotion, err = a.Bucket.Promotion(ctx, in.Name, in.To); err != nil {
		return out, invalidIfAbsent(err)
	}
	out.Promotion.Kind, out.Promotion.Of = storage.Rollback, in.To
	return out, nil
}

func invalidIfAbsent(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}

// before is the promotion whose model was in use before the present one: rollbacks are followed to what they took back.
func before(name string, now storage.Promotion) (int, error) {
	number := now.Number
	if now.Kind == storage.Rollback {
		number = now.Of
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
	p = storage.Promotion{Dataset: record.Dataset, Examples: record.Examples}
	if record.Spec.Data.Accumulated != nil {
		p.Reviews = storage.Ref(record.Spec.Data.Accumulated.Reviews)
	}
	if record.Night != nil {
		p.Counts, p.Metrics, p.Compared = record.Night.Counts, record.Night.Metrics, record.Night.Compared
	}
	p.Model, err = Promotable(student.Student, record.Spec)
	return p, err
}
