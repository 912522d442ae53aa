package storage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
	"rdrec/internal/report"
	"rdrec/registry"
	"rdrec/storage"
)

// zeroFields are the paths of the stored fields that are zero in a record, also inside of structs
// and of lists' elements.
func zeroFields(v reflect.Value, at string) (zero []string) {
	if at != "" && v.IsZero() {
		return []string{at}
	}
	switch v.Kind() {
	case reflect.Pointer:
		return zeroFields(v.Elem(), at)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				zero = append(zero, zeroFields(v.Index(i), at)...)
			}
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return nil
		}
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.Tag.Get("json") != "-" {
				zero = append(zero, zeroFields(v.Field(i), at+"."+field.Name)...)
			}
		}
	default: // a value without fields
	}
	return zero
}

func refOf(letter string, size int64) storage.Ref {
	return storage.Ref{Digest: strings.Repeat(letter, 64), Size: size}
}

func refJSON(letter, size string) string {
	return `{"digest":"` + strings.Repeat(letter, 64) + `","size":` + size + `}`
}

// fullPromotion has a value in each field; its artifacts are in the bucket of h.
func fullPromotion(h runHistory) registry.Promotion {
	return registry.Promotion{
		Number: 1, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Kind: registry.Rollback, RollbackTo: 7,
		Workflow: "w",
		Run:      "r",
		Reviews:  refOf("1", 10), Dataset: h.data, Preprocessed: h.data, Table: refOf("2", 20),
		Model: registry.PromotedModel{
			Weights: h.model, Fusion: h.data, Method: "rdrec", Size: "t5-small", Protocol: "clean", Seed: 3,
			Spec: json.RawMessage(`{"name":"shop"}`), UserKey: "k",
		},
		Metrics: []metric.Score{{Metric: "HR@1", Value: 0.5, Interval: &metric.Interval{Low: 0.25, High: 0.75}, N: 5}},
		Comparison: &registry.Comparison{
			Metric:           "HR@5",
			CurrentPromotion: 4,
			Users:            5,
			Candidate:        0.5,
			Current:          0.25,
			Difference:       0.125,
			Baseline:         "markov",
			Interval:         metric.Interval{Low: -1, High: 2},
			Margin:           0.5,
			P:                0.0625,
		},
		Manual: true, FromRun: "w/r",
		Counts: &report.NightlyCounts{
			Rows: 1, Bad: 2, Users: 3, Items: 4, Interactions: 5, Rationales: 6, Parsed: 7,
			NewRows: 8, NewBad: 9, NewUsers: 10, NewItems: 11, NewRationales: 12, NewParsed: 13, Requests: 14,
			Tokens: 15,
		},
	}
}

