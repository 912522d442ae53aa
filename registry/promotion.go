// Package registry keeps the records by which runs and models are found: the record of a finished
// run, nightly runs, and promotions, which put a model in use under a name. In: a [storage.Bucket]
// and names; out: records, the model that a name means ([FindModel]), and the differences between
// two runs ([CompareRuns]).
package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"rdrec/internal/metric"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// ErrCorrupt means that a record is not what its key promises.
var ErrCorrupt = errors.New("corrupt record")

// ErrPromotionConflict means that another model was promoted between reading and writing.
var ErrPromotionConflict = errors.New("another model was promoted concurrently")

// Promotion is the record of a model that is or was in use under a name: the artifacts that are
// needed to recommend with it and to continue its training, and the reason for its promotion.
// Promotions are numbered from 1 and never change.
type Promotion struct {
	Number int       `json:"number"`
	Time   time.Time `json:"time"`
	// Kind is [FirstPromotion], [NewPromotion] or [Rollback].
	Kind string `json:"kind"`
	// RollbackTo is the number of the promotion whose model is in use again; 0 except for a
	// rollback.
	RollbackTo int `json:"rollback_to,omitempty"`
	// Workflow and Run identify the run that promoted the model.
	Workflow string `json:"workflow"`
	Run      string `json:"run"`
	// Reviews is the artifact of all raw reviews so far, Dataset the imported dataset with names
	// and titles, Preprocessed the dataset after preprocessing.
	Reviews      storage.Ref `json:"reviews,omitzero"`
	Dataset      storage.Ref `json:"dataset"`
	Preprocessed storage.Ref `json:"preprocessed"`
	// Model is the student: a Hugging Face folder with its T5 configuration.
	Model PromotedModel `json:"model"`
	// Table is an artifact of precomputed recommendations; zero where there is none.
	Table storage.Ref `json:"table,omitzero"`
	// Metrics are the model's on the nightly run's users. Comparison is its test against the model
	// that was in use; nil where there was none.
	Metrics    []metric.Score `json:"metrics,omitempty"`
	Comparison *Comparison    `json:"comparison,omitempty"`
	// Counts are the nightly run's; nil for a model of an experiment.
	Counts *report.NightlyCounts `json:"counts,omitempty"`
	// Manual means that a person put the model in use, not a nightly run; FromRun is the run whose
	// model it is, empty for a rollback.
	Manual  bool   `json:"manual,omitempty"`
	FromRun string `json:"from_run,omitempty"`
}

// Kinds of promotions.
const (
	FirstPromotion = "first"
	NewPromotion   = "promoted"
	Rollback       = "rollback"
)

// PromotedModel is a student and how it is to be used.
type PromotedModel struct {
	Weights storage.Ref `json:"weights"`
	// Fusion is the mix that recommends in the place of the student; zero for none.
	Fusion storage.Ref `json:"fusion,omitzero"`
	// Method, Size, Protocol and Seed are the spec's; Spec is the whole spec as canonical JSON.
	Method   string          `json:"method"`
	Size     string          `json:"size"`
	Protocol string          `json:"protocol"`
	Seed     int64           `json:"seed"`
	Spec     json.RawMessage `json:"spec"`
	// UserKey is the digest of the key of its users' pseudonyms; empty where they have their own
	// ids.
	UserKey string `json:"user_key,omitempty"`
}

// NewPromotedModel returns the student of a spec's first method, with its fusion if it has one.
func NewPromotedModel(weights, fusion storage.Ref, s spec.Spec) (PromotedModel, error) {
	text, err := s.Canonical()
	return PromotedModel{
		Weights: weights, Fusion: fusion, Method: s.Methods[0], Size: s.Student.Size, Protocol: s.Protocol,
		Seed: s.Seed, Spec: text,
	}, err
}

// Comparison is a paired test of a new model against the one in use, or against a baseline, on the
// same users.
type Comparison struct {
	Metric string `json:"metric"`
	// CurrentPromotion is the number of the promotion in use. Baseline is the baseline that takes
	// its place; empty for a comparison with the promotion.
	CurrentPromotion int    `json:"current_promotion"`
	Baseline         string `json:"baseline,omitempty"`
	Users            int    `json:"users"`
	// Candidate and Current are means over the users: of the new model, and of the one in use or
	// the baseline. Difference is Candidate - Current, Interval its 95% interval.
	Candidate  float64         `json:"candidate"`
	Current    float64         `json:"current"`
	Difference float64         `json:"difference"`
	Interval   metric.Interval `json:"interval"`
	// P is the one-sided p-value of the hypothesis that the new model is worse by Margin or more.
	// Margin is in units of the metric.
	Margin float64 `json:"margin"`
	P      float64 `json:"p"`
}

