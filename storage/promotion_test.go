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

	"rdrec/storage"
)

// promotion is of a model whose weights say text, in a run of that name.
func (h history) promotion(t *testing.T, text string) storage.Promotion {
	t.Helper()
	return storage.Promotion{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Workflow: "nightly", Run: text, Dataset: h.data,
		Examples: h.data,
		Model: storage.PromotedModel{
			Weights: h.artefact(t, "model", map[string]string{"model.safetensors": text}), Method: "rdrec",
			Size: "t5-small", Seed: 1,
			Spec: []byte(`{"name":"shop"}`),
		},
		Counts: map[string]int{"users": 3},
	}
}

func (h history) promote(t *testing.T, before int, p storage.Promotion) storage.Promotion {
	t.Helper()
	promoted, err := h.Promote(t.Context(), "shop", before, p)
	if err != nil {
		t.Fatal(err)
	}
	return promoted
}

func TestPromotionsAreAHistoryAndAPointer(t *testing.T) {
	h := newHistory(t)
	if _, err := h.Promoted(t.Context(), "shop"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("before the first promotion: %v, want ErrNotFound", err)
	}
	first := h.promote(t, 0, h.promotion(t, "one"))
	second := h.promote(t, 1, h.promotion(t, "two"))
	back := first
	back.Kind, back.Of, back.Run = storage.Rollback, first.Number, "three"
	third := h.promote(t, 2, back)
	kinds := []string{first.Kind, second.Kind, third.Kind}
	if diff := cmp.Diff([]string{"first", "promoted", "rollback"}, kinds); diff != "" {
		t.Error("kinds:", diff)
	}
	used, err := h.Promoted(t.Context(), "shop")
	if err != nil || used.Number != 3 || used.Of != 1 || used.Model.Weights != first.Model.Weights {
		t.Errorf("in use: %+v, %v; want promotion 3 with the first one's weights", used, err)
	}
	all, err := h.Promotions(t.Context(), "shop")
	if err != nil || len(all) != 3 || all[1].Run != "two" {
		t.Errorf("history: %+v, %v", all, err)
	}
}

func TestTheSamePromotionTwiceIsOne(t *testing.T) {
	h := newHistory(t)
	p := h.promotion(t, "one")
	h.promote(t, 0, p)
	if again := h.promote(t, 0, p); again.Number != 1 {
		t.Errorf("again it is number %d, want 1", again.Number)
	}
}

func TestAPromotionJudgedAgainstAnotherIsRefused(t *testing.T) {
	h := newHistory(t)
	h.promote(t, 0, h.promotion(t, "one"))
	h.promote(t, 1, h.promotion(t, "two"))
	if _, err := h.Promote(t.Context(), "shop", 1, h.promotion(t, "late")); !errors.Is(err,
		storage.ErrPromotedMeanwhile) {
		t.Errorf("a promotion judged against number 1 when 2 is in use: %v", err)
	}
	gone := h.promotion(t, "gone")
	gone.Model.Weights = storage.Ref{Digest: strings.Repeat("0", 64), Size: 1}
	if _, err := h.Promote(t.Context(), "shop", 2, gone); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a model that is not in the bucket: %v, want ErrNotFound", err)
	}
	if used, err := h.Promoted(t.Context(), "shop"); err != nil || used.Number != 2 {
		t.Errorf("in use is %d, %v; want 2", used.Number, err)
	}
}

// TestAWriterThatDiedBeforeThePointerChangedNothing has a record without a pointer to it, as a
// crash leaves it.
func TestAWriterThatDiedBeforeThePointerChangedNothing(t *testing.T) {
	h := newHistory(t)
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
	if all, err := h.Promotions(t.Context(), "shop"); err != nil || len(all) != 1 {
		t.Errorf("history has %d, %v; want the first alone", len(all), err)
	}
	if next := h.promote(t, 1, h.promotion(t, "three")); next.Number != 2 {
		t.Errorf("the next one is %d, want 2", next.Number)
	}
}

func TestACorruptPromotionIsNoticed(t *testing.T) {
	h := newHistory(t)
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
	if _, err := h.Promoted(t.Context(), "shop"); !errors.As(err, &corrupt) {
		t.Errorf("reading it: %v, want it corrupt", err)
	}
	found, err := h.Verify(t.Context(), "")
	if err != nil || len(found.Faults) != 1 || found.Faults[0].Key != "nightly/shop/current.json" {
		t.Errorf("verify: %+v, %v; want the pointer named", found.Faults, err)
	}
	if _, err := h.Collect(t.Context(), storage.Collection{Before: time.Now()}); !errors.As(err, &corrupt) {
		t.Errorf("gc: %v, want it refused", err)
	}
}

