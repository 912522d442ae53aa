package report

import (
	"fmt"
	"slices"

	"rdrec/internal/metric"
)

// examples returns the recommendations to read: those of the method that the verdict is about, or
// of the first method that has any.
func examples(r Report) []Recommendation {
	method := r.Verdict.Method
	has := func(one Recommendation) bool { return one.Method == method }
	if !slices.ContainsFunc(r.Recommended, has) && len(r.Recommended) > 0 {
		method = r.Recommended[0].Method
	}
	var shown []Recommendation
	for _, one := range r.Recommended {
		if has(one) {
			shown = append(shown, one)
		}
	}
	return shown
}

// exampleNote describes the examples.
func exampleNote(shown []Recommendation) string {
	hits := 0
	for _, one := range shown {
		if one.Rank > 0 {
			hits++
		}
	}
	return fmt.Sprintf("Lists of “%s” for different users, with different lists: %s and %s. Samples to read, "+
		"not a measurement.", shown[0].Method, plural(hits, "hit"), plurals(len(shown)-hits, "miss", "misses"))
}

// Numbers of items in an example.
const (
	recentItems = 4
	topItems    = 5
)

// recent returns the last items of a history, oldest first, and earlier how many come before them.
func recent(items []Item) []Item { return items[max(0, len(items)-recentItems):] }

func earlier(items []Item) int { return max(0, len(items)-recentItems) }

// top returns the first items of a list.
func top(items []Item) []Item { return items[:min(len(items), topItems)] }

// String describes the co-occurrence in a sentence.
func (c CoOccurrence) String() string {
	title := c.With.Title
	if title == "" {
		title = fmt.Sprintf("item %d", c.With.ID)
	}
	return fmt.Sprintf("%s of the %s with “%s” in their training items also have it.",
		thousands(c.Both), plural(c.Users, "user"), title)
}

// shownExplained is the table of explanations beside the users' own words, a column a method.
type shownExplained struct {
	Methods []string
	Rows    []explainedRow
}

type explainedRow struct {
	User      string
	Item      Item
	Reference string
	// Generated has a text for each method; empty where it has none.
	Generated []string
}

// explainedTexts is how many texts the page shows before its details.
const explainedTexts = 4

// explainedTable returns the first explanations; nil if there are none.
func explainedTable(r Report) *shownExplained {
	shown := &shownExplained{}
	for _, e := range r.Explained {
		if !slices.Contains(shown.Methods, e.Method) {
			shown.Methods = append(shown.Methods, e.Method)
		}
	}
	for _, e := range r.Explained {
		at := slices.IndexFunc(shown.Rows, func(row explainedRow) bool {
			return row.User == e.User && row.Item == e.Item && row.Reference == e.Reference
		})
		if at < 0 && len(shown.Rows) == explainedTexts {
			continue
		}
		if at < 0 {
			at = len(shown.Rows)
			row := explainedRow{User: e.User, Item: e.Item, Reference: e.Reference}
			row.Generated = make([]string, len(shown.Methods))
			shown.Rows = append(shown.Rows, row)
		}
		shown.Rows[at].Generated[slices.Index(shown.Methods, e.Method)] = e.Generated
	}
	if len(shown.Rows) == 0 {
		return nil
	}
	return shown
}

// explanationLine is the main metrics of the explanations in a sentence.
func explanationLine(r Report) string {
	table := textTable(r)
	var words []string
	for _, row := range table.Rows {
		if row.Kind == AblationRow {
			continue
		}
		words = append(words, fmt.Sprintf("%s: %s %s, USR %s", row.Method, primaryTextMetric,
			textCell(row, primaryTextMetric, "%.2f"), textCell(row, metric.Names(metric.Features)[0], "%.2f")))
	}
	return fmt.Sprintf("%s test texts. %s. ROUGE counts words in common with the user's text (0 to 100), USR is the "+
		"share of distinct texts.", thousands(r.Explanations[0].Diversity.Texts), joined(words))
}
