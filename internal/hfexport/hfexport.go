// Package hfexport completes the folder of a trained student for Hugging Face's transformers. In: a
// folder with config.json and model.safetensors. Added: the tokenizer's files, a file with rdrec's
// two embedding tables, and a README that shows how to use them. It links no libtorch: the tables
// are copied as bytes.
package hfexport

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"text/template"

	"rdrec/internal/token"
)

// Files of the folder.
const (
	weightsFile = "model.safetensors"
	// EmbeddingsFile contains the prompt vectors and the whole-word embeddings.
	EmbeddingsFile = "rdrec_embeddings.safetensors"
	readmeFile     = "README.md"
)

// extraTensors returns the names of the tensors that Hugging Face's T5 does not have.
func extraTensors() []string {
	return []string{"prompt_embeddings.weight", "whole_word_embeddings.weight", "item_embeddings.weight"}
}

//go:embed README.md.tmpl
var readme string

// Card is the content of the README.
type Card struct {
	// Model is the name of the student, Method its training method, Data its training data.
	Model, Method, Data string
	// Prompts is the number of prompt vectors per task.
	Prompts int
	// SplitOnSpaces is true if every word after a space has a whole-word id of its own.
	SplitOnSpaces bool
	// Codes is true if items are tokens of codes (codes.json), OnePosition if an item of a source
	// is one position, and ItemHead if the student scores all items at once.
	Codes, OnePosition, ItemHead bool
	// ExplainPrompt and SequentialPrompt are example inputs of the two tasks.
	ExplainPrompt, SequentialPrompt string
}

// Complete adds the missing files to the folder dir of a student.
func Complete(dir string, card Card) error {
	tokenizer, err := token.OpenStudent(dir)
	if err != nil {
		return err
	}
	for name, content := range tokenizerFiles(tokenizer) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // for people and their programs
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

// tokenizerFiles returns the files that transformers' T5Tokenizer reads. A tokenizer of the
// student's own keeps its files.
func tokenizerFiles(tokenizer *token.T5) map[string][]byte {
	sentinels := tokenizer.Sentinels()
	special := map[string]any{
		"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "additional_special_tokens": sentinels,
	}
	config := map[string]any{
		"tokenizer_class": "T5Tokenizer", "extra_ids": len(sentinels), "legacy": true, "model_max_length": 512,
	}
	for key, value := range special {
		config[key] = value
	}
	generation := map[string]any{"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
	files := map[string][]byte{
		"spiece.model":            token.SentencePiece(),
		"tokenizer_config.json":   marshal(config),
		"special_tokens_map.json": marshal(special),
		"generation_config.json":  marshal(generation),
	}
	if own := tokenizer.Files(); len(own) > 0 {
		delete(files, "spiece.model") // unless the student's own is one
		maps.Copy(files, own)
	}
	return files
}

// marshal returns indented JSON. The values are texts and numbers, which always have a JSON form.
func marshal(value map[string]any) []byte {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return nil
	}
	return append(text, '\n')
}
