package report_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"rdrec/internal/report"
)

func TestEntailment(t *testing.T) {
	b := newBuilder(t, shopRun())
	b.AddEntailments([]report.Entailment{
		{Method: "rdrec", Texts: 50, Unusable: 3, Precision: 0.4, Recall: 0.3, Control: 0.4},
		{Method: report.RankedStatements, Texts: 50, Precision: 0.62, Recall: 0.5, Control: 0.1},
	})
	r := b.Report()
	want := report.Caveat{Concern: report.Caution, Text: "The teacher's entailment says nothing about rdrec: it " +
		"finds as many explanations entailed by another user's text as by the user's own."}
	if !slices.Contains(r.Caveats, want) {
		t.Errorf("caveats %+v", r.Caveats)
	}
	r = sample()
	r.Entailments = []report.Entailment{
		{Method: "rdrec", Texts: 50, Unusable: 3, Precision: 0.62, Recall: 0.5, Control: 0.1},
	}
	if text := plainText(t, r); !strings.Contains(text, "rdrec 50 62% 50% 10% 3 Precision: the share of") {
		t.Errorf("the page lacks the entailment:\n%s", text)
	}
	var page bytes.Buffer
	if err := report.HTML(&page, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "<td>62%</td><td>50%</td><td>10%</td><td>3</td>") {
		t.Error("the HTML page lacks the entailment")
	}
}
