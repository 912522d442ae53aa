package report_test

import (
	"bytes"
	"strings"
	"testing"

	"rdrec/internal/report"
)

// ablated is a table of a student, the same with two switches flipped, and a baseline.
func ablated() report.Table {
	base := lists(1, 0.5, 0.8)
	worse := row("rdrec, skip_pads off", report.AblationRow, "", lists(2, 0.2, 0.4))
	unchanged := row("rdrec, mask_cross off", report.AblationRow, "", base)
	worse.Base, unchanged.Base = "rdrec", "rdrec"
	t := report.Table{Task: "sequential", Setting: "the next item", Users: 976, Rows: []report.Row{
		row("rdrec", report.StudentRow, "T5", base), worse, unchanged,
		row("popularity", report.BaselineRow, "popular items", lists(3, 0.3, 0.7)),
	}}
	t.Compare(1)
	return t
}

func TestAblationsAreComparedWithTheirBase(t *testing.T) {
	table := ablated()
	for _, c := range table.Comparisons {
		if c.Student != "rdrec" || c.Other != "popularity" {
			t.Errorf("%s is compared with %s among the students", c.Student, c.Other)
		}
	}
	if len(table.Ablations) != 4 {
		t.Fatalf("%d ablations, want 2 switches by 2 metrics: %+v", len(table.Ablations), table.Ablations)
	}
	for _, c := range table.Ablations {
		flipped := c.Student == "rdrec, skip_pads off"
		switch {
		case c.Other != "rdrec" || c.N != 976 || c.Interval == nil:
			t.Errorf("%+v: want it against rdrec on the same 976 users, with an interval", c)
		case flipped && (c.Difference >= 0 || c.Interval.High >= 0 || c.Holm >= report.Alpha):
			t.Errorf("%+v: want it to be worse for sure", c)
		case !flipped && (c.Difference != 0 || c.Holm != 1):
			t.Errorf("%+v: equal answers differ", c)
		}
	}
}

func TestReportShowsAblations(t *testing.T) {
	r := report.Report{
		Name: "ablation", Protocol: "clean", Switches: []string{"held_out off"}, Tables: []report.Table{ablated()},
	}
	r.Data.Indexing = report.Indexing{Name: "as-is", About: "the folder's own numbers", Leaks: true}
	r.Conclude()
	var out bytes.Buffer
	if err := report.Text(&out, r); err != nil {
		t.Fatal(err)
	}
	text, html := strings.Join(strings.Fields(out.String()), " "), page(t, r)
	for _, want := range []string{
		"changed ", "rdrec, skip_pads off NDCG@10", "protocol clean, held_out off", "data.indexing as-is",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, out.String())
		}
	}
	for _, want := range []string{
		"What is each part worth?", "rdrec, skip_pads off", "clean, held_out off", "Item indexing: as-is",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(r.Verdict.Text, "skip_pads") {
		t.Errorf("an ablation has a verdict of its own: %q", r.Verdict)
	}
}
