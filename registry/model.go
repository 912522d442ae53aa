package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// Model is a trained student with everything that is needed to recommend with it. A name of a
// finished run or of promotions means a model ([FindModel]); exports, single recommendations and
// serving start from it.
type Model struct {
	// Name is the name by which the model was found.
	Name string `json:"name"`
	// Preprocessed is the artifact of the dataset that the student was trained on, Student the
	// student's own.
	Preprocessed storage.Ref `json:"preprocessed"`
	Student      storage.Ref `json:"student"`
	// Fusion is the mix of the student and baselines that recommends in the place of the student;
	// zero for none.
	Fusion storage.Ref `json:"fusion,omitzero"`
	// Method is the training method, Seed the trial's seed.
	Method string    `json:"method"`
	Seed   int64     `json:"seed"`
	Spec   spec.Spec `json:"spec"`
	// Table is the promotion's precomputed recommendations; zero for none.
	Table storage.Ref `json:"table,omitzero"`
	// UserKey is the digest of the key of its users' pseudonyms; empty where they have their own
	// ids.
	UserKey string `json:"user_key,omitzero"`
}

// ID returns a digest that is equal for models that recommend the same.
func (m Model) ID() (string, error) {
	key := struct {
		Method   string        `json:"method"`
		Evaluate spec.Evaluate `json:"evaluate"`
	}{m.Method, m.Spec.Evaluate.ForPredictions()}
	parts := []string{m.Preprocessed.Digest, m.Student.Digest}
	if !m.Fusion.IsZero() {
		parts = append(parts, m.Fusion.Digest)
	}
	return storage.Fingerprint("model", 1, key, parts...)
}

// FindModel returns the model that a name means. A name of promotions means the model in use; ID or
// ID/RUN means a student of a finished run: that of the first seed, and of the given method or else
// of the spec's first one. A promotion has only one model.
func FindModel(ctx context.Context, b *storage.Bucket, name, method string) (Model, error) {
	promoted, err := CurrentPromotion(ctx, b, name)
	if err == nil {
		return ModelOfPromotion(name, promoted)
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return Model{}, err
	}
	run, record, err := ReadRun(ctx, b, name)
	if err != nil {
		return Model{}, err
	}
	m, err := record.Student(method)
	m.Name = run
	if err != nil {
		return Model{}, fmt.Errorf("run %q: %w", run, err)
	}
	return m, nil
}

// ModelOfPromotion returns the model of a promotion of a name.
func ModelOfPromotion(name string, p Promotion) (Model, error) {
	m := Model{
		Name: fmt.Sprintf("%s/%d", name, p.Number), Preprocessed: p.Preprocessed, Student: p.Model.Weights,
		Fusion: p.Model.Fusion,
		Method: p.Model.Method, Seed: p.Model.Seed, Table: p.Table, UserKey: p.Model.UserKey,
	}
	if err := json.Unmarshal(p.Model.Spec, &m.Spec); err != nil {
		return Model{}, fmt.Errorf("promotion %d of %q: %w: the spec: %w", p.Number, name, ErrCorrupt, err)
	}
	return m, nil
}
