package spec_test

import (
	"strings"
	"testing"

	"rdrec/internal/spec"
)

func TestEntailmentNeedsATeacherAndTexts(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{
		"name=shop":                "",
		"methods=[pod]":            "",
		"teacher.model=copy":       "needs a teacher to ask",
		"evaluate.explanations=-1": "generates none",
	} {
		_, err := spec.Parse("shop.yaml", []byte(minimalSpec), []string{"evaluate.entailment_texts=5", set})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", set, err, want)
		}
		if _, err = spec.Parse("shop.yaml", []byte(minimalSpec), []string{set}); err != nil {
			t.Errorf("%s without entailment: %v", set, err)
		}
	}
	_, err := spec.Parse("nightly.yaml", []byte(nightlySpec), []string{"evaluate.entailment_texts=5"})
	if err == nil || !strings.Contains(err.Error(), "nightly runs check no entailment") {
		t.Errorf("a nightly spec: %v", err)
	}
}
