package spec_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
)

// defaults is the canonical JSON of a spec with only the required fields: the paper's settings.
const defaults = `{"name":"shop","seed":1,"protocol":"paper","methods":["rdrec"],"trials":1,` +
	`"baselines":["popularity","markov","item-knn","rule"],"data":{"folder":"data/shop","negatives":99},` +
	`"teacher":{"model":"smollm2","prompt":"few-shot","parse":"strict","max_reviews":0,"batch":0,` +
	`"shard_rows":2048,` +
	`"max_tokens":80,"max_context":512,"temperature":0,"top_p":1,"repetition_penalty":1.15,"max_bad":0.5},` +
	`"student":{"size":"t5-small"},` +
	`"train":{"batch":64,"ratio":{"explanation":1,"sequential":1,"rationale":1,"topn":1},"learning_rate":0.0005,` +
	`"weight_decay":0.01,"epochs":100,"patience":5,"max_target_tokens":20,"checkpoint_steps":200,` +
	`"keep_checkpoints":2},` +
	`"evaluate":{"batch":32,"sequential_users":0,"topn_users":0,"explanations":0,"num_beams":20,` +
	`"num_return_sequences":15,"topn":10,` +
	`"explanation_num_beams":21,"explanation_num_beam_groups":3,"min_length":10,"max_length":50,` +
	`"max_reference_tokens":100},` +
	`"sasrec":{"hidden_sizes":[64,128],"dropouts":[0.2,0.5],"learning_rates":[0.001],"blocks":2,"heads":2,` +
	`"max_length":50,` +
	`"batch":128,"epochs":200,"patience":10}}`

func TestDefaults(t *testing.T) {
	t.Parallel()
	s, err := spec.Parse("shop.yaml", []byte(minimalSpec), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults, string(text)); diff != "" {
		t.Errorf("canonical form (-want +got):\n%s", diff)
	}
	sum := sha256.Sum256([]byte(defaults))
	want := hex.EncodeToString(sum[:])
	if got, err := s.Digest(); err != nil || got != want {
		t.Errorf("digest %s, %v, want %s", got, err, want)
	}
	if got, err := s.WorkflowID(); err != nil || got != "shop-"+want[:12] {
		t.Errorf("workflow %s, %v, want shop-%s", got, err, want[:12])
	}
}

// TestSpecWithNaNIsNotSerializable covers specs that were not read from a document.
func TestSpecWithNaNIsNotSerializable(t *testing.T) {
	t.Parallel()
	s := spec.Default()
	s.Name, s.Train.LearningRate = "shop", math.NaN()
	if text, err := s.Canonical(); err == nil || !strings.Contains(err.Error(), `writing spec "shop" as JSON`) {
		t.Errorf("canonical form %s, error %v", text, err)
	}
	if digest, err := s.Digest(); err == nil {
		t.Errorf("digest %s", digest)
	}
	if id, err := s.WorkflowID(); err == nil {
		t.Errorf("workflow %s", id)
	}
}

