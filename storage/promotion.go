package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"
)

// Promotion is a model that is, or was, the one in use under a name: what it takes to recommend by
// it and to train it on, and why it was chosen. Promotions are numbered from 1 on and never change.
type Promotion struct {
	Number int       `json:"number"`
	Time   time.Time `json:"time"`
	// Kind is [FirstPromotion], [NewPromotion] or [Rollback].
	Kind string `json:"kind"`
	// RollbackTo is, for a rollback, the number of the promotion whose model is in use again.
	RollbackTo int `json:"rollback_to,omitempty"`
	// Workflow and Run are who promoted.
	Workflow string `json:"workflow"`
	Run      string `json:"run"`
	// Reviews is the artifact of all raw reviews so far, Dataset the imported sequences with names
	// and titles, Examples what preprocessing made of it.
	Reviews      Ref `json:"reviews,omitzero"`
	Dataset      Ref `json:"dataset"`
	Preprocessed Ref `json:"preprocessed"`
	// Model is the student: a Hugging Face folder with its T5 configuration.
	Model PromotedModel `json:"model"`
	// Table is an artifact of recommendations made beforehand; zero where there is none.
	Table Ref `json:"table,omitzero"`
	// Metrics are the model's on the night's users, Compared how they differ from those of the
	// model before.
	Metrics    []Measure   `json:"metrics,omitempty"`
	Comparison *Comparison `json:"comparison,omitempty"`
	// Counts are of rows, users, items.
	Counts map[string]int `json:"counts,omitempty"`
}

// Kinds of promotions.
const (
	FirstPromotion = "first"
	NewPromotion   = "promoted"
	Rollback       = "rollback"
)

// PromotedModel is a student and how it is to be used.
type PromotedModel struct {
	Weights Ref `json:"weights"`
	// Method, Size, Seed and Protocol are the spec's words; Spec is the whole of it, in its
	// canonical JSON.
	Method   string          `json:"method"`
	Size     string          `json:"size"`
	Protocol string          `json:"protocol"`
	Seed     int64           `json:"seed"`
	Spec     json.RawMessage `json:"spec"`
}

