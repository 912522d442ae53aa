package registry_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/registry"
	"rdrec/storage"
)

func TestCompareStages(t *testing.T) {
	t.Parallel()
	base := storage.StageRecord{
		Stage: "pretrain", Fingerprint: "a", Version: 1, Inputs: []string{"p", "s"},
		Settings: `{"train":{"epochs":2,"ratio":{"topn":1}},"seed":1,"preprocessed":{"digest":"p","size":1}}`,
	}
	for name, c := range map[string]struct {
		change func(before, after *storage.StageRecord)
		want   []registry.Reason
	}{
		"a setting": {func(_, after *storage.StageRecord) {
			after.Settings = `{"train":{"epochs":3,"ratio":{}},"seed":1,"preprocessed":{"digest":"q","size":1}}`
		}, []registry.Reason{
			{Change: registry.SpecChanged, Detail: "train.epochs 2 → 3"},
			{Change: registry.SpecChanged, Detail: "train.ratio.topn 1 → unset"},
		}},
		"an object": {func(_, after *storage.StageRecord) {
			after.Settings = `{"train":7,"seed":1}`
		}, []registry.Reason{
			{Change: registry.SpecChanged, Detail: `train {"epochs":2,"ratio":{"topn":1}} → 7`},
		}},
		"the code": {
			func(_, after *storage.StageRecord) { after.Version = 2 },
			[]registry.Reason{{Change: registry.CodeChanged, Detail: "1 → 2"}},
		},
		"an artifact": {
			func(_, after *storage.StageRecord) { after.Inputs = []string{"q", "s"} },
			[]registry.Reason{{Change: registry.InputChanged, Detail: "preprocessed"}},
		},
		"the pretrained student": {
			func(_, after *storage.StageRecord) { after.Inputs = []string{"p", "t"} },
			[]registry.Reason{{Change: registry.StudentChanged}},
		},
		"an output that is not known yet": {
			func(_, after *storage.StageRecord) {
				after.Inputs, after.Version = []string{registry.PlannedOutput("preprocess").Digest, "s"}, 2
			},
			[]registry.Reason{{Change: registry.CodeChanged, Detail: "1 → 2"}},
		},
		"nothing": {
			func(_, _ *storage.StageRecord) {}, []registry.Reason{{Change: registry.ResultsMissing}},
		},
		"the nonce": {
			func(_, after *storage.StageRecord) { after.Fingerprint = "b" },
			[]registry.Reason{{Change: registry.Forced}},
		},
		"an older record": {
			func(before, after *storage.StageRecord) {
				before.Settings, before.Version, after.Fingerprint = "", 0, "b"
			},
			[]registry.Reason{{Change: registry.UnknownChange, Detail: "the earlier record has no settings"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := base, base
			c.change(&before, &after)
			if diff := cmp.Diff(c.want, registry.CompareStages(before, after)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