// TestPromotedModelsAreNotCollected goes through more promotions than are kept: the newest stay,
// and the one in use.
func TestPromotedModelsAreNotCollected(t *testing.T) {
	h := newHistory(t)
	const all, kept = 33, 30
	for k := range all {
		h.promote(t, k, h.promotion(t, fmt.Sprint("model ", k)))
	}
	if _, err := h.Collect(t.Context(), storage.Collection{Before: time.Now().Add(time.Hour)}); err != nil {
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
	if err != nil || len(found.Faults) > 0 || found.Runs != kept {
		t.Errorf("verify looked at %d promotions, want %d; faults %+v, %v", found.Runs, kept, found.Faults, err)
	}
}

func TestNightsComeInTheirOrder(t *testing.T) {
	h := newHistory(t)
	if records, newest, err := h.Nights(t.Context(), "shop", 3); err != nil || newest != 0 || len(records) != 0 {
		t.Errorf("before the first night: %q, newest %d, %v", records, newest, err)
	}
	for k := range 12 {
		if err := h.PutNight(t.Context(), "shop", k+1, fmt.Appendf(nil, "%d", k+1)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(h.root, "nightly/shop/nights/000099.json.1f.tmp"))
	for last, want := range map[int]string{
		0: "", 1: "12", 3: "10 11 12", 12: "1 2 3 4 5 6 7 8 9 10 11 12",
		13: "1 2 3 4 5 6 7 8 9 10 11 12",
	} {
		records, newest, err := h.Nights(t.Context(), "shop", last)
		if got := string(bytes.Join(records, []byte(" "))); err != nil || newest != 12 || got != want {
			t.Errorf("the last %d of 12 nights: %q, newest %d, %v; want %q", last, got, newest, err, want)
		}
	}
	writeFile(t, filepath.Join(h.root, "nightly/shop/nights/last.json"))
	var corrupt *storage.CorruptError
	if _, _, err := h.Nights(t.Context(), "shop", 1); !errors.As(err,
		&corrupt) || corrupt.Key != "nightly/shop/nights/last.json" {
		t.Errorf("a night whose name is no number: %v", err)
	}
}

// TestAPromotionOfAnotherRunOrModelIsAnother repeats a promotion with one thing changed.
func TestAPromotionOfAnotherRunOrModelIsAnother(t *testing.T) {
	for name, change := range map[string]func(h history, p *storage.Promotion){
		"run":      func(_ history, p *storage.Promotion) { p.Run = "other" },
		"workflow": func(_ history, p *storage.Promotion) { p.Workflow = "other" },
		"weights":  func(h history, p *storage.Promotion) { p.Model.Weights = h.model },
	} {
		h := newHistory(t)
		p := h.promotion(t, "one")
		h.promote(t, 0, p)
		change(h, &p)
		if next := h.promote(t, 1, p); next.Number != 2 || next.Kind != storage.NewPromotion {
			t.Errorf("another %s: promotion %d, %q; want the second", name, next.Number, next.Kind)
		}
	}
}

// TestAPromotionNeedsItsArtefacts loses each of them in turn; reviews and a table may be absent.
func TestAPromotionNeedsItsArtefacts(t *testing.T) {
	h := newHistory(t)
	gone := storage.Ref{Digest: strings.Repeat("0", 64), Size: 1}
	for what, lose := range map[string]func(p *storage.Promotion){
		"model":    func(p *storage.Promotion) { p.Model.Weights = gone },
		"dataset":  func(p *storage.Promotion) { p.Dataset = gone },
		"examples": func(p *storage.Promotion) { p.Examples = gone },
	} {
		p := h.promotion(t, "one")
		lose(&p)
		if _, err := h.Promote(t.Context(), "shop", 0, p); !errors.Is(err,
			storage.ErrNotFound) || !strings.Contains(err.Error(), what) {
			t.Errorf("without its %s: %v", what, err)
		}
	}
	if _, err := h.Promoted(t.Context(), "shop"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("something is in use: %v", err)
	}
}

func TestAPromotionThatCannotBeEncodedIsRefused(t *testing.T) {
	h := newHistory(t)
	p := h.promotion(t, "one")
	p.Model.Spec = []byte("{no JSON")
	if _, err := h.Promote(t.Context(), "shop", 0, p); err == nil || !strings.Contains(err.Error(),
		"promotion 1 of \"shop\"") {
		t.Error(err)
	}
	if _, err := h.Promote(t.Context(), "shop", 0, storage.Promotion{}); err == nil {
		t.Error("nothing at all is promoted")
	}
	if _, err := h.Promoted(t.Context(), "shop"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("something is in use: %v", err)
	}
}

// TestARecordBeyondTheNextIsRefused has records of numbers that no crash between two writes leaves.
func TestARecordBeyondTheNextIsRefused(t *testing.T) {
	for number, refused := range map[int]bool{1: false, 2: false, 3: true, 10: true} {
		h := newHistory(t)
		h.promote(t, 0, h.promotion(t, "one"))
		if number > 1 {
			writeFile(t, filepath.Join(h.root, fmt.Sprintf("nightly/shop/promotions/%06d.json", number)))
		}
		writeFile(t, filepath.Join(h.root, "nightly/shop/promotions/99.json"))
		writeFile(t, filepath.Join(h.root, "nightly/shop/promotions/notes.txt"))
		_, err := h.Promote(t.Context(), "shop", 1, h.promotion(t, "two"))
		var corrupt *storage.CorruptError
		if errors.As(err, &corrupt) != refused || (err != nil) != refused {
			t.Errorf("a record of number %d beside promotion 1: %v, want it refused: %t", number, err, refused)
		}
	}
}

// TestPointersNameAPromotion has pointers with numbers below the first.
func TestPointersNameAPromotion(t *testing.T) {
	h := newHistory(t)
	for _, number := range []int{0, -1} {
		path := filepath.Join(h.root, "nightly/shop/current.json")
		writeFile(t, path)
		if err := os.WriteFile(path, fmt.Appendf(nil, `{"number":%d,"digest":"x"}`, number), 0o600); err != nil {
			t.Fatal(err)
		}
		var corrupt *storage.CorruptError
		if _, err := h.Promoted(t.Context(), "shop"); !errors.As(err,
			&corrupt) || corrupt.Key != "nightly/shop/current.json" {
			t.Errorf("number %d: %v", number, err)
		}
	}
}
