package tablewriter_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	_ "github.com/duckdb/duckdb-go/v2"

	"rdrec/internal/recommender"
	"rdrec/internal/tablewriter"
)

// rows returns rows with values that are easily corrupted: quotes, commas, line breaks, ids that
// look like numbers, empty values.
func rows() []recommender.Row {
	all := []recommender.Row{
		{User: "007", Rank: 1, Item: "B000,\"x\"", Title: "a 'b'\nc", Score: -0.125, Explanation: "caf\u00e9 \u4e2d"},
		{User: "007", Rank: 2, Item: "12", Score: -1e-9},
	}
	for i := range 5000 {
		all = append(all, recommender.Row{
			User: fmt.Sprint("u", 5000-i), Rank: 1, Item: fmt.Sprint(i), Title: "t", Score: -float64(i),
		})
	}
	return all
}

func TestWriteKeepsRowsAndOrder(t *testing.T) {
	dir := t.TempDir()
	lines := filepath.Join(dir, "it's.jsonl")
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	want := rows()
	for _, row := range want {
		if err := enc.Encode(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(lines, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for format, read := range map[string]string{
		"parquet": "read_parquet('%s')",
		"csv":     "read_csv('%s', all_varchar = true, header = true)",
	} {
		out := filepath.Join(dir, "out."+format)
		if err := tablewriter.Write(t.Context(), job(lines, out, format)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, readBack(t, fmt.Sprintf(read, out))); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
	err := tablewriter.Write(t.Context(), job(lines, filepath.Join(dir, "x"), "xls"))
	if err == nil || !strings.Contains(err.Error(), "xls") {
		t.Errorf("an unknown format: %v", err)
	}
}

func job(lines, out, format string) tablewriter.Job {
	return tablewriter.Job{Lines: lines, Out: out, Scratch: filepath.Join(filepath.Dir(out), "spill"), Format: format}
}

// TestSpreadsheetsRunNoCell writes cells that a spreadsheet would run, with the setting and
// without.
func TestSpreadsheetsRunNoCell(t *testing.T) {
	dir := t.TempDir()
	lines := filepath.Join(dir, "lines.jsonl")
	const text = `{"user":"=1+1","rank":1,"item":"-7","title":"@SUM(A1)","score":-0.5,"explanation":"a-b = c"}` + "\n" +
		`{"user":"u","rank":1,"item":"i","title":"\t=1","score":1,"explanation":"+49"}` + "\n"
	if err := os.WriteFile(lines, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for spreadsheet, want := range map[bool]string{
		false: "user,rank,item,title,score,explanation\n=1+1,1,-7,@SUM(A1),-0.5,a-b = c\nu,1,i,\t=1,1.0,+49\n",
		true:  "user,rank,item,title,score,explanation\n'=1+1,1,'-7,'@SUM(A1),-0.5,a-b = c\nu,1,i,'\t=1,1.0,'+49\n",
	} {
		table := job(lines, filepath.Join(dir, fmt.Sprint(spreadsheet, ".csv")), "csv")
		table.Spreadsheet = spreadsheet
		if err := tablewriter.Write(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(table.Out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("spreadsheet %t: (-want +got):\n%s", spreadsheet, diff)
		}
	}
}

// readBack returns the rows of a written table.
func readBack(t *testing.T, from string) []recommender.Row {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const query = `SELECT "user", rank::INT, item, coalesce(title, ''), score::DOUBLE, coalesce(explanation, '') FROM `
	found, err := db.QueryContext(t.Context(), query+from)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var all []recommender.Row
	for found.Next() {
		var r recommender.Row
		if err := found.Scan(&r.User, &r.Rank, &r.Item, &r.Title, &r.Score, &r.Explanation); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