// Promote appends p to the history of a name and makes it the promotion in use. Previous is the
// number of the promotion that p was compared with, 0 for none; if another one is in use, Promote
// returns [ErrPromotionConflict]. Promote sets p's number, and its kind unless it is a rollback. If
// the same run promotes the same weights again, after a crash between the two writes, Promote
// returns the existing record.
//
// There is one writer at a time: only activities that a workflow schedules call Promote. Comparing
// the current promotion with previous separates two workflows as far as reading and then writing
// can.
func Promote(ctx context.Context, b *storage.Bucket, name string, previous int, p Promotion) (Promotion, error) {
	current, err := CurrentPromotion(ctx, b, name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return p, err
	}
	if current.sameAs(p) {
		return current, nil
	}
	if current.Number != previous {
		return p, fmt.Errorf(
			"%w: %s is at promotion %d, not at %d", ErrPromotionConflict, name, current.Number, previous,
		)
	}
	if err := checkArtifacts(ctx, b, p); err != nil {
		return p, err
	}
	if p.Number, err = nextPromotion(ctx, b, name, current.Number); err != nil {
		return p, err
	}
	if p.Kind != Rollback {
		p.Kind = NewPromotion
		if current.Number == 0 {
			p.Kind = FirstPromotion
		}
	}
	record, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return p, fmt.Errorf("encode promotion %d of %q: %w", p.Number, name, err)
	}
	return p, b.PutPromotion(ctx, name, p.Number, record)
}

// checkArtifacts returns an error if an artifact that the model needs is no longer in the bucket:
// it may have been garbage collected since an old promotion.
func checkArtifacts(ctx context.Context, b *storage.Bucket, p Promotion) error {
	artifacts := map[string]storage.Ref{"model": p.Model.Weights, "dataset": p.Dataset, "preprocessed": p.Preprocessed}
	if !p.Model.Fusion.IsZero() {
		artifacts["fusion"] = p.Model.Fusion
	}
	for _, name := range slices.Sorted(maps.Keys(artifacts)) {
		ref := artifacts[name]
		complete, err := b.IsComplete(ctx, ref)
		if err != nil {
			return err
		}
		if !complete {
			return fmt.Errorf("promote: the %s %q: %w", name, ref.Digest, storage.ErrNotFound)
		}
	}
	return nil
}

func (p *Promotion) sameAs(other Promotion) bool {
	return p.Number > 0 && p.Run == other.Run && p.Workflow == other.Workflow && p.Model.Weights == other.Model.Weights
}

// nextPromotion returns the number after the current one. A record of that number, left by a writer
// that died before it wrote the pointer, was never in use and is overwritten.
func nextPromotion(ctx context.Context, b *storage.Bucket, name string, current int) (int, error) {
	newest, err := b.NewestPromotion(ctx, name)
	if err != nil {
		return 0, err
	}
	if newest > current+1 {
		reason := fmt.Sprintf("it names promotion %d, but promotion %d exists", current, newest)
		return 0, &storage.CorruptError{Key: storage.CurrentPromotionKey(name), Reason: reason}
	}
	return current + 1, nil
}

// CurrentPromotion returns the promotion in use under a name, or [storage.ErrNotFound].
func CurrentPromotion(ctx context.Context, b *storage.Bucket, name string) (Promotion, error) {
	number, record, err := b.CurrentPromotion(ctx, name)
	if err != nil {
		return Promotion{}, err
	}
	return decodePromotion(name, number, record)
}

// Promotions returns the history of a name, oldest first, up to the promotion in use.
func Promotions(ctx context.Context, b *storage.Bucket, name string) ([]Promotion, error) {
	current, err := CurrentPromotion(ctx, b, name)
	if err != nil {
		return nil, err
	}
	history := make([]Promotion, 0, current.Number)
	for number := 1; number <= current.Number; number++ {
		p, err := ReadPromotion(ctx, b, name, number)
		if err != nil {
			return nil, err
		}
		history = append(history, p)
	}
	return history, nil
}

// ReadPromotion returns one promotion of a name.
func ReadPromotion(ctx context.Context, b *storage.Bucket, name string, number int) (Promotion, error) {
	record, err := b.Promotion(ctx, name, number)
	if err != nil {
		return Promotion{}, err
	}
	return decodePromotion(name, number, record)
}

func decodePromotion(name string, number int, record []byte) (Promotion, error) {
	var p Promotion
	if err := json.Unmarshal(record, &p); err != nil {
		reason := "not a promotion's record: " + err.Error()
		return p, &storage.CorruptError{Key: storage.PromotionKey(name, number), Reason: reason}
	}
	return p, nil
}
