package activities_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rdrec/activities"
	"rdrec/registry"
	"rdrec/storage"
)

// byHand puts a model in use as a person does.
func (s *inboxEnv) byHand(in activities.ChooseModelInput) {
	s.t.Helper()
	in.Name = "shop"
	chosen, err := run[activities.PromoteInput](s, s.ChooseModel, in)
	if err == nil {
		_, err = run[registry.Promotion](s, s.Promote, chosen)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// recordRun records a nightly run as if it had been run on its own.
func (s *inboxEnv) recordRun(number, previous, promotion int) {
	s.t.Helper()
	record, err := json.Marshal(registry.NightlyRun{
		Name: "shop", Number: number, Run: fmt.Sprint("run ", number), Verdict: registry.VerdictPromoted,
		PreviousPromotion: previous, Promotion: promotion,
	})
	if err == nil {
		err = s.Bucket.PutNightlyRun(s.t.Context(), "shop", number, record)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestPromotionsByHandAreInTheNightlyHistory has a model put in use by hand before the first run, a
// rollback between two runs, and one after the last.
func TestPromotionsByHandAreInTheNightlyHistory(t *testing.T) {
	s := newInboxEnv(t)
	s.finished("exp")
	s.byHand(activities.ChooseModelInput{Run: "exp"})
	s.promote(activities.IngestResult{Promoted: registry.Promotion{Number: 1}}, "second")
	s.recordRun(1, 1, 2)
	s.byHand(activities.ChooseModelInput{})
	s.recordRun(2, 3, 3)
	s.byHand(activities.ChooseModelInput{To: 2})
	history := func(last int) (rows []string) {
		t.Helper()
		page, err := registry.ReadNightlyPage(t.Context(), s.Bucket, "shop", last, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Rows {
			rows = append(rows, fmt.Sprintf("%d %s %d %s", row.Number, row.Verdict, row.Promotion, row.Summary))
		}
		return rows
	}
	all := []string{
		"0 first 1 by hand: the model of exp/r1",
		"1 promoted 2 ",
		"0 rollback 3 by hand: the model of promotion 1 is in use again",
		"2 promoted 3 ",
		"0 rollback 4 by hand: the model of promotion 2 is in use again",
	}
	equal(t, "the history", all, history(registry.NightlyPageRuns))
	equal(t, "the end of it", all[3:], history(1))
	page, err := os.ReadFile(filepath.Join(s.root, storage.NightlyPageKey("shop")))
	if err != nil || !strings.Contains(string(page), "the model of promotion 2 is in use again") {
		t.Errorf("the page lacks the newest rollback: %v\n%s", err, page)
	}
}
