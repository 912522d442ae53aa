package review_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/review"
	"rdrec/internal/spec"
)

// pageSQL returns the example of docs/formats.md.
func pageSQL(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "## A dataset as Parquet tables")
	section, _, _ := strings.Cut(after, "\n## ")
	var text strings.Builder
	for line := range strings.Lines(section) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			text.WriteString(code)
		}
	}
	return text.String()
}

// duckDB executes SQL statements in a folder.
func duckDB(t *testing.T, dir, text string) {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	text = strings.ReplaceAll(text, "'shop/", "'"+dir+"/shop/")
	text = strings.ReplaceAll(text, "'reviews.csv'", "'"+dir+"/reviews.csv'")
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// madeElsewhere writes reviews, and the tables that the page's example makes of them.
func madeElsewhere(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var reviews bytes.Buffer
	fmt.Fprintln(&reviews, "user,item,time,rating,text")
	for i := range 120 {
		user, word := i%25, []string{"strap", "battery", "lid", "price"}[i%4]
		fmt.Fprintf(&reviews, "u%02d,i%02d,%d,5,The %s is great. I like it.\n",
			user, (i*7+user)%11, 1_600_000_000+i, word)
	}
	fmt.Fprintln(&reviews, "once,i01,1600000000,5,The lid is fine.")
	if err := os.WriteFile(filepath.Join(dir, "reviews.csv"), reviews.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "shop"), 0o750); err != nil {
		t.Fatal(err)
	}
	duckDB(t, dir, pageSQL(t))
	return dir
}

// converted reads a conversion of the tables in dir.
func converted(t *testing.T, dir string) *dataset.Dataset {
	t.Helper()
	out := t.TempDir()
	if err := (review.Tables{Folder: filepath.Join(dir, "shop"), Dir: out}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return readFolder(t, out)
}

func readFolder(t *testing.T, dir string) *dataset.Dataset {
	t.Helper()
	data, err := dataset.Read(os.DirFS(dir), "dataset")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// historiesOf returns the shop's ids of each user's items.
func historiesOf(data *dataset.Dataset) map[string][]string {
	all := map[string][]string{}
	for _, user := range data.Users {
		for i, item := range user.Items {
			id := data.ItemIDs[item-1]
			if user.Times != nil {
				id += fmt.Sprint(" at ", user.Times[i])
			}
			all[data.UserIDs[user.ID-1]] = append(all[data.UserIDs[user.ID-1]], id)
		}
	}
	return all
}

// TestTablesOfThePage makes tables as docs/formats.md does. The histories are those of an import of
// the same reviews.
func TestTablesOfThePage(t *testing.T) {
	dir := madeElsewhere(t)
	data, imported := converted(t, dir), t.TempDir()
	options := spec.DefaultReviews()
	options.Path, options.UserCore, options.ItemCore = filepath.Join(dir, "reviews.csv"), 3, 1
	if _, err := (review.Importer{Options: options, Dir: imported}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(historiesOf(readFolder(t, imported)), historiesOf(data)); diff != "" {
		t.Errorf("histories (-imported +tables):\n%s", diff)
	}
	splits := data.Explanations
	if len(splits.Train) == 0 || len(splits.Val) == 0 || len(splits.Test) == 0 {
		t.Errorf("%d, %d and %d explanations", len(splits.Train), len(splits.Val), len(splits.Test))
	}
	for _, e := range splits.Test {
		if last := data.Users[e.User-1].TestItem(); e.Item != last || !strings.Contains(e.Explanation, e.Feature) {
			t.Errorf("%+v is of the split test, whose item is %d", e, last)
		}
	}
}

// Optional columns: titles, rationales and splits; a table in parts, without times.
func TestOptionalColumnsOfTables(t *testing.T) {
	dir := madeElsewhere(t)
	duckDB(t, dir, `CREATE TABLE s AS FROM 'shop/sequences.parquet'; CREATE TABLE i AS FROM 'shop/items.parquet';
		CREATE TABLE e AS FROM 'shop/explanations.parquet';
		COPY (SELECT *, 'The ' || id AS title FROM i) TO 'shop/items.parquet';
		COPY (SELECT *, 'val' AS split, 'likes it' AS preference, 5 AS rating FROM e) TO 'shop/explanations.parquet'`)
	if err := os.Remove(filepath.Join(dir, "shop", "sequences.parquet")); err != nil {
		t.Fatal(err)
	}
	duckDB(t, dir, `CREATE TABLE s AS SELECT 0`) // a second database has the files alone
	again := madeElsewhere(t)
	if err := os.Mkdir(filepath.Join(dir, "shop", "sequences.parquet"), 0o750); err != nil {
		t.Fatal(err)
	}
	source := strings.ReplaceAll(filepath.Join(again, "shop", "sequences.parquet"), "'", "''")
	for part := range 2 {
		duckDB(t, dir, fmt.Sprintf(`COPY (SELECT "user", item, pos FROM '%s' WHERE item %% 2 = %d)
			TO 'shop/sequences.parquet/part-%d.parquet'`, source, part, part))
	}
	data := converted(t, dir)
	if data.Users[0].Times != nil || data.Titles == nil || !strings.HasPrefix(data.Titles[0], "The i") {
		t.Errorf("times %v, titles %v", data.Users[0].Times, data.Titles)
	}
	if e := data.Explanations; len(e.Train)+len(e.Test) > 0 || len(e.Val) == 0 || e.Val[0].Preference != "likes it" ||
		e.Val[0].Rating != "5" {
		t.Errorf("%d, %d and %d explanations: %+v", len(e.Train), len(e.Val), len(e.Test), e.Val)
	}
}

func TestTablesThatDoNotFit(t *testing.T) {
	for _, c := range []struct{ table, query, want string }{
		{"users", "SELECT num + 1 AS num, id FROM 'shop/users.parquet'", "num is not 1, 2"},
		{"items", "SELECT num, NULL AS id FROM 'shop/items.parquet'", "rows without an id"},
		{"items", "SELECT num AS id FROM 'shop/items.parquet'", `no column "num"`},
		{"sequences", `SELECT "user", 99 AS item, pos FROM 'shop/sequences.parquet'`, "in no other"},
		{"sequences", `SELECT "user", item, 1 AS pos FROM 'shop/sequences.parquet'`, "a pos twice"},
		{"explanations", "SELECT *, 'all' AS split FROM 'shop/explanations.parquet'", "of a split"},
		{"users", "SELECT 'x' AS num, id FROM 'shop/users.parquet'", "users"},
	} {
		dir := madeElsewhere(t)
		duckDB(t, dir, "COPY ("+c.query+") TO 'shop/other.parquet'")
		shop := filepath.Join(dir, "shop")
		if err := os.Rename(filepath.Join(shop, "other.parquet"), filepath.Join(shop, c.table+".parquet")); err != nil {
			t.Fatal(err)
		}
		err := review.Tables{Folder: shop, Dir: t.TempDir()}.Run(t.Context())
		if !errors.Is(err, review.ErrData) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.query, err, c.want)
		}
	}
	empty := t.TempDir()
	if err := (review.Tables{Folder: empty, Dir: t.TempDir()}).Run(t.Context()); !errors.Is(err, review.ErrData) {
		t.Errorf("no tables: %v", err)
	}
}
