package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
	"rdrec/internal/golden"
)

// levels returns the level of each finding by title.
func levels(a audit.Audit) map[string]audit.Level {
	found := map[string]audit.Level{}
	for _, finding := range a.Findings {
		found[finding.Title] = finding.Level
	}
	return found
}

// leaky returns a dataset indexed by first appearance: every user's next new item is the next id.
func leaky(users int) *dataset.Dataset {
	d := &dataset.Dataset{Name: "leaky"}
	for i := range users {
		items := []int{3*i + 1, 3*i + 2, 3*i + 3}
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: items, Times: []int64{1, 2, 3}})
	}
	d.Items = 3 * users
	return d
}

func TestLeakyItemIDs(t *testing.T) {
	a := audit.Run(leaky(50), 1)
	if a.Indexing.Spearman < 0.999 || a.Indexing.NextIDShare != 1 {
		t.Errorf("indexing %+v", a.Indexing)
	}
	if hit, _ := audit.Figure(a.Rule, "HR@1"); hit != 1 {
		t.Errorf("the rule's HR@1 = %v, want 1", hit)
	}
	if _, found := audit.Figure(a.Rule, "HR@7"); found {
		t.Error("found a metric that does not exist")
	}
	want := map[string]audit.Level{
		"Item ids leak test items": audit.Leak, "User sequences are distinct": audit.Fine,
		"There are no explanations": audit.Fine, "Sequences are in chronological order": audit.Fine,
	}
	if diff := cmp.Diff(want, levels(a)); diff != "" {
		t.Error(diff)
	}
	if a.Findings[0].Level != audit.Leak {
		t.Error("the most severe finding is not the first")
	}
}

func TestDuplicatesOverlapAndTimestamps(t *testing.T) {
	d := &dataset.Dataset{Name: "copies", Items: 40}
	for i := range 10 {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: []int{40, 12, 7, 3}, Times: []int64{5, 6, 7, 7}})
	}
	d.Users = append(d.Users,
		dataset.User{ID: 11, Items: []int{9, 2, 9}, Times: []int64{5, 4, 6}},
		dataset.User{ID: 12, Items: []int{1, 2}})
	d.Explanations = dataset.Splits{
		Train: []dataset.Explanation{{User: 1, Item: 3}, {User: 2, Item: 7}, {User: 3, Item: 40}},
		Val:   []dataset.Explanation{{User: 3, Item: 40}},
		Test:  []dataset.Explanation{{User: 4, Item: 3}},
	}
	a := audit.Run(d, 1)
	wantOverlap := audit.Overlap{
		Explanations: 5, Users: 11, Explained: 2, Train: 1, Validation: 1, InMultipleSplits: 1,
	}
	if diff := cmp.Diff(wantOverlap, a.Overlap); diff != "" {
		t.Error(diff)
	}
	wantSequences := audit.Sequences{
		Users: 11, Distinct: 2, Shared: 10, Repeated: 1,
		Largest: []audit.Group{{Users: 10, Items: []int{40, 12, 7, 3}}},
	}
	if diff := cmp.Diff(wantSequences, a.Sequences); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(audit.Timestamps{Users: 11, OutOfOrder: 1, Tied: 10}, a.Timestamps); diff != "" {
		t.Error(diff)
	}
	want := map[string]audit.Level{
		"Item ids carry no order":                       audit.Fine,
		"Many users have identical sequences":           audit.Caution,
		"Training explanations cover test pairs":        audit.Leak,
		"Some sequences are out of chronological order": audit.Leak,
		"Some test items are in the user's history":     audit.Caution,
		"Pairs occur in several splits":                 audit.Leak,
	}
	if diff := cmp.Diff(want, levels(a)); diff != "" {
		t.Error(diff)
	}
}

func TestEmpty(t *testing.T) {
	a := audit.Run(&dataset.Dataset{Name: "nothing"}, 1)
	if a.Users != 0 || len(a.Findings) == 0 {
		t.Errorf("audit of nothing: %+v", a)
	}
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	if err := audit.Run(leaky(20), 1).Text(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Leak audit of leaky: 20 users", "HR@1", "rule (item ids)", "1.0000", "LEAK     Item ids",
		"rank correlation of item id with first position                1.0000 over 60 items", "20 of 20 (100%)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

// TestPaperDatasets expects the leak that every run on the paper's data must report
// (docs/deviations.md, row 18).
func TestPaperDatasets(t *testing.T) {
	ruleLine := regexp.MustCompile(`(?m)^rule \(item ids\) +[.\d]+ +([.\d]+) +([.\d]+) +([.\d]+) +([.\d]+)$`)
	for name, want := range map[string]string{
		"beauty": "HR@5 0.0537, NDCG@5 0.0494, HR@10 0.0605, NDCG@10 0.0516",
		"sports": "HR@5 0.0488, NDCG@5 0.0452, HR@10 0.0519, NDCG@10 0.0462",
		"toys":   "HR@5 0.0773, NDCG@5 0.0720, HR@10 0.0808, NDCG@10 0.0731",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(
				filepath.Dir(filepath.Dir(golden.Data(t, "rdrec"))), "..", "shared", "data", "rdrec", name,
			)
			if _, err := os.Stat(path); err != nil {
				t.Skipf(
					"the paper's dataset %q is absent (looked for ../shared/data/rdrec/%s beside the project)", name,
					name,
				)
			}
			d, err := dataset.Read(os.DirFS(path), name)
			if err != nil {
				t.Fatal(err)
			}
			a := audit.Run(d, 1)
			t.Logf("%+v %+v", a.Indexing, a.Sequences)
			if first := a.Findings[0]; first.Level != audit.Leak || !strings.Contains(first.Text, want) {
				t.Errorf("the first finding is %+v, want a leak with %s", first, want)
			}
			var page bytes.Buffer
			if err := a.Text(&page); err != nil {
				t.Fatal(err)
			}
			line := ruleLine.FindStringSubmatch(page.String())
			if line == nil ||
				fmt.Sprintf("HR@5 %s, NDCG@5 %s, HR@10 %s, NDCG@10 %s", line[1], line[2], line[3], line[4]) != want {
				t.Errorf("the rule's line %q, want %s in:\n%s", line, want, page.String())
			}
		})
	}
}
