package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// artifact stores an artifact of one file.
func artifact(t *testing.T, b *storage.Bucket, text string) storage.Ref {
	t.Helper()
	return storagetest.PutArtifact(t, b, map[string]string{"file": text})
}

// putRun stores the record of a run.
func putRun(t *testing.T, b *storage.Bucket, workflow, run string, record registry.RunRecord) {
	t.Helper()
	text, err := json.Marshal(record)
	if err == nil {
		err = b.PutRun(t.Context(), workflow, run, storage.RunRecord, text)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// promote puts a model in use as shop's promotion after the previous one.
func promote(t *testing.T, b *storage.Bucket, previous int) registry.Promotion {
	t.Helper()
	data := artifact(t, b, "data")
	promoted, err := registry.Promote(t.Context(), b, "shop", previous, registry.Promotion{
		Run: fmt.Sprint(previous + 1), Dataset: data, Preprocessed: data,
		Model: registry.PromotedModel{
			Weights: artifact(t, b, "weights"), Method: "rdrec", Seed: 3, Spec: []byte("{}"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return promoted
}

// twoRuns stores two runs of an experiment, r1 and r2, and two promotions and two nightly runs of
// shop. It returns the runs' records and the objects.
func twoRuns(t *testing.T) (first, second registry.RunRecord, objects map[string][]byte) {
	t.Helper()
	b, server := storagetest.Open(t, nil, 0)
	data, weights := artifact(t, b, "data"), artifact(t, b, "weights")
	first = registry.RunRecord{Dataset: data, Preprocessed: data, Spec: spec.Default()}
	first.Trials = []registry.TrialResult{{Method: "rdrec", Seed: 1, Model: weights, Evaluations: []storage.Ref{data}}}
	second = first
	second.Dataset = artifact(t, b, "other data")
	putRun(t, b, "exp", "r1", first)
	putRun(t, b, "exp", "r2", second)
	for number := 1; number <= 2; number++ {
		nightly := registry.NightlyRun{
			Name: "shop", Number: number, Run: fmt.Sprint(number), Verdict: registry.VerdictIdle,
		}
		if err := putNightlyRun(t.Context(), b, nightly); err != nil {
			t.Fatal(err)
		}
		promote(t, b, number-1)
	}
	return first, second, server.Objects()
}

// putNightlyRun stores the record of a nightly run of models without reviews.
func putNightlyRun(ctx context.Context, b *storage.Bucket, run registry.NightlyRun) error {
	index, err := openIndex(ctx, b)
	if err != nil {
		return err
	}
	_, err = index.Put(ctx, run)
	return err
}

// TestEveryBrokenCallIsReturned breaks each call of each function's bucket in turn.
func TestEveryBrokenCallIsReturned(t *testing.T) {
	first, second, objects := twoRuns(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, do := range map[string]func(context.Context, *storage.Bucket) error{
		"model of a promotion": func(ctx context.Context, b *storage.Bucket) error {
			_, err := registry.FindModel(ctx, b, "shop", "")
			return err
		},
		"model of a run": func(ctx context.Context, b *storage.Bucket) error {
			_, err := registry.FindModel(ctx, b, "exp", "")
			return err
		},
		"run": func(ctx context.Context, b *storage.Bucket) error {
			_, _, err := registry.ReadRun(ctx, b, "exp/r1")
			return err
		},
		"latest run": func(ctx context.Context, b *storage.Bucket) error {
			_, _, err := registry.ReadRun(ctx, b, "exp")
			return err
		},
		"compare runs": func(ctx context.Context, b *storage.Bucket) error {
			_, err := registry.CompareRuns(ctx, b, first, second)
			return err
		},
		"nightly runs": func(ctx context.Context, b *storage.Bucket) error {
			_, err := registry.ReadNightlyRuns(ctx, b, "shop", 2)
			return err
		},
		"put a nightly run": func(ctx context.Context, b *storage.Bucket) error {
			return putNightlyRun(ctx, b, registry.NightlyRun{Name: "shop", Number: 3, Run: "3"})
		},
		"page": func(ctx context.Context, b *storage.Bucket) error {
			_, err := registry.ReadNightlyPage(ctx, b, "shop", 2, now)
			return err
		},
		"write the page": func(ctx context.Context, b *storage.Bucket) error {
			return registry.WriteNightlyPage(ctx, b, "shop", now)
		},
		"promotions": func(ctx context.Context, b *storage.Bucket) error {
			_, err := registry.Promotions(ctx, b, "shop")
			return err
		},
		"promotion": func(ctx context.Context, b *storage.Bucket) error {
			_, err := registry.ReadPromotion(ctx, b, "shop", 1)
			return err
		},
		"promote": func(ctx context.Context, b *storage.Bucket) error {
			p := registry.Promotion{
				Run: "3", Dataset: first.Dataset, Preprocessed: first.Dataset,
				Model: registry.PromotedModel{Weights: first.Trials[0].Model, Spec: []byte("{}")},
			}
			_, err := registry.Promote(ctx, b, "shop", 2, p)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for failAt := 0; ; failAt++ {
				b, server := storagetest.Open(t, objects, failAt)
				err := do(t.Context(), b)
				if failAt == 0 && err != nil {
					t.Fatal(err)
				}
				if failAt > server.Calls() {
					break
				}
				if failAt > 0 && !errors.Is(err, storagetest.ErrBroken) {
					t.Errorf("call %d of %d breaks: %v", failAt, server.Calls(), err)
				}
			}
		})
	}
}

// TestATornRecordIsNamed has a run, a promotion and a promotion's spec that are not JSON.
func TestATornRecordIsNamed(t *testing.T) {
	_, _, objects := twoRuns(t)
	objects[storage.RunKey("exp", "r2", storage.RunRecord)] = []byte("{")
	objects[storage.PromotionKey("shop", 1)] = []byte("{")
	b, _ := storagetest.Open(t, objects, 0)
	var corrupt *storage.CorruptError
	if _, _, err := registry.ReadRun(t.Context(), b, "exp/r2"); !errors.As(err, &corrupt) ||
		corrupt.Key != "runs/exp/r2/run.json" {
		t.Errorf("a torn run: %v", err)
	}
	if _, err := registry.ReadPromotion(t.Context(), b, "shop", 1); !errors.As(err, &corrupt) ||
		corrupt.Key != storage.PromotionKey("shop", 1) {
		t.Errorf("a torn promotion: %v", err)
	}
	if _, err := registry.Promotions(t.Context(), b, "shop"); !errors.As(err, &corrupt) {
		t.Errorf("a history with a torn promotion: %v", err)
	}
	p := registry.Promotion{Number: 7, Model: registry.PromotedModel{Spec: []byte("{")}}
	if _, err := registry.ModelOfPromotion("shop", p); !errors.Is(err, registry.ErrCorrupt) ||
		!strings.HasPrefix(err.Error(), `promotion 7 of "shop"`) {
		t.Errorf("a torn spec: %v", err)
	}
}
