package review_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/review"
)

// jsonLines returns interactions in the format of the 2018 dump; an event is "user item second".
func jsonLines(events []string) string {
	var b strings.Builder
	for _, event := range events {
		f := strings.Fields(event)
		fmt.Fprintf(&b, `{"reviewerID": %q, "asin": %q, "unixReviewTime": %s, "overall": 4}`+"\n", f[0], f[1], f[2])
	}
	return b.String()
}

func TestCoreReachesAFixedPoint(t *testing.T) {
	// A chain in which each round drops the last user and item, which puts the next ones below the
	// core.
	var events []string
	for u := range 40 {
		for i := range 4 {
			events = append(events, fmt.Sprintf("u%02d i%02d %d", u, u+i, 1000+u*10+i))
		}
	}
	for u := range 5 {
		for i := range 5 {
			events = append(events, fmt.Sprintf("good%d best%d %d", u, i, 5000+i))
		}
	}
	opts := options(writeFile(t, "chain.json", jsonLines(events)))
	opts.UserCore, opts.ItemCore = 4, 4
	dir, sum := importInto(t, opts)
	if sum.Users != 5 || sum.Items != 5 || sum.Interactions != 25 || sum.Sparse != 160 || sum.Rounds < 5 {
		t.Errorf("%+v", sum)
	}
	for user, items := range shopSequences(read(t, dir)) {
		want := []string{"best0", "best1", "best2", "best3", "best4"}
		if !strings.HasPrefix(user, "good") || !cmp.Equal(items, want) {
			t.Errorf("%s has %v", user, items)
		}
	}
	opts.UserCore = 6
	_, err := review.Import(context.Background(), opts, 1, t.TempDir())
	if !errors.Is(err, review.ErrData) || !strings.Contains(err.Error(), "none of 185 rows is left") {
		t.Errorf("got %v", err)
	}
}

func TestOrderDuplicatesAndFilters(t *testing.T) {
	events := []string{
		"a x 300", "a y 100", "a z 300", "a x 200", "a y 100", // x at 200, y at 100, z at 300
		"b z 86400", "b y 86400", "b x 86400", // equal times: the order of the file
		"c x 50", "c y 172800", "c z 172799", "c w 86399", // outside the days
	}
	opts := options(writeFile(t, "few.json.gz", jsonLines(events)))
	dir, sum := importInto(t, opts)
	want := map[string][]string{"a": {"y", "x", "z"}, "b": {"z", "y", "x"}, "c": {"x", "w", "z", "y"}}
	if diff := cmp.Diff(want, shopSequences(read(t, dir))); diff != "" || sum.Duplicates != 2 || sum.Tied != 2 {
		t.Errorf("%s\n%+v", diff, sum)
	}
	opts.From, opts.To = "1970-01-02", "1970-01-02"
	dir, sum = importInto(t, opts)
	want = map[string][]string{"b": {"z", "y", "x"}}
	if diff := cmp.Diff(want, shopSequences(read(t, dir))); diff != "" || sum.Filtered != 8 {
		t.Errorf("%s\n%+v", diff, sum)
	}
	opts.From, opts.To, opts.MinRating = "", "", 4.5
	if _, err := review.Import(context.Background(), opts, 1, t.TempDir()); !errors.Is(err, review.ErrData) {
		t.Errorf("got %v", err)
	}
}
