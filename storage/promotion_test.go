package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/report"
	"rdrec/registry"
	"rdrec/storage"
)

// promotion is of a model whose weights say text, in a run of that name.
func (h runHistory) promotion(t *testing.T, text string) registry.Promotion {
	t.Helper()
	return registry.Promotion{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Workflow: "nightly", Run: text, Dataset: h.data,
		Preprocessed: h.data,
		Model: registry.PromotedModel{
			Weights: h.putArtifact(t, "model", map[string]string{"model.safetensors": text}), Method: "rdrec",
			Size: "t5-small", Seed: 1,
			Spec: []byte(`{"name":"shop"}`),
		},
		Counts: &report.NightlyCounts{Users: 3},
	}
}

func (h runHistory) promote(t *testing.T, previous int, p registry.Promotion) registry.Promotion {
	t.Helper()
	promoted, err := registry.Promote(t.Context(), h.Bucket, "shop", previous, p)
	if err != nil {
		t.Fatal(err)
	}
	return promoted
}

func TestPromoteAppendsToHistory(t *testing.T) {
	h := newRunHistory(t)
	if _, err := registry.CurrentPromotion(t.Context(), h.Bucket, "shop"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("before the first promotion: %v, want ErrNotFound", err)
	}
	first := h.promote(t, 0, h.promotion(t, "one"))
	second := h.promote(t, 1, h.promotion(t, "two"))
	back := first
	back.Kind, back.RollbackTo, back.Run = registry.Rollback, first.Number, "three"
	third := h.promote(t, 2, back)
	kinds := []string{first.Kind, second.Kind, third.Kind}
	if diff := cmp.Diff([]string{"first", "promoted", "rollback"}, kinds); diff != "" {
		t.Error("kinds:", diff)
	}
	current, err := registry.CurrentPromotion(t.Context(), h.Bucket, "shop")
	if err != nil || current.Number != 3 || current.RollbackTo != 1 || current.Model.Weights != first.Model.Weights {
		t.Errorf("in use: %+v, %v; want promotion 3 with the first one's weights", current, err)
	}
	all, err := registry.Promotions(t.Context(), h.Bucket, "shop")
	if err != nil || len(all) != 3 || all[1].Run != "two" {
		t.Errorf("history: %+v, %v", all, err)
	}
}

func TestPromoteIsIdempotent(t *testing.T) {
	h := newRunHistory(t)
	p := h.promotion(t, "one")
	h.promote(t, 0, p)
	if again := h.promote(t, 0, p); again.Number != 1 {
		t.Errorf("again it is number %d, want 1", again.Number)
	}
}

func TestPromoteDetectsConflict(t *testing.T) {
	h := newRunHistory(t)
	h.promote(t, 0, h.promotion(t, "one"))
	h.promote(t, 1, h.promotion(t, "two"))
	if _, err := registry.Promote(t.Context(), h.Bucket, "shop", 1, h.promotion(t, "late")); !errors.Is(err,
		registry.ErrPromotionConflict) {
		t.Errorf("a promotion compared against number 1 when 2 is in use: %v", err)
	}
	gone := h.promotion(t, "gone")
	gone.Model.Weights = storage.Ref{Digest: strings.Repeat("0", 64), Size: 1}
	if _, err := registry.Promote(t.Context(), h.Bucket, "shop", 2, gone); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a model that is not in the bucket: %v, want ErrNotFound", err)
	}
	if current, err := registry.CurrentPromotion(t.Context(), h.Bucket, "shop"); err != nil || current.Number != 2 {
		t.Errorf("in use is %d, %v; want 2", current.Number, err)
	}
}

