package workflows_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/workflows"
)

// schemaNode is a part of the spec's JSON Schema.
type schemaNode struct {
	Type       any                    `json:"type"`
	Default    any                    `json:"default"`
	Enum       []any                  `json:"enum"`
	Properties map[string]*schemaNode `json:"properties"`
	Items      *schemaNode            `json:"items"`
}

// leaves adds every key below a node.
func (n *schemaNode) leaves(prefix string, all map[string]*schemaNode) {
	for key, child := range n.Properties {
		if len(child.Properties) > 0 {
			child.leaves(prefix+key+".", all)
		} else {
			all[prefix+key] = child
		}
	}
}

// others returns values of a key to try instead of the default.
func (n *schemaNode) others() []string {
	var all []string
	for _, value := range n.Enum {
		all = append(all, fmt.Sprint(value))
	}
	if n.Items != nil {
		for _, value := range n.Items.Enum {
			all = append(all, fmt.Sprintf("[%v]", value))
		}
		all = append(all, "[a]", "[1]")
	}
	if number, ok := n.Default.(float64); ok {
		for _, value := range []float64{number + 1, number * 2, number / 2, number - 1, 0.5, 0.25, 8, 64} {
			all = append(all, fmt.Sprint(value))
		}
	}
	return append(all, "true", "false", "7", "0.3", "other", "{title: 2}")
}

// values are the values to try for keys whose type says too little.
func values() map[string][]string {
	return map[string][]string{
		"data.reviews.encoding": {"latin-1"}, "data.reviews.metadata_table.encoding": {"latin-1"},
		"data.reviews.from": {"2024-01-01"}, "data.reviews.to": {"2024-01-01"},
		"data.reviews.time_format": {"dmy"}, "sasrec.hidden_sizes": {"[32]"}, "student.history": {"codes"},
		"student.items_only": {"true"}, "switches": {"{mask_cross: false}", "{mask_cross: true}"},
		"teacher.model": {"gguf:other.gguf"}, "teacher.repetition_penalty": {"1.3"}, "train.processes": {"2"},
	}
}

// unset are keys that no spec may set: they are those of BSARec's block.
func unset() []string { return []string{"sasrec.alphas", "sasrec.cutoff"} }

// recomputeBases are the specs in which keys are changed. Together they use every part of a spec.
func recomputeBases() []string {
	return []string{
		`
name: base
methods: [rdrec, pod]
protocol: clean
baselines: [popularity, markov, item-knn, rule, tgh-2, decayed-mix, sasrec, bsarec]
data:
  negatives: 5
  indexing: codes
  codes: {levels: 2, width: 16, dimensions: 16}
  reviews: {path: r.csv, metadata: m.csv}
teacher: {model: smollm2}
student: {size: t5-tiny, history: items, item_embeddings: true}
train: {micro_batch: 8, head_weight: 5, epoch_steps: 10, warmup_steps: 3, scheduler: cosine}
evaluate: {fusion: {parts: [item-head, decayed-mix, sasrec]}, entailment_texts: 8, topn_users: 10, sequential_users: 10}
`, `
name: base
methods: [rdrec]
protocol: clean
data: {reviews: {path: r.csv}, indexing: collaborative, negatives: 5}
teacher: {model: "openai:http://127.0.0.1:1/v1#tiny", prompt: paper}
student: {pretrained: t5}
`, `
name: base
methods: [rdrec]
data: {folder: data}
student: {size: t5-small}
`, `
name: base
methods: [rdrec]
protocol: clean
data: {negatives: 5, indexing: codes, codes: {levels: 2, width: 16, dimensions: 16}, reviews: {path: r.csv}}
student: {size: t5-tiny, history: items}
train: {ratio: {explanation: 0, sequential: 1, rationale: 0, topn: 0}}
evaluate: {topn_users: -1, explanations: -1}
`,
	}
}

// changedStages returns the stages of a spec that a changed key makes run, without those that only
// wait for them.
func changedStages(t *testing.T, base *workflowEnv, in spec.Spec) []string {
	t.Helper()
	plan, _ := planOf(t, base, workflows.ExperimentInput{Spec: in})
	found := map[string]bool{}
	for _, stage := range plan.Stages {
		if !stage.Cached && len(stage.After) == 0 {
			words := strings.Fields(stage.Label)
			if len(words) > 1 && strings.Contains(words[len(words)-1], "/") {
				words = words[:len(words)-1]
			}
			name, _, _ := strings.Cut(strings.Join(words, " "), ",") // an ablation's label has the switch
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// recomputed returns for each key the stages that a change of it makes run.
func recomputed(t *testing.T) map[string][]string {
	t.Helper()
	var root schemaNode
	if err := json.Unmarshal(spec.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	keys, all := map[string]*schemaNode{}, map[string][]string{}
	root.leaves("", keys)
	for key := range keys {
		if strings.HasPrefix(key, "nightly.") || slices.Contains(unset(), key) {
			delete(keys, key) // nightly's keys decide about files and promotion
		}
	}
	for _, text := range recomputeBases() {
		loaded, err := spec.Parse("base", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		base := newWorkflowEnv(t)
		base.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: loaded})
		if err := base.env.GetWorkflowError(); err != nil {
			t.Fatal(err)
		}
		unchanged := must(t, loaded)
		for key, node := range keys {
			if len(all[key]) > 0 {
				continue
			}
			tried := 0
			for _, value := range append(values()[key], node.others()...) {
				changed, err := spec.Parse("base", []byte(text), []string{key + "=" + value})
				if err != nil || must(t, changed) == unchanged {
					continue
				}
				all[key] = changedStages(t, base, changed)
				if tried++; len(all[key]) > 0 || tried == 4 {
					break
				}
			}
		}
	}
	for key := range keys {
		if _, ok := all[key]; !ok {
			t.Errorf("no value of %s fits a base: nothing is known of what it makes run", key)
		}
	}
	return all
}

// must returns a spec's canonical text.
func must(t *testing.T, s spec.Spec) string {
	t.Helper()
	text, err := s.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRecomputeIsDocumented changes every key of a spec and compares the stages that run again with
// testdata/recompute.golden, from which docs/reference-spec.md is made.
func TestRecomputeIsDocumented(t *testing.T) {
	const golden = "testdata/recompute.golden"
	got, err := json.MarshalIndent(recomputed(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("run go test ./workflows -run %s -update, then go test ./docs -run TestReferenceOfSpec -update:\n%s",
			t.Name(), diff)
	}
}
