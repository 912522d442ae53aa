package review_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/pseudonym"
	"rdrec/internal/review"
	"rdrec/internal/spec"
)

// markedUser is a user whose rows cannot be read.
const markedUser = "A1MARKED4711"

func userKey(t *testing.T) pseudonym.Key {
	t.Helper()
	key, err := pseudonym.ReadKey(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// histories returns the items of each user, both by the ids of the data.
func histories(data *dataset.Dataset, name func(string) string) map[string][]string {
	all := map[string][]string{}
	for _, user := range data.Users {
		id := name(data.UserIDs[user.ID-1])
		for _, item := range user.Items {
			all[id] = append(all[id], data.ItemIDs[item-1])
		}
	}
	return all
}

// importWithKey imports with pseudonyms and returns the folder and what the import reported. It
// searches what the import has written before each step, and in the end, for ids of the shop, and
// in the end for markedUser.
func importWithKey(t *testing.T, opts spec.Reviews, ids []string) (string, dataset.ImportSummary) {
	t.Helper()
	dir, searched := t.TempDir(), 0
	search := func(step string) {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path) //nolint:gosec // the test's own file
			searched += len(data)
			for _, id := range ids {
				if bytes.Contains(data, []byte(id)) {
					t.Errorf("step %s: %s has the id %s", step, filepath.Base(path), id)
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	sum, err := review.Importer{
		Options: opts, Seed: 1, Dir: dir, UserKey: userKey(t),
		Progress: func(p review.Progress) {
			if p.Rows == 0 {
				search(p.Step)
			}
		},
		Sample: func(row dataset.ImportedRow) {
			if !pseudonym.Is(row.User) {
				t.Errorf("the sample shows user %s", row.User)
			}
		},
	}.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ids = append(ids, markedUser)
	search("end")
	t.Logf("searched %d bytes for %d ids", searched, len(ids))
	return dir, sum
}

// TestPseudonymsOfRealReviews imports real reviews, and rows that cannot be read, with a key: the
// data are those of an import without one, but for the users' ids, of which nothing that the import
// writes has any, not even its database. A bad row's other columns are in that until the end.
func TestPseudonymsOfRealReviews(t *testing.T) {
	t.Parallel()
	plainDir, plain := importInto(t, options(beauty))
	plainData := read(t, plainDir)
	packed, err := os.Open(beauty)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	bad := `{"reviewerID": "` + markedUser + `", "asin": "B1", "unixReviewTime": "` + markedUser + "\"}\n" +
		markedUser + " is not JSON\n" + `{"reviewerID": ["` + markedUser + "\"]}\n"
	opts := options(writeFile(t, "reviews.json", bad+string(text)))
	dir, sum := importWithKey(t, opts, slices.Clone(plainData.UserIDs[:10]))
	want := plain
	want.Rows, want.Bad = plain.Rows+3, 3
	sum.Sources = nil
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Error(diff)
	}
	keep := func(id string) string { return id }
	if diff := cmp.Diff(histories(plainData, userKey(t).Of), histories(read(t, dir), keep)); diff != "" {
		t.Error(diff)
	}
	quarantined, err := os.ReadFile(filepath.Join(dir, "quarantine.jsonl"))
	if err != nil || strings.Count(string(quarantined), `"line":`) != 3 ||
		!strings.Contains(string(quarantined), `time of 12 characters is not a time`) {
		t.Errorf("%v\n%s", err, quarantined)
	}
}

// TestPseudonymsOfFormats imports the same rows from delimited text and from two Parquet files: one
// user has one pseudonym in all of them.
func TestPseudonymsOfFormats(t *testing.T) {
	t.Parallel()
	var first map[string][]string
	for _, file := range []string{"in.csv", "blob.parquet"} {
		opts := options(filepath.Join("../../testdata/cases/29-parquet-types", file))
		plainDir, _ := importInto(t, opts)
		ids := read(t, plainDir).UserIDs
		dir, _ := importWithKey(t, opts, nil)
		keep := func(id string) string { return id }
		got := histories(read(t, dir), keep)
		if diff := cmp.Diff(histories(read(t, plainDir), userKey(t).Of), got); diff != "" || len(ids) == 0 {
			t.Errorf("%s: %s", file, diff)
		}
		if diff := cmp.Diff(first, got); first != nil && diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
		first = got
	}
}

// TestPseudonymsOfSpellings imports an id as text, as a float and with spaces around it.
func TestPseudonymsOfSpellings(t *testing.T) {
	t.Parallel()
	rows := "user,item,time,rating\n"
	for i, user := range []string{"4711001", "4711001.0", "  4711001 "} {
		rows += user + ",i" + string(rune('a'+i)) + ",2020-01-0" + string(rune('1'+i)) + ",5\n"
	}
	opts := options(writeFile(t, "r.csv", rows+"NaN,ia,2020-01-01,5\n"))
	opts.MaxBad = 1
	dir, sum := importWithKey(t, opts, []string{"4711001"})
	ids := read(t, dir).UserIDs
	if diff := cmp.Diff([]string{userKey(t).Of("4711001")}, ids); diff != "" || sum.Bad != 1 {
		t.Errorf("%d bad rows; ids (-want +got):\n%s", sum.Bad, diff)
	}
}

// TestCopiesOfRows checks files and copies their rows with pseudonyms, and imports the copies: the
// data are those of an import with the key, and no copy has an id.
func TestCopiesOfRows(t *testing.T) {
	t.Parallel()
	positions := withColumns(options(writeFile(t, "p.csv", "ann,a,1,5\nann,b,2,4\nann,c,3,5\n")), "1", "2", "3", "4")
	header := false
	positions.Header = &header
	named := withColumns(options(writeFile(t, "n.csv", "who;what;when;stars\nann;a;1;5\nann;b;2;4\nann;c;3;5\n"+
		"bob;a;never;5\n")), "who", "what", "when", "stars")
	for name, opts := range map[string]spec.Reviews{
		"beauty": options(beauty), "positions": positions, "names": named,
		"dates":   options("../../testdata/cases/05-dates/rfc.csv"),
		"parquet": options("../../testdata/cases/29-parquet-types/blob.parquet"),
	} {
		opts.MaxBad = 1
		dir, want := importWithKey(t, opts, nil)
		plainDir, _ := importInto(t, opts)
		copied := filepath.Join(t.TempDir(), "copy.parquet")
		check := review.Importer{Options: opts, Dir: t.TempDir(), UserKey: userKey(t), Copy: copied}
		if _, err := check.Check(t.Context()); err != nil {
			t.Fatal(name, err)
		}
		data, err := os.ReadFile(copied) //nolint:gosec // the test's own
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range read(t, plainDir).UserIDs {
			if bytes.Contains(data, []byte(id)) || !bytes.Contains(data, []byte(userKey(t).Of(id))) {
				t.Errorf("%s: the copy has the id %s, or lacks its pseudonym", name, id)
			}
		}
		again := opts.ForCopy()
		again.Path = copied
		copyDir, got := importWithKey(t, again, nil)
		want.Sources, got.Sources = nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		keep := func(id string) string { return id }
		if diff := cmp.Diff(histories(read(t, dir), keep), histories(read(t, copyDir), keep)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// withColumns names the columns.
func withColumns(opts spec.Reviews, user, item, at, rating string) spec.Reviews {
	opts.Columns = map[string]string{"user": user, "item": item, "time": at, "rating": rating}
	return opts
}

// TestPseudonymsOfSources ingests a source with a key, then imports what was ingested with the same
// key: ids that are pseudonyms stay.
func TestPseudonymsOfSources(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "rows.csv", "customer_id,item,loaded\nann,a,1\nann,b,2\nann,c,3\n")
	source := spec.Source{Path: path, Watermark: "loaded"}
	out := filepath.Join(t.TempDir(), "new.parquet")
	got, err := review.Ingester{UserKey: userKey(t)}.Ingest(t.Context(), source, "1", out)
	if err != nil || got.Rows != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	out = filepath.Join(t.TempDir(), "all.parquet")
	if _, err := (review.Ingester{UserKey: userKey(t)}).Ingest(t.Context(), source, "", out); err != nil {
		t.Fatal(err)
	}
	opts := options(out)
	opts.Columns = map[string]string{"time": "loaded"}
	dir, _ := importWithKey(t, opts, []string{"ann"})
	if diff := cmp.Diff([]string{userKey(t).Of("ann")}, read(t, dir).UserIDs); diff != "" {
		t.Error(diff)
	}
	nobody := review.Ingester{UserKey: userKey(t), Columns: map[string]string{"user": "who"}}
	if _, err := nobody.Ingest(t.Context(), source, "", out); err == nil ||
		!strings.Contains(err.Error(), "no column for user among customer_id, item, loaded") {
		t.Errorf("without a user's column: %v", err)
	}
}
