package t5_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// parameters returns a model's parameters by name.
func parameters(t *testing.T, m *t5.Model) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	err := torch.Run(func(s *torch.Scope) error {
		for _, p := range m.Named(s.Use(m.Flat())) {
			all[p.Name] = p.Tensor.Float32s()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEveryParameterStartsAsTheReference compares the standard deviation and the mean of each
// parameter with Hugging Face's T5, and with the reference for the student's two tables: q (model *
// head)^-0.5; k, v and wi model^-0.5; o (heads * head)^-0.5; wo feed-forward^-0.5; the rest 1.
func TestEveryParameterStartsAsTheReference(t *testing.T) {
	for _, activation := range []string{"relu", "gated-gelu"} {
		c := t5.FromSize(spec.Size{Model: 64, Head: 16, FeedForward: 100, Layers: 2, Heads: 9}, 30)
		c.Vocabulary, c.Activation, c.Tied = 500, activation, activation == "relu"
		for name, values := range parameters(t, newModel(t, c, 1)) {
			want, mean := 0.0, 0.0
			switch {
			case strings.HasSuffix(name, "layer_norm.weight"):
				mean = 1
			case strings.HasSuffix(name, ".q.weight"):
				want = 1. / 32
			case strings.HasSuffix(name, ".k.weight"), strings.HasSuffix(name, ".v.weight"),
				strings.Contains(name, ".wi"),
				strings.HasSuffix(name, "relative_attention_bias.weight"):
				want = 1. / 8
			case strings.HasSuffix(name, ".o.weight"):
				want = 1. / 12
			case strings.HasSuffix(name, ".wo.weight"):
				want = 1. / 10
			case name == "prompt_embeddings.weight":
				want = 0.1 / math.Sqrt(3)
			default:
				want = 1
			}
			sum, squares := 0.0, 0.0
			for _, x := range values {
				sum, squares = sum+float64(x), squares+float64(x)*float64(x)
			}
			n := float64(len(values))
			deviation := math.Sqrt(max(squares/n-sum*sum/n/n, 0))
			if math.Abs(sum/n-mean) > 0.25*want || math.Abs(deviation-want) > 0.15*want {
				t.Errorf("%s: mean %v, deviation %v, want %v and %v", name, sum/n, deviation, mean, want)
			}
		}
	}
}

// write creates a folder with a configuration and tensors.
func write(t *testing.T, c t5.Config, tensors map[string][]float32, shapes map[string][]int64) string {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(c)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = torch.Run(func(s *torch.Scope) error {
		var all []torch.Named
		for name, values := range tensors {
			all = append(all, torch.Named{Name: name, Tensor: s.FromFloat32(values, shapes[name]...)})
		}
		return torch.WriteSafetensors(filepath.Join(dir, "model.safetensors"), all)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestOlderNamesOfTheSharedTable checks the order of the names under which the shared table is
// read: the encoder's, the decoder's, the head's.
func TestOlderNamesOfTheSharedTable(t *testing.T) {
	m := newModel(t, small(), 1)
	const encoder, decoder, head = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"shared.weight", encoder, decoder, head}, "shared.weight"},
		{[]string{encoder, decoder, head}, encoder},
		{[]string{decoder, head}, decoder},
		{[]string{head}, head},
		{nil, ""},
	} {
		tensors, shapes := parameters(t, m), map[string][]int64{}
		for _, p := range m.Parameters() {
			shapes[p.Name] = p.Shape
		}
		rows := len(tensors["shared.weight"])
		delete(tensors, "shared.weight")
		for i, name := range c.names {
			values := make([]float32, rows)
			for j := range values {
				values[j] = float32(i + 1)
			}
			tensors[name], shapes[name] = values, []int64{64, 8}
		}
		loaded, err := t5.Load(write(t, m.Config, tensors, shapes), torch.CPU)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), `tensor "shared.weight" is missing`) {
				t.Errorf("without a name: got %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := parameters(t, loaded)["shared.weight"]; got[0] != 1 || got[rows-1] != 1 {
			t.Errorf("%v: loaded a tensor other than %q", c.names, c.want)
		}
		loaded.Free()
	}
}

// TestMissingTables checks that a pretrained model may lack only the student's two tables, which
// the seed then initializes, and that other models may lack nothing.
func TestMissingTables(t *testing.T) {
	theirs := small()
	theirs.Dropout = 0.25
	m := newModel(t, theirs, 1)
	initialized := parameters(t, newModel(t, theirs, 9))
	const prompts, words = "prompt_embeddings.weight", "whole_word_embeddings.weight"
	for _, c := range []struct {
		missing []string
		want    string // the error
	}{
		{nil, ""},
		{[]string{prompts}, ""},
		{[]string{words}, ""},
		{[]string{prompts, words}, ""},
		{[]string{"decoder.final_layer_norm.weight"}, `tensor "decoder.final_layer_norm.weight" is missing`},
	} {
		tensors, shapes := parameters(t, m), map[string][]int64{}
		for _, p := range m.Parameters() {
			shapes[p.Name] = p.Shape
		}
		for _, name := range c.missing {
			delete(tensors, name)
		}
		dir := write(t, theirs, tensors, shapes)
		if whole, err := t5.Load(dir, torch.CPU); (err == nil) != (c.missing == nil) {
			t.Errorf("without %v: Load returns %v", c.missing, err)
		} else if err == nil {
			whole.Free()
		}
		got, err := t5.LoadPretrained(dir, t5.PretrainedOptions{Prompts: 3, Seed: 9}, torch.CPU)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("without %v: got %v, want %q", c.missing, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got.Dropout != 0.25 {
			t.Errorf("dropout %v, want the model's own", got.Dropout)
		}
		for name, values := range parameters(t, got) {
			want, ok := tensors[name]
			if !ok {
				want = initialized[name]
			}
			for i, x := range values {
				if x != want[i] {
					t.Errorf("without %v: %s[%d] is %v, want %v", c.missing, name, i, x, want[i])
					break
				}
			}
		}
		got.Free()
	}
}
