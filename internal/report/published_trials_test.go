package report_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
	"rdrec/internal/report"
)

// TestPublishedTrials compares means, x 1e-4, with the paper's tables: an error in the figures
// would change them.
func TestPublishedTrials(t *testing.T) {
	want := map[string][2]float64{
		"sequential beauty HR@5":    {601, 559},
		"sequential beauty NDCG@5":  {461, 429},
		"sequential beauty HR@10":   {743, 696},
		"sequential beauty NDCG@10": {504, 471},
		"sequential sports HR@5":    {505, 499},
		"sequential sports NDCG@5":  {408, 399},
		"sequential sports HR@10":   {596, 579},
		"sequential sports NDCG@10": {433, 422},
		"sequential toys HR@5":      {723, 695},
		"sequential toys NDCG@5":    {593, 589},
		"sequential toys HR@10":     {802, 749},
		"sequential toys NDCG@10":   {605, 601},
		"topn beauty HR@1":          {1203, 846},
		"topn toys NDCG@10":         {1398, 1244},
	}
	got := map[string][2]float64{}
	all := report.PublishedTrials()
	for name, trials := range all {
		if len(trials[0]) != 10 || len(trials[1]) != 10 {
			t.Errorf("%s has %d and %d trials, want 10", name, len(trials[0]), len(trials[1]))
		}
		if _, known := want[name]; known {
			got[name] = [2]float64{tenThousandths(trials[0]), tenThousandths(trials[1])}
		}
	}
	if len(all) != 27 {
		t.Errorf("%d rows, want 27", len(all))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("means (-want +got):\n%s", diff)
	}
}

// tenThousandths rounds a mean half up: .05045 is 505, although its binary form is slightly less.
func tenThousandths(values []float64) float64 { return math.Round(1e4*metric.Mean(values) + 1e-6) }

func TestPublishedTrialsWithCaveat(t *testing.T) {
	if diff := cmp.Diff([]string{"topn sports HR@10"}, report.PublishedTrialsWithCaveat()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestPublishedData identifies data sets by digest, not by name.
func TestPublishedData(t *testing.T) {
	for digest, want := range map[string]string{
		"b465f734be973e4d754df835f02e2f60fe24b9d7d886b04d84e5e50040b98f71": "beauty",
		"52a070d154b15894032f6aede02085f456063a5692ba00e9bae2f7a045415ac1": "sports",
		"a30c3d201d603c3e16ef0b57d4b2477412322a11efe1693915aaee7927454cfe": "toys",
		"beauty": "", "": "",
	} {
		if got, found := report.PublishedData(digest); got != want || found != (want != "") {
			t.Errorf("data of digest %q = %q, %t; want %q", digest, got, found, want)
		}
	}
}
