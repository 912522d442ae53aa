package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// Model is a trained student with all that it takes to ask it. A finished run and a promotion both
// name one ([FindModel]); exports, single recommendations and serving begin from it.
type Model struct {
	// Name is what it was found by, for people.
	Name string `json:"name"`
	// Preprocessed is the dataset's artifact that it was trained on, Student its own.
	Preprocessed storage.Ref `json:"preprocessed"`
	Student      storage.Ref `json:"student"`
	// Method is which of the spec's it learnt by, Seed its trial's.
	Method string    `json:"method"`
	Seed   int64     `json:"seed"`
	Spec   spec.Spec `json:"spec"`
	// Table is the recommendations that a promotion brings along; zero for none.
	Table storage.Ref `json:"table,omitzero"`
}

// ID is the same for models that answer the same.
func (m Model) ID() (string, error) {
	key := struct {
		Method   string        `json:"method"`
		Evaluate spec.Evaluate `json:"evaluate"`
	}{m.Method, m.Spec.Evaluate.WithoutShards()}
	return storage.Fingerprint("model", 1, key, m.Preprocessed.Digest, m.Student.Digest)
}

// FindModel resolves a name: that of promotions, whose model in use is meant, or a finished
// experiment's, as ID or ID/RUN. Of a run's students it takes the first seed's of the spec's first
// method, or of the method that is named; a promotion has only one.
func FindModel(ctx context.Context, b *storage.Bucket, name, method string) (Model, error) {
	promoted, err := b.CurrentPromotion(ctx, name)
	if err == nil {
		return PromotedModel(name, promoted)
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return Model{}, err
	}
	run, record, err := readRun(ctx, b, name)
	if err != nil {
		return Model{}, err
	}
	m, err := record.model(method)
	m.Name = run
	if err != nil {
		return Model{}, fmt.Errorf("run %q: %w", m.Name, err)
	}
	return m, nil
}

// readRun reads the record of a finished experiment or night, named as ID or ID/RUN, and says which
// run it is.
func readRun(ctx context.Context, b *storage.Bucket, name string) (string, ReportInput, error) {
	var record ReportInput
	workflow, run, err := b.LatestRun(ctx, name)
	if err != nil {
		return "", record, err
	}
	data, err := b.GetRun(ctx, workflow, run, storage.RunRecord)
	if err != nil {
		return "", record, err
	}
	if err := json.Unmarshal(data, &record); err != nil {
		return "", record, &storage.CorruptError{Key: storage.RunKey(workflow, run, storage.RunRecord), Reason: err.Error()}
	}
	return workflow + "/" + run, record, nil
}

// PromotedModel is the model of a promotion under a name.
func PromotedModel(name string, p storage.Promotion) (Model, error) {
	m := Model{
		Name: fmt.Sprintf("%s/%d", name, p.Number), Preprocessed: p.Preprocessed, Student: p.Model.Weights, Method: p.Model.Method, Seed: p.Model.Seed,
		Table: p.Table,
	}
	if err := json.Unmarshal(p.Model.Spec, &m.Spec); err != nil {
		return Model{}, fmt.Errorf("%w: promotion %d of %q: its spec: %w", ErrData, p.Number, name, err)
	}
	return m, nil
}

// errNoStudent says that a run has no student of the method.
var errNoStudent = errors.New("no student")

// model is the run's first student of a method.
func (r ReportInput) model(method string) (Model, error) {
	if method == "" && len(r.Spec.Methods) > 0 {
		method = r.Spec.Methods[0]
	}
	for _, trial := range r.Trials {
		if trial.Method == method && trial.Variant == "" {
			return Model{Preprocessed: r.Preprocessed, Student: trial.Model, Method: method, Seed: trial.Seed, Spec: r.Spec}, nil
		}
	}
	return Model{}, fmt.Errorf("%w: no student of method %q (available: %v)", errNoStudent, method, r.Spec.Methods)
}