// Measure is a metric with its 95 % interval.
type Measure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Comparison is a paired test of a new model against the one in use, on the same users.
type Comparison struct {
	Metric string `json:"metric"`
	// CurrentPromotion is the number of the promotion that was compared with.
	CurrentPromotion int `json:"current_promotion"`
	Users            int `json:"users"`
	// Candidate and Old are means over the users, Difference is New - Old with its 95 % interval.
	Candidate  float64 `json:"candidate"`
	Current    float64 `json:"current"`
	Difference float64 `json:"difference"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	// P is the chance of a difference this low or lower, were the new model only as bad as the
	// margin allows.
	P float64 `json:"p"`
}

// ErrPromotionConflict says that another promotion came in between reading and writing.
var ErrPromotionConflict = errors.New("another model was promoted concurrently")

// promotionPointer is what current.json holds: small enough that writing it is one step on every
// kind of bucket.
type promotionPointer struct {
	Number int `json:"number"`
	// Digest is the record's, so that a pointer to a record that somebody changed is noticed.
	Digest string `json:"digest"`
}

// Promote appends p to the history of a name and has the pointer name it. Before is the number of
// the promotion that p was judged against, 0 for none; another one in its place is
// [ErrPromotionConflict]. P's number and kind are set here, except a rollback's kind. The same run
// promoting the same weights again, after a crash between the two writes, finds its own record.
//
// Two objects are written, the record first. There is one writer at a time: only activities that a
// workflow schedules call this, and the comparison with Before is what keeps two workflows apart,
// as far as reading and then writing can.
func (b *Bucket) Promote(ctx context.Context, name string, previous int, p Promotion) (Promotion, error) {
	current, err := b.CurrentPromotion(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return p, err
	}
	if current.sameAs(p) {
		return current, nil
	}
	if current.Number != previous {
		return p, fmt.Errorf("%w: %s is at promotion %d, not at %d", ErrPromotionConflict, name, current.Number, previous)
	}
	if err := b.checkArtifacts(ctx, p); err != nil {
		return p, err
	}
	if p.Number, err = b.nextPromotion(ctx, name, current.Number); err != nil {
		return p, err
	}
	if p.Kind != Rollback {
		p.Kind = NewPromotion
		if current.Number == 0 {
			p.Kind = FirstPromotion
		}
	}
	data, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return p, fmt.Errorf("encode promotion %d of %q: %w", p.Number, name, err)
	}
	if err := b.write(ctx, promotionKey(name, p.Number), data); err != nil {
		return p, err
	}
	pointer, err := json.Marshal(promotionPointer{p.Number, Digest(data)})
	if err != nil {
		return p, fmt.Errorf("encode the pointer of %q: %w", name, err)
	}
	return p, b.write(ctx, currentKey(name), pointer)
}

// checkArtifacts says what of a model is no longer in the bucket: a promotion of long ago may have
// been collected.
func (b *Bucket) checkArtifacts(ctx context.Context, p Promotion) error {
	for name, ref := range map[string]Ref{"model": p.Model.Weights, "dataset": p.Dataset, "preprocessed": p.Preprocessed} {
		there, err := b.isComplete(ctx, ref)
		if err != nil {
			return err
		}
		if !there {
			return fmt.Errorf("promote: the %s %q: %w", name, ref.Digest, ErrNotFound)
		}
	}
	return nil
}

func (p *Promotion) sameAs(other Promotion) bool {
	return p.Number > 0 && p.Run == other.Run && p.Workflow == other.Workflow && p.Model.Weights == other.Model.Weights
}

// nextPromotion is one more than the pointer's. A record of that number, left by a writer that died
// before the pointer, was never in use and is written over.
func (b *Bucket) nextPromotion(ctx context.Context, name string, current int) (int, error) {
	all, err := b.promotionNumbers(ctx, name)
	if err != nil {
		return 0, err
	}
	if len(all) > 0 && all[len(all)-1] > current+1 {
		return 0, &CorruptError{currentKey(name), fmt.Sprintf("it names promotion %d, but there is one of number %d", current, all[len(all)-1])}
	}
	return current + 1, nil
}

// CurrentPromotion is the model in use under a name, or [ErrNotFound].
func (b *Bucket) CurrentPromotion(ctx context.Context, name string) (Promotion, error) {
	data, err := b.read(ctx, currentKey(name))
	if err != nil {
		return Promotion{}, err
	}
	var pointer promotionPointer
	if err := json.Unmarshal(data, &pointer); err != nil || pointer.Number < 1 {
		return Promotion{}, &CorruptError{currentKey(name), fmt.Sprintf("its %d bytes contain no promotion", len(data))}
	}
	key := promotionKey(name, pointer.Number)
	data, err = b.read(ctx, key)
	if err != nil {
		return Promotion{}, err
	}
	if got := Digest(data); got != pointer.Digest {
		return Promotion{}, &CorruptError{key, fmt.Sprintf("it hashes to %s, where the pointer says %s", got, pointer.Digest)}
	}
	return decodePromotion(key, data)
}

// Promotions is the history of a name, oldest first, up to the one in use.
func (b *Bucket) Promotions(ctx context.Context, name string) ([]Promotion, error) {
	current, err := b.CurrentPromotion(ctx, name)
	if err != nil {
		return nil, err
	}
	history := make([]Promotion, 0, current.Number)
	for number := 1; number <= current.Number; number++ {
		p, err := b.Promotion(ctx, name, number)
		if err != nil {
			return nil, err
		}
		history = append(history, p)
	}
	return history, nil
}

// Promotion is one of the history of a name.
func (b *Bucket) Promotion(ctx context.Context, name string, number int) (Promotion, error) {
	key := promotionKey(name, number)
	data, err := b.read(ctx, key)
	if err != nil {
		return Promotion{}, err
	}
	return decodePromotion(key, data)
}

func decodePromotion(key string, data []byte) (Promotion, error) {
	var p Promotion
	if err := json.Unmarshal(data, &p); err != nil {
		return p, &CorruptError{key, "not a promotion's record: " + err.Error()}
	}
	return p, nil
}

func (b *Bucket) promotionNumbers(ctx context.Context, name string) ([]int, error) {
	keys, err := b.list(ctx, promotionFolder(name))
	if err != nil {
		return nil, err
	}
	var all []int
	for _, key := range keys {
		var number int
		if _, err := fmt.Sscanf(path.Base(key), "%d.json", &number); err == nil && promotionKey(name, number) == key {
			all = append(all, number)
		}
	}
	slices.Sort(all)
	return all, nil
}