func TestDefaultsOfBlocks(t *testing.T) {
	t.Parallel()
	for want, block := range map[string]any{
		`{"path":"","format":"auto","user_core":5,"item_core":5,"min_rating":0,"extractor":"sentence",` +
			`"max_bad":0.01}`: spec.DefaultReviews(),
		`{"inbox":"","gate":{"task":"sequential","metric":"NDCG@10","margin":0.1,"margin_type":"relative",` +
			`"alpha":0.05,"floor":"popularity","min_parsed":0.5,"min_coverage":0.05,"max_first_share":0.5,` +
			`"min_rows":1,"max_rows":0,"max_bad":0.05},` +
			`"retry_rejected":false}`: spec.DefaultNightly(),
	} {
		text, err := json.Marshal(block)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestSizes compares with d_model, d_kv, d_ff, num_layers, num_heads and dropout_rate of the
// config.json of google-t5/t5-small to t5-11b.
func TestSizes(t *testing.T) {
	t.Parallel()
	type config struct {
		Model, Head, FeedForward, Layers, Heads int
		Dropout                                 float64
	}
	got := map[string]config{}
	for _, z := range spec.Sizes() {
		got[z.Name] = config{z.Model, z.Head, z.FeedForward, z.Layers, z.Heads, z.Dropout}
	}
	if diff := cmp.Diff(map[string]config{
		"t5-tiny":  {64, 16, 128, 2, 4, 0},
		"t5-mini":  {128, 32, 512, 2, 4, 0},
		"t5-midi":  {256, 64, 1024, 4, 4, 0},
		"t5-small": {512, 64, 2048, 6, 8, 0.1},
		"t5-base":  {768, 64, 3072, 12, 12, 0.1},
		"t5-large": {1024, 64, 4096, 24, 16, 0.1},
		"t5-3b":    {1024, 128, 16384, 24, 32, 0.1},
		"t5-11b":   {1024, 128, 65536, 24, 128, 0.1},
	}, got); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
}

// TestMethods pins each method's tasks, prompt vectors and template set.
func TestMethods(t *testing.T) {
	t.Parallel()
	want := []spec.Method{
		{
			Name:          "rdrec",
			Explanation:   true,
			Sequential:    true,
			Rationale:     true,
			TopN:          true,
			PromptVectors: 3,
			TemplateSet:   "pod",
		},
		{Name: "pod", Explanation: true, Sequential: true, TopN: true, PromptVectors: 3, TemplateSet: "pod"},
		{Name: "p5", Explanation: true, Sequential: true, TopN: true, TemplateSet: "p5"},
	}
	got := spec.Methods()
	for i := range got {
		got[i].Cite = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
}

func TestIndexings(t *testing.T) {
	t.Parallel()
	want := map[string][2]bool{ // seeded, leaks
		"as-is": {false, true}, "appearance": {false, true}, "random": {true, false}, "sequential": {true, false},
		"collaborative": {true, false}, "semantic": {true, false}, "semantic-cooccurrence": {true, false},
		"codes": {true, false}, "semantic-codes": {true, false}, "collaborative-codes": {true, false},
	}
	got := map[string][2]bool{}
	for _, n := range spec.Indexings() {
		got[n.Name] = [2]bool{n.Seeded, n.Leaks}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("indexings, seeded and leaking (-want +got):\n%s", diff)
	}
}

// TestSwitchAffects pins which switches affect training, by the tasks trained on, and evaluation.
func TestSwitchAffects(t *testing.T) {
	t.Parallel()
	rdrec, pod := spec.Methods()[0], spec.Methods()[1]
	noItems, noTexts := rdrec, rdrec
	noItems.TopN, noTexts.Explanation = false, false
	all, none := spec.Ratio{Explanation: 1, Sequential: 1, Rationale: 1, TopN: 1}, spec.Ratio{Sequential: 1}
	for name, c := range map[string]struct {
		method   spec.Method
		ratio    spec.Ratio
		training []string
	}{
		"all": {
			rdrec, all,
			[]string{
				"mask_cross", "skip_pads", "correct_tasks", "patience_resets", "constrained", "held_out",
				"full_prefixes", "blind_negatives",
			},
		},
		"sequences": {
			rdrec, none,
			[]string{
				"mask_cross", "skip_pads", "patience_resets", "constrained", "full_prefixes", "blind_negatives",
			},
		},
		"rationales": {
			rdrec,
			spec.Ratio{Rationale: 0.1},
			[]string{
				"mask_cross", "skip_pads", "correct_tasks", "patience_resets", "constrained", "held_out",
				"full_prefixes", "blind_negatives",
			},
		},
		"explanations": {
			rdrec,
			spec.Ratio{Explanation: 0.1},
			[]string{
				"mask_cross", "skip_pads", "patience_resets", "constrained", "held_out",
				"full_prefixes", "blind_negatives",
			},
		},
		"no rationales": {
			pod, all,
			[]string{
				"mask_cross", "skip_pads", "patience_resets", "constrained", "held_out",
				"full_prefixes", "blind_negatives",
			},
		},
		"pod on rationales": {
			pod,
			spec.Ratio{Rationale: 1, Sequential: 1},
			[]string{"mask_cross", "skip_pads", "patience_resets", "constrained", "full_prefixes", "blind_negatives"},
		},
		"no top-N": {noItems, none, []string{"mask_cross", "skip_pads", "patience_resets", "full_prefixes"}},
		"no explanations": {
			noTexts,
			spec.Ratio{Explanation: 1, Sequential: 1},
			[]string{"mask_cross", "skip_pads", "patience_resets", "constrained", "full_prefixes", "blind_negatives"},
		},
		"rationales instead": {
			noTexts,
			spec.Ratio{Rationale: 1},
			[]string{
				"mask_cross", "skip_pads", "correct_tasks", "patience_resets", "constrained", "held_out",
				"full_prefixes", "blind_negatives",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clean, err := spec.ProtocolNamed(spec.Clean)
			if err != nil {
				t.Fatal(err)
			}
			kept := clean.ForTraining(c.method, c.ratio)
			var training, affecting []string
			for _, w := range spec.Switches() {
				if w.On(kept) {
					training = append(training, w.Name)
				}
				if w.Affects(c.method, c.ratio) {
					affecting = append(affecting, w.Name)
				}
			}
			if diff := cmp.Diff(c.training, training); diff != "" {
				t.Errorf("training (-want +got):\n%s", diff)
			}
			want := c.training
			if name == "no top-N" {
				// predictions are constrained anyway
				want = []string{"mask_cross", "skip_pads", "patience_resets", "constrained", "full_prefixes"}
			}
			if c.method.Rationale && c.ratio.Rationale > 0 { // off in protocol clean
				want = append(slices.Clone(want), "shuffled_rationales")
			}
			if diff := cmp.Diff(want, affecting); diff != "" {
				t.Errorf("affecting (-want +got):\n%s", diff)
			}
			off := spec.Protocol{}
			if got := off.ForTraining(c.method, c.ratio); got != off {
				t.Errorf("switches that are off are turned on: %+v", got)
			}
		})
	}
}

// TestChangedSwitches expects exactly the switches that differ from the protocol.
func TestChangedSwitches(t *testing.T) {
	t.Parallel()
	switches := map[string]bool{"mask_cross": true, "skip_pads": false, "held_out": true, "constrained": false}
	for protocol, want := range map[string][]string{
		spec.Paper: {"mask_cross on", "held_out on"},
		spec.Clean: {"skip_pads off", "constrained off"},
		"unknown":  nil,
	} {
		if diff := cmp.Diff(want, spec.Spec{Protocol: protocol, Switches: switches}.ChangedSwitches()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", protocol, diff)
		}
	}
	if _, err := (spec.Spec{Protocol: "unknown"}).Resolve(); err == nil {
		t.Error("Resolve accepts an unknown protocol")
	}
}

func TestMethodLabel(t *testing.T) {
	t.Parallel()
	if got := spec.MethodLabel("rdrec", ""); got != "rdrec" {
		t.Errorf("without a variant: %q", got)
	}
	if got := spec.MethodLabel("rdrec", "skip_pads off"); got != "rdrec, skip_pads off" {
		t.Errorf("with a variant: %q", got)
	}
}

// TestForPredictions expects that only the numbers of shards and of checked texts are left out.
func TestForPredictions(t *testing.T) {
	t.Parallel()
	want := spec.Default().Evaluate
	sharded := want
	sharded.Shards, sharded.EntailmentTexts = 7, 9
	if diff := cmp.Diff(want, sharded.ForPredictions()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
