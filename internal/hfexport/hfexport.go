// Package handover makes a trained student's folder complete for people who use Hugging Face's
// transformers. In: a folder with config.json and model.safetensors; added: the tokenizer's files,
// our two tables in a file of their own, and a README that says how they enter. It links no
// libtorch: tables are copied as bytes.
package hfexport

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"rdrec/internal/token"
)

// Files of the folder.
const (
	weightsFile = "model.safetensors"
	// EmbeddingsFile has the prompt vectors and the whole-word embeddings.
	EmbeddingsFile = "rdrec_embeddings.safetensors"
	readmeFile     = "README.md"
)

// extraTensors are the tensors that Hugging Face's T5 does not have.
func extraTensors() []string {
	return []string{"prompt_embeddings.weight", "whole_word_embeddings.weight"}
}

//go:embed README.md.tmpl
var readme string

// Card is what the README says of the student.
type Card struct {
	// Model is where it comes from, Method what it learnt by, Data what it was trained on.
	Model, Method, Data string
	// Prompts is how many prompt vectors a task has; Blanks says that whole words are numbered at
	// blanks.
	Prompts       int
	SplitOnSpaces bool
	// ExplainPrompt and Next are examples of texts that ask.
	ExplainPrompt, SequentialPrompt string
}

// Complete adds what is missing to the folder dir of a student.
func Complete(dir string, card Card) error {
	for name, content := range tokenizerFiles() {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil { //nolint:gosec // for people and their programs
			return fmt.Errorf("write the tokenizer: %w", err)
		}
	}
	if err := extract(filepath.Join(dir, weightsFile), filepath.Join(dir, EmbeddingsFile), extraTensors()); err != nil {
		return fmt.Errorf("copy the student's embeddings: %w", err)
	}
	page, err := template.New(readmeFile).Parse(readme)
	if err != nil {
		return fmt.Errorf("read the README's template: %w", err)
	}
	var text bytes.Buffer
	if err := page.Execute(&text, card); err != nil {
		return fmt.Errorf("write the README: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, readmeFile), text.Bytes(), 0o644) //nolint:gosec // for people
}

// tokenizerFiles are those that transformers' T5Tokenizer reads.
func tokenizerFiles() map[string][]byte {
	special := map[string]any{"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "additional_special_tokens": token.Sentinels()}
	config := map[string]any{"tokenizer_class": "T5Tokenizer", "extra_ids": len(token.Sentinels()), "legacy": true, "model_max_length": 512}
	for key, value := range special {
		config[key] = value
	}
	return map[string][]byte{
		"spiece.model": token.SentencePiece(), "tokenizer_config.json": marshal(config), "special_tokens_map.json": marshal(special),
		"generation_config.json": marshal(map[string]any{"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}),
	}
}

// marshal is JSON of what always can be: maps of texts and numbers.
func marshal(value map[string]any) []byte {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return nil
	}
	return append(text, '\n')
}
