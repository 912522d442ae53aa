package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Settings are what people decided about a bucket. A bucket without settings has their zero value.
type Settings struct {
	Retention Retention `json:"retention"`
}

// Retention is what remains of the runs of a bucket.
type Retention struct {
	// Policy is that of all names that have none of their own.
	Policy
	// Names are the policies of single names: of experiments, of schedules and of promoted models.
	Names map[string]Policy `json:"names,omitempty"`
	// KeepCheckpoints leaves the checkpoints of finished trainings to garbage collection. Otherwise
	// they are deleted when the training is recorded.
	KeepCheckpoints bool `json:"keep_checkpoints,omitempty"`
}

// Policy is what remains of the runs of a name. A run remains while any part of the policy asks for
// it; the zero value keeps all of them.
type Policy struct {
	// KeepRuns is how many of the last runs remain; 0 means none by their number.
	KeepRuns int `json:"keep_runs,omitempty"`
	// KeepDays is for how many days a run remains after its last object was written; 0 means for
	// none. Checkpoints of unfinished trainings remain as long; with 0, for ever.
	KeepDays int `json:"keep_days,omitempty"`
	// KeepPromotions is how many of the last promotions and nightly runs keep their models; 0 means
	// [DefaultPromotions]. The model in use remains in any case.
	KeepPromotions int `json:"keep_promotions,omitempty"`
}

// DefaultPromotions is the default of [Policy].KeepPromotions.
const DefaultPromotions = 30

// minPromotions leaves a model to roll back to.
const minPromotions = 2

// of returns the policy of a name.
func (r Retention) of(name string) Policy {
	policy, ok := r.Names[name]
	if !ok {
		policy = r.Policy
	}
	if policy.KeepPromotions == 0 {
		policy.KeepPromotions = DefaultPromotions
	}
	return policy
}

// RemovesRuns reports whether a policy removes any run.
func (r Retention) RemovesRuns() bool {
	for _, policy := range r.Names {
		if policy.removesRuns() {
			return true
		}
	}
	return r.removesRuns()
}

func (p Policy) removesRuns() bool { return p.KeepRuns > 0 || p.KeepDays > 0 }

// Validate returns an error if a number makes no sense.
func (r Retention) Validate() error {
	err := r.validate()
	for name, policy := range r.Names {
		if wrong := policy.validate(); wrong != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, wrong))
		}
	}
	return err
}

func (p Policy) validate() error {
	switch {
	case p.KeepRuns < 0 || p.KeepDays < 0:
		return errors.New("numbers of runs and days must not be negative")
	case p.KeepPromotions != 0 && p.KeepPromotions < minPromotions:
		return fmt.Errorf("at least %d promotions must remain: a rollback needs the one before", minPromotions)
	default:
		return nil
	}
}

// remains reports whether the policy keeps a run: the n-th last of its name, from 0, whose last
// object was written at a time.
func (p Policy) remains(n int, written, now time.Time) bool {
	return !p.removesRuns() || n < p.KeepRuns || p.KeepDays > 0 && written.After(daysBefore(now, p.KeepDays))
}

func daysBefore(now time.Time, days int) time.Time {
	return now.Add(-time.Duration(days) * 24 * time.Hour)
}

// Settings returns the bucket's settings.
func (b *Bucket) Settings(ctx context.Context) (s Settings, err error) {
	data, err := b.read(ctx, settingsKey)
	if errors.Is(err, ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, &CorruptError{settingsKey, err.Error()}
	}
	if err := s.Retention.Validate(); err != nil {
		return s, &CorruptError{settingsKey, err.Error()}
	}
	return s, nil
}

// PutSettings replaces the bucket's settings.
func (b *Bucket) PutSettings(ctx context.Context, s Settings) error {
	if err := s.Retention.Validate(); err != nil {
		return fmt.Errorf("settings of the bucket: %w", err)
	}
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return fmt.Errorf("encode the settings of the bucket: %w", err)
	}
	return b.write(ctx, settingsKey, append(data, '\n'))
}
