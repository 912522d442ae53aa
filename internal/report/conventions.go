package report

import (
	"fmt"
	"slices"
	"strings"

	"rdrec/internal/baseline"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/task"
)

// conventions returns the rules by which the figures are counted, for people.
func conventions(run Run, strict bool) []string {
	counted := "Protocol paper: an item that is recommended twice counts twice."
	if strict {
		counted = "Of an item that is recommended twice, the first counts."
	}
	return []string{
		"The target is the last item of each user; all methods of a table are evaluated on the same users.", counted,
		"Every method trains on all items of a user but the last two and reads the history up to the last one. Only " +
			"the popularity in the item-id rule also counts the last but one.",
		orderOfTimes(run),
		filters(run),
		"Popularity ties: by item id. Ties of another score: by popularity.",
	}
}

// orderOfTimes describes how the items of a user are ordered.
func orderOfTimes(run Run) string {
	if run.Spec.Data.Reviews != nil {
		return "Order of equal times: that of the rows in the files. Of several reviews of an item by a user, the " +
			"earliest counts."
	}
	for _, user := range run.Dataset.Users {
		if user.Times != nil {
			return "Order of equal times: that of sequential.txt."
		}
	}
	return "Order of equal times: unknown, because the data have no times; items are in the order of sequential.txt."
}

// filters describes which users and items were kept.
func filters(run Run) string {
	r := run.Spec.Data.Reviews
	if r == nil {
		return "Filters of users and items: unknown; all users and items of the folder are kept."
	}
	return fmt.Sprintf("Filters: days and ratings first, then repeated reviews of an item, then rounds that drop "+
		"users with fewer than %d items and items with fewer than %d users at once, until none is left.",
		r.UserCore, r.ItemCore)
}

// addWordConvention adds the rule by which texts without blanks are split, if there are any.
func (b *Builder) addWordConvention(texts []prediction.Text) {
	const line = "Words of explanations: each character of Chinese and Japanese is one, as in sacrebleu's tokenizer " +
		"zh; other text is split at blanks."
	written := func(t prediction.Text) bool { return metric.HasIdeographs(t.Reference + t.Generated) }
	if slices.ContainsFunc(texts, written) && !slices.Contains(b.report.Conventions, line) {
		b.report.Conventions = append(b.report.Conventions, line)
	}
}

// AddTies adds how many users' last items are ambiguous to the conventions, and the ranges of the
// scores to the sequential table.
func (b *Builder) AddTies(ties baseline.Ties) {
	if ties.Timed == 0 {
		return
	}
	b.report.Conventions = append(b.report.Conventions, fmt.Sprintf(
		"The last item of %s of the %s evaluated users (%s) shares its time with another of their items.",
		thousands(ties.Affected), thousands(ties.Users), percent(float64(ties.Affected)/float64(max(1, ties.Users)))))
	if table := b.tables[task.Sequential]; table != nil && len(ties.Ranges) > 0 {
		table.TieNote = fmt.Sprintf("Range over %d random orders of equal times (%s users): %s.",
			baseline.TieOrders, thousands(ties.Sampled), tieRanges(ties))
	}
}

// tieRanges lists the ranges by baseline: "popularity HR@10 0.1300 to 0.1900, NDCG@10 ...".
func tieRanges(ties baseline.Ties) string {
	var words []string
	for i, r := range ties.Ranges {
		text := fmt.Sprintf("%s %s to %s", r.Metric, figure(r.Low), figure(r.High))
		if i == 0 || ties.Ranges[i-1].Baseline != r.Baseline {
			words = append(words, r.Baseline+" "+text)
		} else {
			words[len(words)-1] += ", " + text
		}
	}
	return strings.Join(words, "; ")
}
