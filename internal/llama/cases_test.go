package llama_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/gguf"
	"rdrec/internal/llama"
	"rdrec/internal/teacher"
)

const cases = "../../testdata/cases"

// TestCases opens every model of testdata/cases. make cases prints what it logs.
func TestCases(t *testing.T) {
	chat := []teacher.Message{{Role: teacher.User, Content: "hi"}}
	for _, c := range []struct {
		name, right string
		got         func(t *testing.T) string
	}{
		{
			"GGUF with Q5_0, llama.cpp's fallback for Q4_K", "opens; blk.0.attn_q is -0.13 0.07 -0.13 0.08 0.12 ...",
			func(t *testing.T) string {
				t.Helper()
				return firstWeights(t, "15-gguf-fallback-types/q5_0.gguf", gguf.Q50)
			},
		},
		{
			"GGUF with Q5_1, the fallback for Q5_K", "opens; blk.0.attn_q is -0.03 -0.02 0.11 0.06 0.13 ...",
			func(t *testing.T) string {
				t.Helper()
				return firstWeights(t, "15-gguf-fallback-types/q5_1.gguf", gguf.Q51)
			},
		},
		{
			"GGUF with IQ4_NL, the fallback for Q3_K", "opens; blk.0.attn_q is -0.22 0.01 -0.22 0.53 -1.27 ...",
			func(t *testing.T) string {
				t.Helper()
				return firstWeights(t, "15-gguf-fallback-types/iq4_nl.gguf", gguf.IQ4NL)
			},
		},
		{
			"GGUF in two files", "opens: 20 tensors",
			func(t *testing.T) string {
				t.Helper()
				path := filepath.Join(cases, "16-gguf-split/m-00001-of-00002.gguf")
				open(t, path, testOptions(1))
				return fmt.Sprintf("opens: %d tensors", len(openFile(t, path).Tensors))
			},
		},
		{
			"the second of two files", "refused: part 2 of a split model; name the first part",
			func(t *testing.T) string {
				t.Helper()
				return refusal(t, filepath.Join(cases, "16-gguf-split/m-00002-of-00002.gguf"))
			},
		},
		{
			"chat pieces that are user-defined", "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
			func(t *testing.T) string {
				t.Helper()
				return written(open(t, filepath.Join(cases, "17-gguf-chatml-userdefined/m.gguf"), testOptions(1)),
					map[int32]string{256: "<|im_start|>", 257: "<|im_end|>"}, chat)
			},
		},
		{
			"Mistral's template", "<s>[INST] hi [/INST]",
			func(t *testing.T) string {
				t.Helper()
				return rendered(t, "18-mistral-template/m.json", chat)
			},
		},
		{
			"Vicuna's template", "USER: hi ASSISTANT:",
			func(t *testing.T) string {
				t.Helper()
				return rendered(t, "18-mistral-template/vicuna.json", chat)
			},
		},
		{
			"a folder that lacks a tensor", `refused: no tensor "lm_head.weight"`,
			func(t *testing.T) string {
				t.Helper()
				dir := copied(t, "hf-smollm2")
				replace(t, filepath.Join(dir, "config.json"), "31-hf-missing-tensor/config.json")
				return refusal(t, dir)
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.got(t)
			t.Logf("case: %s | %s | %s", c.name, inLine(c.right), inLine(got))
			if got != c.right {
				t.Errorf("got   %q\nright %q", got, c.right)
			}
		})
	}
}

// inLine returns a text on one line.
func inLine(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

func openFile(t *testing.T, path string) *gguf.File {
	t.Helper()
	file, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	return file
}

// firstWeights opens a quantized model and returns the first weights of a tensor, rounded. The
// right values were computed from the bytes of the file by hand.
func firstWeights(t *testing.T, name string, want gguf.Type) string {
	t.Helper()
	path := filepath.Join(cases, filepath.FromSlash(name))
	open(t, path, testOptions(1))
	file := openFile(t, path)
	const weight = "blk.0.attn_q.weight"
	if tensor, ok := file.Tensor(weight); !ok || tensor.Type != want {
		t.Errorf("%q has type %s, want %s", weight, tensor.Type, want)
	}
	values, err := file.Floats(weight)
	if err != nil {
		t.Fatal(err)
	}
	text := "opens; blk.0.attn_q is"
	for _, v := range values[:5] {
		text += fmt.Sprintf(" %.2f", v)
	}
	return text + " ..."
}

// refusal returns why a model is refused, without its path and further reasons.
func refusal(t *testing.T, path string) string {
	t.Helper()
	engine, err := llama.Open(path, testOptions(1))
	if err == nil {
		return fmt.Sprint("opens", engine.Close())
	}
	if !errors.Is(err, llama.ErrModel) {
		t.Errorf("%v is not marked with ErrModel: it would be retried", err)
	}
	text := err.Error()
	for _, from := range []string{"part ", "no tensor "} {
		if at := strings.Index(text, from); at >= 0 {
			text = text[at:]
		}
	}
	reason, _, _ := strings.Cut(text, ", ")
	return "refused: " + reason
}

// replace replaces a file by one of the cases.
func replace(t *testing.T, path, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cases, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rendered returns messages as a Llama 2 with the settings of a case writes them.
func rendered(t *testing.T, settings string, messages []teacher.Message) string {
	t.Helper()
	dir := copied(t, "hf-llama2")
	replace(t, filepath.Join(dir, "tokenizer_config.json"), settings)
	return written(open(t, dir, testOptions(1)), map[int32]string{1: "<s>", 2: "</s>"}, messages)
}

// written returns messages as the model reads them, with the texts of its control tokens.
func written(engine *llama.Engine, control map[int32]string, messages []teacher.Message) string {
	var text strings.Builder
	var run []int32
	decode := func() string { return strings.TrimPrefix(engine.Decode(run), " ") } // SentencePiece adds a blank
	for _, id := range engine.ChatTokens(messages) {
		if piece, ok := control[id]; ok {
			text.WriteString(decode() + piece)
			run = nil
		} else {
			run = append(run, id)
		}
	}
	return text.String() + decode()
}
