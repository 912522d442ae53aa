package activities_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/registry"
	"rdrec/storage"
)

// TestCompareRunsDistinguishesAblations compares two runs of a student and its ablation, which have
// the method and the seed in common: only the ablation's weights and answers differ.
func TestCompareRunsDistinguishesAblations(t *testing.T) {
	b := newTestEnv(t)
	run := func(flipped string) registry.RunRecord {
		trial := func(variant, text string) registry.TrialResult {
			return registry.TrialResult{
				Method: "pod", Variant: variant, Seed: 2,
				Model:       b.putArtifact("model", map[string]string{"model.safetensors": text}),
				Evaluations: []storage.Ref{b.putArtifact("evaluation", map[string]string{"sequential.jsonl": text})},
			}
		}
		return registry.RunRecord{
			Trials: []registry.TrialResult{trial("", "as it is"), trial("skip_pads off", flipped)},
		}
	}
	first, second := run("flipped"), run("flipped otherwise")
	first.Identity = registry.Identity{Data: "d", Teacher: "t"}
	second.Identity = registry.Identity{Data: "d", Teacher: "other"}
	rows, err := registry.CompareRuns(context.Background(), b.bucket, first, second)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range rows {
		got = append(got, fmt.Sprintf("%s: %t %v", row.Name, row.Equal, row.Files))
	}
	want := []string{
		"input: data: true []",
		"input: teacher: false []",
		"model pod/2: true []",
		"evaluation 1 pod/2: true []",
		"model pod, skip_pads off/2: false [model.safetensors]",
		"evaluation 1 pod, skip_pads off/2: false [sequential.jsonl]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("compared (-want +got):\n%s", diff)
	}
}
