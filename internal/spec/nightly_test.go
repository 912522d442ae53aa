package spec_test

import (
	"strings"
	"testing"

	"rdrec/internal/spec"
)

const nightlySpec = "name: shop\nmethods: [rdrec]\ndata: {reviews: {format: amazon-2018}}\nnightly: {inbox: inbox/}\n"

func TestNightlyDefaults(t *testing.T) {
	t.Parallel()
	s, err := spec.Parse("nightly.yaml", []byte(nightlySpec), nil)
	if err != nil || s.Nightly == nil || s.Nightly.Gate.Metric != "NDCG@10" || s.Nightly.Gate.MinRows != 1 {
		t.Errorf("got %+v, %v", s.Nightly, err)
	}
}

func TestInvalidNightlySpecsAreRejected(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{
		"data.reviews.path=x.json":                                  "nightly.inbox both name the source of reviews",
		"trials=2":                                                  "must be one, with one trial and without ablate",
		"nightly.gate.metric=BLEU-1":                                "nightly.gate.metric",
		"nightly.webhook=http://me:pass@host/":                      "contains credentials",
		"nightly.inbox=s3://other/inbox":                            "is not a prefix in the bucket",
		"evaluate.sequential_users=-1":                              "evaluates no user in nightly.gate.task",
		"nightly.gate.alpha=0.9":                                    "nightly.gate.alpha",
		"nightly.source={path: reviews.parquet, watermark: loaded}": "does not match nightly.source",
		"nightly.source={path: shop.duckdb, watermark: loaded}":     "nightly.source.table",
		"nightly.source={path: reviews.parquet}":                    "nightly.source.watermark",
		"data.-=x":                                                  "is not a known key",
	} {
		_, err := spec.Parse("nightly.yaml", []byte(nightlySpec), []string{set})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", set, err, want)
		}
	}
	sets := []string{"nightly.gate.explanations=true", "evaluate.explanations=-1"}
	_, err := spec.Parse("nightly.yaml", []byte(nightlySpec), sets)
	if err == nil || !strings.Contains(err.Error(), "evaluates no text for nightly.gate.explanations") {
		t.Errorf("a gate for explanations without any: %v", err)
	}
	if _, err = spec.Parse("nightly.yaml", []byte(nightlySpec), sets[1:]); err != nil {
		t.Errorf("no explanations, and no gate for them: %v", err)
	}
	_, err = spec.Parse("e.yaml", []byte("name: e\ndata: {reviews: {format: csv}}\n"), nil)
	if err == nil || !strings.Contains(err.Error(), "names no file") {
		t.Errorf("reviews without a path: %v", err)
	}
}
