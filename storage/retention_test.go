package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
)

// experiments is a bucket with four experiments of a shop, of which the second one's model is in
// use and the third one's table is served, one of another name, and two runs of a schedule.
type experiments struct {
	runHistory
	models map[string]storage.Ref
}

func newExperiments(t *testing.T, now time.Time) experiments {
	t.Helper()
	e := experiments{newRunHistory(t), map[string]storage.Ref{}}
	e.ageAll(t, now.Add(-1000*time.Hour))
	for k, id := range []string{
		"shop-00000000000a", "shop-00000000000b", "shop-00000000000c", "shop-00000000000d", "toys-00000000000a",
		"nightly-shop-2026-01-01T02:00:00Z", "nightly-shop-2026-01-02T02:00:00Z",
	} {
		model := e.putArtifact(t, "model", map[string]string{"model.safetensors": id})
		e.models[id] = model
		done := storage.StageRecord{
			Stage: "pretrain", Fingerprint: strings.Repeat(fmt.Sprint(k), 64), Output: model,
			Workflow: id + "/rdrec-1", Run: "r",
		}
		record := fmt.Appendf(nil, `{"model":{"digest":%q,"size":%d}}`, model.Digest, model.Size)
		for _, err := range []error{
			e.Commit(t.Context(), done), e.AddLineage(t.Context(), id+"/rdrec-1", "r", done),
			e.PutRun(t.Context(), id, "r", storage.RunRecord, record),
			e.PutRun(t.Context(), id, "r", "report.html", []byte("a report")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for key := range contents(t, e.root) {
			if strings.HasPrefix(key, "runs/"+id) {
				e.age(t, key, now.Add(time.Duration(k-100)*time.Hour))
			}
		}
		e.age(t, fmt.Sprintf("stages/pretrain/%s.json", done.Fingerprint), now.Add(-200*time.Hour))
		for _, content := range []storage.Ref{model, {Digest: storage.Digest([]byte(id))}} {
			e.age(t, storage.ContentKey(content), now.Add(-200*time.Hour))
		}
	}
	used := e.models["shop-00000000000b"]
	record := fmt.Appendf(nil, `{"model":{"digest":%q,"size":%d}}`, used.Digest, used.Size)
	for _, err := range []error{
		e.PutPromotion(t.Context(), "shop", 1, record),
		e.PutTable(t.Context(), "model", storage.Table{Artifact: e.models["shop-00000000000c"]}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// left returns the ids whose reports and whose models remain.
func (e experiments) left(t *testing.T) (reports, models string) {
	t.Helper()
	for _, id := range []string{
		"shop-00000000000a", "shop-00000000000b", "shop-00000000000c", "shop-00000000000d", "toys-00000000000a",
		"nightly-shop-2026-01-01T02:00:00Z", "nightly-shop-2026-01-02T02:00:00Z",
	} {
		short := id[len(id)-3:]
		if _, err := e.GetRun(t.Context(), id, "r", "report.html"); err == nil {
			reports += " " + short
		}
		if complete, err := e.IsComplete(t.Context(), e.models[id]); err == nil && complete {
			models += " " + short
		}
	}
	return reports, models
}

// Of each name the last runs remain, and with them what they refer to; so do models in use, served
// tables, and whatever is not old enough.
func TestCollectKeepsTheLastRunsOfEachName(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		keep            int
		before          time.Duration
		reports, models string
	}{
		{0, 0, " 00a 00b 00c 00d 00a 00Z 00Z", " 00a 00b 00c 00d 00a 00Z 00Z"},
		{1, 0, " 00d 00a 00Z", " 00b 00c 00d 00a 00Z"},
		{2, 0, " 00c 00d 00a 00Z 00Z", " 00b 00c 00d 00a 00Z 00Z"},
		{1, 99 * time.Hour, " 00b 00c 00d 00a 00Z 00Z", " 00b 00c 00d 00a 00Z 00Z"}, // only the first is so old
	} {
		e := newExperiments(t, now)
		options := storage.CollectOptions{Before: now.Add(-c.before), Now: now, DryRun: true}
		options.Retention.KeepRuns = c.keep
		planned := collect(t, e.runHistory, options)
		options.DryRun = false
		done := collect(t, e.runHistory, options)
		if diff := cmp.Diff(planned, done); diff != "" {
			t.Errorf("keep %d: a dry run counts others: %s", c.keep, diff)
		}
		reports, models := e.left(t)
		if reports != c.reports || models != c.models {
			t.Errorf("keep %d, %s: reports of%s and models of%s remain, want%s and%s",
				c.keep, c.before, reports, models, c.reports, c.models)
		}
		if c.keep == 1 && c.before == 0 {
			e.checkUsage(t, done)
		}
	}
}

// checkUsage has the figures of a collection that keeps one run of each name.
func (e experiments) checkUsage(t *testing.T, got storage.CollectResult) {
	t.Helper()
	type row struct {
		name          string
		runs, expired int
	}
	rows := map[row]bool{}
	for _, u := range got.Usage {
		rows[row{u.Name, u.Runs, u.Expired}] = true
		if u.Name == "toys" {
			model := e.models["toys-00000000000a"]
			if want := model.Size + int64(len("toys-00000000000a")); u.Bytes != want {
				t.Errorf("toys holds %d bytes, want %d", u.Bytes, want)
			}
		}
	}
	want := map[row]bool{
		{"shop", 4, 3}: true, {"toys", 1, 0}: true, {"nightly-shop", 2, 1}: true,
		{"first", 1, 0}: true, {"second", 1, 0}: true, // of the bucket that all tests share
	}
	if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(rows)); diff != "" {
		t.Error(diff)
	}
	if got.Runs.Objects != 4*3 || got.Stages.Objects != 2 {
		t.Errorf("%d objects of runs and %d of stages, want 12 and 2: two of four models are in use",
			got.Runs.Objects, got.Stages.Objects)
	}
}