// TestRecordsKeepEveryField writes each kind of record with a value in each field, compares the
// JSON in the bucket with what other versions of the program read, and reads it back.
func TestRecordsKeepEveryField(t *testing.T) {
	h := newRunHistory(t)
	ctx := t.Context()
	data, model := `{"digest":"`+h.data.Digest+`","size":`+fmt.Sprint(
		h.data.Size,
	)+`}`, `{"digest":"`+h.model.Digest+`","size":`+fmt.Sprint(
		h.model.Size,
	)+`}`
	done := storage.StageRecord{
		Stage: "import", Fingerprint: strings.Repeat("d", 64), Label: "l", Output: h.data,
		Inputs: []string{"x", "y"}, Version: 8, Settings: "{}", Seconds: 1.5,
		Stats: storage.Stats{
			Units: 7, Unit: "u", Rate: 1.5, Requests: 2, Tokens: 3, Seconds: 4.5, BatchHalvings: 5, WastedSeconds: 6,
			GPU: "g",
		},
		Workflow: "w", Run: "r", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	const lineageKey = "runs/w/r/stages/import-dddddddddddd.json"
	doneJSON := `{"stage":"import","fingerprint":"` + strings.Repeat("d", 64) + `","label":"l","output":` + data +
		`,"inputs":["x","y"],"version":8,"settings":"{}","seconds":1.5,"stats":{"units":7,"unit":"u",` +
		`"rate":1.5,"requests":2,"tokens":3,"seconds":4.5,"batch_halvings":5,"wasted_seconds":6,"gpu":"g"},` +
		`"workflow":"w","run":"r","time":"2026-01-02T03:04:05Z"}`
	table := storage.Table{Artifact: h.data, Top: 3, Explained: true}
	mark := storage.Watermark{Source: "s", Column: "c", Value: "v"}
	for _, c := range []struct {
		key, json string
		record    any
		write     func() error
		read      func() (any, error)
	}{
		{
			"stages/import/" + strings.Repeat("d", 64) + ".json", doneJSON, done,
			func() error { return h.Commit(ctx, done) },
			func() (any, error) {
				got, _, err := h.LookUp(ctx, "import", strings.Repeat("d", 64))
				return got, err
			},
		},
		{
			lineageKey, doneJSON, done, func() error { return h.AddLineage(ctx, "w", "r", done) },
			readJSON[storage.StageRecord](h, lineageKey),
		},
		{
			"exports/m.json", `{"artifact":` + data + `,"top":3,"explained":true}`, table,
			func() error { return h.PutTable(ctx, "m", table) },
			func() (any, error) {
				got, _, err := h.Table(ctx, "m")
				return got, err
			},
		},
		{
			"nightly/shop/watermark.json", `{"source":"s","column":"c","value":"v"}`, mark,
			func() error { return h.PutWatermark(ctx, "shop", mark) },
			func() (any, error) { return h.Watermark(ctx, "shop") },
		},
		{
			"nightly/shop/promotions/000001.json", `{"number":1,"time":"2026-01-02T03:04:05.000000006Z",` +
				`"kind":"rollback","rollback_to":7,` +
				`"workflow":"w","run":"r","reviews":` + refJSON(
				"1", "10",
			) + `,"dataset":` + data + `,"preprocessed":` + data +
				`,"model":{"weights":` + model + `,"fusion":` + data +
				`,"method":"rdrec","size":"t5-small","protocol":"clean","seed":3,"spec":{"name":"shop"},` +
				`"user_key":"k"}` +
				`,"table":` + refJSON("2", "20") +
				`,"metrics":[{"metric":"HR@1","value":0.5,"interval":{"low":0.25,"high":0.75},"n":5}]` +
				`,"comparison":{"metric":"HR@5","current_promotion":4,"baseline":"markov","users":5,` +
				`"candidate":0.5,"current":0.25,` +
				`"difference":0.125,"interval":{"low":-1,"high":2},"margin":0.5,"p":0.0625}` +
				`,"counts":{"rows":1,"bad":2,"users":3,"items":4,"interactions":5,"rationales":6,"parsed":7,` +
				`"new_rows":8,"new_bad":9` +
				`,"new_users":10,"new_items":11,"new_rationales":12,"new_parsed":13,"requests":14,"tokens":15}` +
				`,"manual":true,"from_run":"w/r"}`,
			fullPromotion(h),
			func() error {
				_, err := registry.Promote(ctx, h.Bucket, "shop", 0, fullPromotion(h))
				return err
			},
			func() (any, error) { return registry.CurrentPromotion(ctx, h.Bucket, "shop") },
		},
	} {
		t.Run(c.key, func(t *testing.T) {
			if zero := zeroFields(reflect.ValueOf(c.record), ""); len(zero) > 0 {
				t.Errorf("the test leaves %v zero", zero)
			}
			if err := c.write(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(t, c.json), decode(t, contents(t, h.root)[c.key])); diff != "" {
				t.Errorf("in the bucket: %s", diff)
			}
			got, err := c.read()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.record, got, ignoreWhitespace()); diff != "" {
				t.Errorf("read back: %s", diff)
			}
		})
	}
}

// ignoreWhitespace compares JSON by its value: records are indented.
func ignoreWhitespace() cmp.Option {
	return cmp.Comparer(func(a, b json.RawMessage) bool {
		var x, y any
		return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && cmp.Equal(x, y)
	})
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return v
}

func readJSON[Record any](h runHistory, key string) func() (any, error) {
	return func() (any, error) {
		data, err := os.ReadFile(filepath.Join(h.root, key))
		if err != nil {
			return nil, err
		}
		var r Record
		return r, json.Unmarshal(data, &r)
	}
}

