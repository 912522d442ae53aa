package t5_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// loadInPython loads a folder with Hugging Face's transformers. It prints the loss that T5 computes
// for an example without prompt vectors and whole words, and the keys that transformers reports as
// missing.
const loadInPython = `
import sys, torch
from transformers import T5ForConditionalGeneration
model, info = T5ForConditionalGeneration.from_pretrained(sys.argv[1], output_loading_info=True)
assert not info["missing_keys"], info
model.eval()
ids = torch.tensor([[100, 200, 300, 1]])
embedded = model.shared(ids) + torch.tensor(WHOLE)
with torch.no_grad():
    print(model(inputs_embeds=embedded, labels=torch.tensor([[40, 50, 1]])).loss.item())
`

// TestTransformersLoadsSavedModels needs a Python with torch and transformers, $RDREC_PYTHON or
// python3.
func TestTransformersLoadsSavedModels(t *testing.T) {
	python := os.Getenv("RDREC_PYTHON")
	if python == "" {
		python = "python3"
	}
	if out, err := exec.Command(python, "-c", "import torch, transformers").CombinedOutput(); err != nil {
		t.Skipf("%s has no torch and transformers (%s)", python, strings.TrimSpace(string(out[max(0, len(out)-60):])))
	}
	size, err := spec.SizeNamed("t5-tiny")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	batch := task.Batch{
		Size: 1, SourceLen: 4, TargetLen: 3, Prompts: []int64{0},
		Source: []int64{100, 200, 300, 1}, Mask: []int64{1, 1, 1, 1}, Whole: []int64{0, 0, 0, 0},
		Target: []int64{40, 50, 1},
	}
	var want float64
	var row []string
	err = torch.Run(func(s *torch.Scope) error {
		model, err := t5.New(t5.FromSize(size, 0), 7, torch.CPU)
		if err != nil {
			return err
		}
		defer model.Free()
		loss, err := model.Loss(s, batch, spec.Protocol{})
		if err != nil {
			return err
		}
		want = loss.Float()
		for _, named := range model.Named(s.Use(model.Flat())) {
			if named.Name == "whole_word_embeddings.weight" {
				for _, x := range named.Tensor.Float32s()[:size.Model] {
					row = append(row, strconv.FormatFloat(float64(x), 'g', -1, 32))
				}
			}
		}
		return model.Save(dir)
	})
	if err != nil {
		t.Fatal(err)
	}
	program := strings.Replace(loadInPython, "WHOLE", "["+strings.Join(row, ",")+"]", 1)
	cmd := exec.Command(python, "-c", program, dir)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errors.String())
	}
	got, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil || got < want-1e-4 || got > want+1e-4 {
		t.Errorf("transformers computes a loss of %q, want %v (%v)", strings.TrimSpace(string(out)), want, err)
	}
}
