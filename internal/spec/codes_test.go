package spec_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
)

func TestCodesOfASpec(t *testing.T) {
	t.Parallel()
	defaults := spec.Codes{
		Quantizer: "residual", Parts: []string{"cooccurrence", "titles"}, Levels: 3, Width: 256, Dimensions: 64,
	}
	changed, titles := defaults, defaults
	changed.Levels, changed.Quantizer = 2, "product"
	titles.Parts = []string{"titles"}
	for overrides, want := range map[string]*spec.Codes{
		"protocol=clean":                                                                      nil,
		"protocol=clean data.indexing=codes":                                                  &defaults,
		"switches={constrained:true} data.indexing=codes":                                     &defaults,
		"protocol=clean data.indexing=collaborative-codes":                                    &defaults,
		"protocol=clean data.indexing=semantic-codes":                                         &titles,
		"protocol=clean data.indexing=codes data.codes.levels=2 data.codes.quantizer=product": &changed,
	} {
		s, err := spec.Parse("s.yaml", []byte(minimalSpec), strings.Fields(overrides))
		if err != nil {
			t.Errorf("%s: %v", overrides, err)
			continue
		}
		if diff := cmp.Diff(want, s.Codes()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", overrides, diff)
		}
	}
}

// TestAnUnknownProtocolIsTheOnlyProblem parses settings whose rules read the protocol.
func TestAnUnknownProtocolIsTheOnlyProblem(t *testing.T) {
	t.Parallel()
	_, err := spec.Parse("s.yaml", []byte(minimalSpec), []string{"protocol=papre", "train.select_by=ndcg"})
	if err == nil || !strings.Contains(err.Error(), "protocol") || strings.Contains(err.Error(), "constrained search") {
		t.Error(err)
	}
}

// TestCodeRules has settings that only items with codes have.
func TestCodeRules(t *testing.T) {
	t.Parallel()
	codes := []string{"protocol=clean", "data.indexing=codes"}
	itemsOnly := []string{
		"student.items_only=true", "train.ratio={explanation: 0, sequential: 1, rationale: 0, topn: 0}",
		"evaluate.topn_users=-1", "evaluate.explanations=-1",
	}
	for _, c := range []struct {
		overrides []string
		want      string // "" accepts
	}{
		{codes, ""},
		{[]string{"data.indexing=codes"}, "which only a constrained search decodes"},
		{[]string{"data.codes.levels=2"}, "data.codes: applies to an indexing that gives items codes"},
		{[]string{"student.history=items"}, "student.history: applies to items with codes"},
		{append(slices.Clone(codes), "student.item_embeddings=true"), "is part of an item's one position"},
		{append(slices.Clone(codes), "student.item_embeddings=true", "student.history=codes"), "is part of"},
		{append(slices.Clone(codes), "student.item_embeddings=true", "student.history=items"), ""},
		{append(slices.Clone(codes), "student.items_only=true"), "student.items_only: needs items with codes"},
		{append(slices.Clone(codes), itemsOnly...), ""},
		{append(slices.Clone(codes), append(itemsOnly, "student.pretrained=t5")...), "needs items with codes, random"},
		{append(slices.Clone(codes), append(itemsOnly, "train.ratio.topn=1")...), "needs items with codes"},
		{append(slices.Clone(codes), append(itemsOnly, "evaluate.explanations=0")...), "needs items with codes"},
		{[]string{"train.head_weight=1"}, "train.head_weight: applies to items with codes"},
		{append(slices.Clone(codes), "train.select_by=head-ndcg"), "an item head that is not trained"},
		{append(slices.Clone(codes), "train.select_by=head-ndcg", "train.head_weight=1"), ""},
		{append(slices.Clone(codes), "train.select_by=ndcg"), ""},
		{[]string{"train.select_by=ndcg"}, "train.select_by: ranks by a constrained search"},
	} {
		_, err := spec.Parse("s.yaml", []byte(minimalSpec), c.overrides)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.overrides, err, c.want)
		}
	}
}