// TestPromotionWithoutPointerIsIgnored has a record without a pointer to it, as a
// crash leaves it.
func TestPromotionWithoutPointerIsIgnored(t *testing.T) {
	h := newRunHistory(t)
	h.promote(t, 0, h.promotion(t, "one"))
	pointer := filepath.Join(h.root, "nightly/shop/current.json")
	before, err := os.ReadFile(pointer)
	if err != nil {
		t.Fatal(err)
	}
	h.promote(t, 1, h.promotion(t, "two"))
	if err := os.WriteFile(pointer, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := registry.Promotions(t.Context(), h.Bucket, "shop"); err != nil || len(all) != 1 {
		t.Errorf("history has %d, %v; want the first alone", len(all), err)
	}
	if next := h.promote(t, 1, h.promotion(t, "three")); next.Number != 2 {
		t.Errorf("the next one is %d, want 2", next.Number)
	}
}

func TestCorruptPromotionIsDetected(t *testing.T) {
	h := newRunHistory(t)
	h.promote(t, 0, h.promotion(t, "one"))
	path := filepath.Join(h.root, "nightly/shop/promotions/000001.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), "rdrec", "other", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	var corrupt *storage.CorruptError
	if _, err := registry.CurrentPromotion(t.Context(), h.Bucket, "shop"); !errors.As(err, &corrupt) {
		t.Errorf("reading it: %v, want it corrupt", err)
	}
	found, err := h.Verify(t.Context(), "")
	if err != nil || len(found.BadObjects) != 1 || found.BadObjects[0].Key != "nightly/shop/current.json" {
		t.Errorf("verify: %+v, %v; want the pointer named", found.BadObjects, err)
	}
	if _, err := h.Collect(t.Context(), storage.CollectOptions{Before: time.Now()}); !errors.As(err, &corrupt) {
		t.Errorf("gc: %v, want it refused", err)
	}
}

// TestCollectRetainsPromotedModels goes through more promotions than are kept: the newest stay,
// and the one in use.
func TestCollectRetainsPromotedModels(t *testing.T) {
	h := newRunHistory(t)
	const all, kept = 33, 30
	for k := range all {
		h.promote(t, k, h.promotion(t, fmt.Sprint("model ", k)))
	}
	if _, err := h.Collect(t.Context(), storage.CollectOptions{Before: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for k := range all {
		_, err := os.Stat(filepath.Join(h.root,
			storage.ContentKey(storage.Ref{Digest: storage.Digest([]byte(fmt.Sprint("model ", k)))})))
		if there := err == nil; there != (k >= all-kept) {
			t.Errorf("model %d is there: %v", k, there)
		}
	}
	found, err := h.Verify(t.Context(), "nightly/shop")
	if err != nil || len(found.BadObjects) > 0 || found.Runs != kept {
		t.Errorf("verify looked at %d promotions, want %d; faults %+v, %v", found.Runs, kept, found.BadObjects, err)
	}
}

func TestNightlyRunsAreOrdered(t *testing.T) {
	h := newRunHistory(t)
	if records, newest, err := h.NightlyRuns(t.Context(), "shop", 3); err != nil || newest != 0 || len(records) != 0 {
		t.Errorf("before the first run: %q, newest %d, %v", records, newest, err)
	}
	for k := range 12 {
		if err := h.PutNightlyRun(t.Context(), "shop", k+1, fmt.Appendf(nil, "%d", k+1)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(h.root, "nightly/shop/runs/000099.json.1f.tmp"))
	for last, want := range map[int]string{
		0: "", 1: "12", 3: "10 11 12", 12: "1 2 3 4 5 6 7 8 9 10 11 12",
		13: "1 2 3 4 5 6 7 8 9 10 11 12",
	} {
		records, newest, err := h.NightlyRuns(t.Context(), "shop", last)
		if got := string(bytes.Join(records, []byte(" "))); err != nil || newest != 12 || got != want {
			t.Errorf("the last %d of 12 runs: %q, newest %d, %v; want %q", last, got, newest, err, want)
		}
	}
	writeFile(t, filepath.Join(h.root, "nightly/shop/runs/last.json"))
	var corrupt *storage.CorruptError
	if _, _, err := h.NightlyRuns(t.Context(), "shop", 1); !errors.As(err,
		&corrupt) || corrupt.Key != "nightly/shop/runs/last.json" {
		t.Errorf("a nightly run whose name is no number: %v", err)
	}
}

// TestPromotionsOfDifferentRunsOrModelsDiffer repeats a promotion with one thing changed.
func TestPromotionsOfDifferentRunsOrModelsDiffer(t *testing.T) {
	for name, change := range map[string]func(h runHistory, p *registry.Promotion){
		"run":      func(_ runHistory, p *registry.Promotion) { p.Run = "other" },
		"workflow": func(_ runHistory, p *registry.Promotion) { p.Workflow = "other" },
		"weights":  func(h runHistory, p *registry.Promotion) { p.Model.Weights = h.model },
	} {
		h := newRunHistory(t)
		p := h.promotion(t, "one")
		h.promote(t, 0, p)
		change(h, &p)
		if next := h.promote(t, 1, p); next.Number != 2 || next.Kind != registry.NewPromotion {
			t.Errorf("another %s: promotion %d, %q; want the second", name, next.Number, next.Kind)
		}
	}
}

// TestPromoteNeedsItsArtifacts loses each of them in turn; reviews and a table may be absent.
func TestPromoteNeedsItsArtifacts(t *testing.T) {
	h := newRunHistory(t)
	gone := storage.Ref{Digest: strings.Repeat("0", 64), Size: 1}
	for what, lose := range map[string]func(p *registry.Promotion){
		"model":        func(p *registry.Promotion) { p.Model.Weights = gone },
		"dataset":      func(p *registry.Promotion) { p.Dataset = gone },
		"preprocessed": func(p *registry.Promotion) { p.Preprocessed = gone },
	} {
		p := h.promotion(t, "one")
		lose(&p)
		if _, err := registry.Promote(t.Context(), h.Bucket, "shop", 0, p); !errors.Is(err,
			storage.ErrNotFound) || !strings.Contains(err.Error(), what) {
			t.Errorf("without its %s: %v", what, err)
		}
	}
	if _, err := registry.CurrentPromotion(t.Context(), h.Bucket, "shop"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("something is in use: %v", err)
	}
}

func TestAPromotionThatCannotBeEncodedIsRefused(t *testing.T) {
	h := newRunHistory(t)
	p := h.promotion(t, "one")
	p.Model.Spec = []byte("{no JSON")
	if _, err := registry.Promote(t.Context(), h.Bucket, "shop", 0, p); err == nil || !strings.Contains(err.Error(),
		"promotion 1 of \"shop\"") {
		t.Error(err)
	}
	if _, err := registry.Promote(t.Context(), h.Bucket, "shop", 0, registry.Promotion{}); err == nil {
		t.Error("nothing at all is promoted")
	}
	if _, err := registry.CurrentPromotion(t.Context(), h.Bucket, "shop"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("something is in use: %v", err)
	}
}

// TestPromoteRejectsUnexpectedRecords has records of numbers that no crash between two writes
// leaves.
func TestPromoteRejectsUnexpectedRecords(t *testing.T) {
	for number, rejected := range map[int]bool{1: false, 2: false, 3: true, 10: true} {
		h := newRunHistory(t)
		h.promote(t, 0, h.promotion(t, "one"))
		if number > 1 {
			writeFile(t, filepath.Join(h.root, fmt.Sprintf("nightly/shop/promotions/%06d.json", number)))
		}
		writeFile(t, filepath.Join(h.root, "nightly/shop/promotions/99.json"))
		writeFile(t, filepath.Join(h.root, "nightly/shop/promotions/notes.txt"))
		_, err := registry.Promote(t.Context(), h.Bucket, "shop", 1, h.promotion(t, "two"))
		var corrupt *storage.CorruptError
		if errors.As(err, &corrupt) != rejected || (err != nil) != rejected {
			t.Errorf("a record of number %d beside promotion 1: %v, want it refused: %t", number, err, rejected)
		}
	}
}

// TestPointerMustNameAPromotion has pointers with numbers below the first.
func TestPointerMustNameAPromotion(t *testing.T) {
	h := newRunHistory(t)
	for _, number := range []int{0, -1} {
		path := filepath.Join(h.root, "nightly/shop/current.json")
		writeFile(t, path)
		if err := os.WriteFile(path, fmt.Appendf(nil, `{"number":%d,"digest":"x"}`, number), 0o600); err != nil {
			t.Fatal(err)
		}
		var corrupt *storage.CorruptError
		if _, err := registry.CurrentPromotion(t.Context(), h.Bucket, "shop"); !errors.As(err,
			&corrupt) || corrupt.Key != "nightly/shop/current.json" {
			t.Errorf("number %d: %v", number, err)
		}
	}
}
