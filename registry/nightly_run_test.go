package registry_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
	"rdrec/internal/report"
	"rdrec/registry"
	"rdrec/storage/storagetest"
)

// TestCorruptNightlyRunIsNamed counts it among those that are read.
func TestCorruptNightlyRunIsNamed(t *testing.T) {
	b, _ := storagetest.OpenFolder(t)
	for number, text := range []string{"{}", "{", "{}"} {
		if err := b.PutNightlyRun(t.Context(), "shop", number+1, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for last, want := range map[int]string{
		3: "record 2 of the last 3 nightly runs", 2: "record 1 of the last 2 nightly runs",
	} {
		_, err := registry.ReadNightlyRuns(t.Context(), b, "shop", last)
		if !errors.Is(err, registry.ErrCorrupt) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the last %d: %v, want %q", last, err, want)
		}
	}
	if runs, err := registry.ReadNightlyRuns(t.Context(), b, "shop", 1); err != nil || len(runs) != 1 {
		t.Errorf("the last one: %v, %v", runs, err)
	}
	if _, err := registry.ReadNightlyPage(t.Context(), b, "shop", 3, time.Now()); !errors.Is(
		err,
		registry.ErrCorrupt,
	) {
		t.Errorf("their page: %v", err)
	}
}

// TestNightlyPage has a row for each, and the last run's metric.
func TestNightlyPage(t *testing.T) {
	b, root := storagetest.OpenFolder(t)
	promote(t, b, 0)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for number, record := range []string{
		`{"number":1,"verdict":"idle"}`,
		`{"number":2,"verdict":"rejected","reasons":["why"],"promotion":1,"ingested":[{"name":"a"},{"name":"b"}],` +
			`"seconds":7,"html":"runs/w/r/report.html",` +
			`"counts":{"new_rows":1,"new_bad":2,"rows":3,"users":4,"items":5,"new_users":6,"new_items":7,` +
			`"new_rationales":8,"new_parsed":9,` +
			`"requests":10,"tokens":11},"metric":"HR@5","metrics":[{"metric":"HR@1","value":1},{"metric":"HR@5",` +
			`"value":0.5,"interval":{"low":0.25,"high":0.75}}],` +
			`"comparison":{"difference":0.1,"interval":{"low":-0.1,"high":0.2},"p":0.3}}`,
	} {
		if err := b.PutNightlyRun(t.Context(), "shop", number+1, []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	page, err := registry.ReadNightlyPage(t.Context(), b, "shop", 2, now)
	if err != nil || len(page.Rows) != 2 || page.InUse != 1 || page.Metric != "HR@5" || !page.Made.Equal(now) ||
		page.Name != "shop" {
		t.Fatalf("%+v, %v", page, err)
	}
	if idle := page.Rows[0]; idle.Number != 1 || idle.Score != nil || idle.Difference != nil || idle.Report != "" {
		t.Errorf("the idle run: %+v", idle)
	}
	want := report.NightlyRun{
		Number: 2, Verdict: "rejected", Reasons: []string{"why"}, Promotion: 1, Files: 2, Seconds: 7,
		Score: &metric.Score{Metric: "HR@5", Value: 0.5, Interval: &metric.Interval{Low: 0.25, High: 0.75}},
		NightlyCounts: report.NightlyCounts{
			NewRows: 1, NewBad: 2, Rows: 3, Users: 4, Items: 5, NewUsers: 6, NewItems: 7, NewRationales: 8,
			NewParsed: 9, Requests: 10, Tokens: 11,
		},
		Difference: &metric.Difference{Mean: 0.1, Interval: metric.Interval{Low: -0.1, High: 0.2}, P: 0.3},
		Report:     filepath.Join(root, "runs/w/r/report.html"), ReportKey: "runs/w/r/report.html",
	}
	row := page.Rows[1]
	row.Drift = nil // internal/report tests it
	if diff := cmp.Diff(want, row); diff != "" {
		t.Error(diff)
	}
}