// TestFingerprintCoversAllInputs has the SHA-256 of the JSON document that has
// always been hashed.
func TestFingerprintCoversAllInputs(t *testing.T) {
	settings := map[string]int{"core": 5}
	of := func(stage string, version int, settings any, inputs ...string) string {
		t.Helper()
		fingerprint, err := storage.Fingerprint(stage, version, settings, inputs...)
		if err != nil {
			t.Fatal(err)
		}
		return fingerprint
	}
	// {"stage":"import","version":1,"settings":{"core":5},"inputs":["a","b"]}
	if got, want := of("import", 1, settings, "a",
		"b"), "d1bda20cd1bb76beab8faeee0a67ba1a3ede8c2f88c05059b3f87f4862b5bafc"; got != want {
		t.Errorf("got %s, want %s: whoever has a bucket would do all work again", got, want)
	}
	seen := map[string]string{}
	for name, fingerprint := range map[string]string{
		"itself": of("import", 1, settings, "a", "b"), "stage": of("other", 1, settings, "a", "b"),
		"version":         of("import", 2, settings, "a", "b"),
		"settings":        of("import", 1, map[string]int{"core": 6}, "a", "b"),
		"fewer inputs":    of("import", 1, settings, "a"),
		"order of inputs": of("import", 1, settings, "b", "a"), "joined inputs": of("import", 1, settings, "ab"),
	} {
		if other, known := seen[fingerprint]; known {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		seen[fingerprint] = name
	}
}

// TestStageRecordNeedsItsArtifact loses or tears what a record names, one thing at a
// time.
func TestStageRecordNeedsItsArtifact(t *testing.T) {
	fingerprint := strings.Repeat("a", 64)
	for name, damage := range map[string]func(t *testing.T, h runHistory){
		"the list is gone": func(t *testing.T, h runHistory) { t.Helper(); remove(t, h, storage.ContentKey(h.data)) },
		"the list is torn": func(t *testing.T, h runHistory) {
			t.Helper()
			corruptObject(t, h.root, storage.ContentKey(h.data))
		},
		"a file is gone": func(t *testing.T, h runHistory) {
			t.Helper()
			remove(t, h, content(storage.Digest([]byte("1 2 3"))))
		},
		"the last file is gone": func(t *testing.T, h runHistory) {
			t.Helper()
			remove(t, h, content(storage.Digest([]byte("[]"))))
		},
		"a file is torn": func(t *testing.T, h runHistory) {
			t.Helper()
			corruptObject(t, h.root, content(storage.Digest([]byte("1 2 3"))))
		},
		"the record is no JSON": func(t *testing.T, h runHistory) {
			t.Helper()
			corruptObject(t, h.root, "stages/import/*")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newRunHistory(t)
			if got, found, err := h.LookUp(t.Context(), "import", fingerprint); err != nil || !found ||
				got.Output != h.data {
				t.Fatalf("before: %+v, %t, %v", got, found, err)
			}
			damage(t, h)
			for range 2 {
				if got, found, err := h.LookUp(t.Context(), "import", fingerprint); err != nil || found {
					t.Errorf("found %+v, %t, %v", got, found, err)
				}
			}
		})
	}
}

func remove(t *testing.T, h runHistory, key string) {
	t.Helper()
	if err := os.Remove(filepath.Join(h.root, key)); err != nil {
		t.Fatal(err)
	}
}

// TestUnreadableRecordsReportTheirKey overwrites each kind of record with text that is no JSON.
func TestUnreadableRecordsReportTheirKey(t *testing.T) {
	h := newRunHistory(t)
	ctx := t.Context()
	h.promote(t, 0, h.promotion(t, "one"))
	for key, read := range map[string]func() error{
		"exports/m.json":              func() error { _, _, err := h.Table(ctx, "m"); return err },
		"nightly/shop/watermark.json": func() error { _, err := h.Watermark(ctx, "shop"); return err },
		"nightly/shop/promotions/000001.json": func() error {
			_, err := registry.ReadPromotion(ctx, h.Bucket, "shop", 1)
			return err
		},
		"nightly/shop/current.json": func() error {
			_, err := registry.CurrentPromotion(ctx, h.Bucket, "shop")
			return err
		},
	} {
		writeFile(t, filepath.Join(h.root, key))
		var corrupt *storage.CorruptError
		if err := read(); !errors.As(err, &corrupt) || corrupt.Key != key {
			t.Errorf("%s: %v", key, err)
		}
	}
	list, err := h.Put(ctx, []byte("no list"))
	if err != nil {
		t.Fatal(err)
	}
	outside, err := h.Put(ctx, []byte(`{"kind":"x","files":[{"name":"../x","digest":"`+digestOfOne+`","size":3}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []storage.Ref{list, outside} {
		var corrupt *storage.CorruptError
		if _, err := h.Artifact(ctx, ref); !errors.As(err, &corrupt) || corrupt.Key != storage.ContentKey(ref) {
			t.Errorf("artifact: %v", err)
		}
	}
	var corrupt *storage.CorruptError
	for _, digest := range []string{
		"", "ab", strings.Repeat("A", 64), strings.Repeat("a", 63),
		strings.Repeat("a", 65),
	} {
		if _, err := h.Get(ctx, storage.Ref{Digest: digest}); !errors.As(err, &corrupt) || corrupt.Key != digest {
			t.Errorf("digest %q: %v", digest, err)
		}
		if err := h.GetFile(ctx, storage.Ref{Digest: digest}, filepath.Join(t.TempDir(), "f")); !errors.As(
			err,
			&corrupt,
		) {
			t.Errorf("digest %q: %v", digest, err)
		}
	}
}
