package activities_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/review"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// realImporter checks files as the worker does.
type realImporter struct{ activities.Importer }

func (realImporter) Check(ctx context.Context, job activities.CheckJob) error {
	job.Reviews.Path = job.File
	_, err := review.Importer{Options: job.Reviews, Dir: job.Dir, UserKey: job.UserKey, Copy: job.Copy}.Check(ctx)
	if errors.Is(err, review.ErrData) {
		return fmt.Errorf("%w: %w", activities.ErrData, err)
	}
	return err
}

// TestIngestSetsUnreadableFilesAside has a good file, one cut short and one without a valid row.
// The next run skips the bad ones; a file is taken again by name, or with other bytes.
func TestIngestSetsUnreadableFilesAside(t *testing.T) {
	s := newInboxEnv(t)
	s.Importer = realImporter{}
	settings := spec.DefaultReviews()
	ingest := func(retake ...string) activities.IngestResult {
		t.Helper()
		return s.ingest(func(in *activities.IngestInput) { in.Reviews, in.Retake = &settings, retake })
	}
	const row = "u1,i1,2014-01-02,4,a good brush\n"
	s.putFile("good.csv", "user,item,time,rating,text\n"+row)
	s.putFile("cut.csv.gz", "\x1f\x8b\x08\x00cut")
	s.putFile("times.csv", "user,item,time,rating,text\nu1,i1,never,4,a good brush\n")
	first := ingest()
	equal(t, "ingested", []string{"good.csv"}, names(first.Ingested))
	var aside []string
	for _, bad := range first.SetAside {
		if strings.Contains(bad.Reason, s.Scratch) || !strings.Contains(bad.Reason, filepath.Base(bad.File.Name)+":") {
			t.Errorf("%s is set aside for %q", bad.File.Name, bad.Reason)
		}
		aside = append(aside, strings.TrimPrefix(bad.File.Name, "inbox/"))
	}
	equal(t, "set aside", []string{"cut.csv.gz", "times.csv"}, aside)
	equal(t, "reviews", 1, len(s.parts(first.Reviews)))
	nightly := registry.NightlyRun{
		Name: "shop", Number: first.RunNumber, Verdict: registry.VerdictPromoted, SetAside: first.SetAside,
	}
	if _, err := run[int](s, s.RecordNightlyRun, nightly); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(s.root, storage.NightlyPageKey("shop")))
	if err != nil || !strings.Contains(string(page), "set aside inbox/cut.csv.gz") {
		t.Errorf("the page of the nightly runs does not name the file (%v)", err)
	}

	s.promote(first, "first")
	next := ingest()
	equal(t, "new in the next run", []string(nil), names(next.Ingested))
	equal(t, "skipped", 2, next.SkippedFiles)

	settings.Columns = map[string]string{"time": "rating"} // a change of the settings makes it readable
	equal(t, "taken again", []string{"times.csv"}, names(ingest("times.csv").Ingested))
	equal(t, "taken by its key", []string{"times.csv"}, names(ingest("inbox/times.csv").Ingested))
	settings.Columns = nil
	equal(t, "still unreadable", 1, len(ingest("cut.csv.gz").SetAside))
	in := activities.IngestInput{Name: "shop", Inbox: "inbox/", Retake: []string{"typo.csv"}}
	_, err = run[activities.IngestResult](s, s.Ingest, in)
	if err == nil || !strings.Contains(err.Error(), "typo.csv") {
		t.Errorf("a file that is not there is taken again: %v", err)
	}

	s.putFile("times.csv", "user,item,time,rating,text\n"+strings.Replace(row, "u1", "u2", 1))
	equal(t, "corrected", []string{"times.csv"}, names(ingest().Ingested))
}
