package hfexport

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/safetensors"
)

// weights returns a safetensors file of three tensors of bytes.
func weights(t testing.TB) []byte {
	t.Helper()
	header := map[string]entry{
		"shared.weight":                {"U8", []int64{2}, [2]int64{0, 2}},
		"whole_word_embeddings.weight": {"U8", []int64{3}, [2]int64{2, 5}},
		"prompt_embeddings.weight":     {"U8", []int64{1, 2}, [2]int64{5, 7}},
	}
	var file bytes.Buffer
	if err := write(&file, header, strings.NewReader("abCDEfg"), 7); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestCompleteWritesEmbeddings(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, weightsFile), weights(t), 0o600); err != nil {
		t.Fatal(err)
	}
	card := Card{
		Model: "x/1", Method: "rdrec", Data: "shop", Prompts: 2,
		ExplainPrompt: "user_7 item_12", SequentialPrompt: "user_7 item_3",
	}
	if err := Complete(dir, card); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, EmbeddingsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	header, data, err := safetensors.ReadHeader(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]safetensors.Entry{
		"prompt_embeddings.weight":     {DType: "U8", Shape: []int64{1, 2}, Start: 0, End: 2},
		"whole_word_embeddings.weight": {DType: "U8", Shape: []int64{3}, Start: 2, End: 5},
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Error(diff)
	}
	rest := make([]byte, 6)
	if n, err := f.ReadAt(rest, data); n != 5 || string(rest[:n]) != "fgCDE" || data%8 != 0 {
		t.Errorf("%q at %d, %v", rest[:n], data, err)
	}
	page, err := os.ReadFile(filepath.Join(dir, readmeFile))
	if err != nil || !strings.Contains(string(page), "user_7 item_3") || strings.Contains(string(page), "{{") {
		t.Errorf("%v\n%s", err, page)
	}
	if strings.Contains(string(page), "codes") {
		t.Errorf("items without codes are described as codes\n%s", page)
	}
	for _, name := range []string{"tokenizer_config.json", "special_tokens_map.json", "generation_config.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !json.Valid(text) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// TestReadmeOfItemCodes has a student whose items are tokens.
func TestReadmeOfItemCodes(t *testing.T) {
	for _, c := range []struct {
		card           Card
		texts, without []string
	}{
		{
			Card{Codes: true, OnePosition: true, ItemHead: true},
			[]string{"codes.json", "item_vectors(model, tables, codes)[[item - 1", "by the item head"},
			[]string{"tokenizer.tokenize", "sum(tokens, [])"},
		},
		{
			Card{Codes: true},
			[]string{"codes.json", "sum(tokens, [])"},
			[]string{"tokenizer.tokenize", "[[item - 1", "item head"},
		},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, weightsFile), weights(t), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Complete(dir, c.card); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(filepath.Join(dir, readmeFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range c.texts {
			if !strings.Contains(string(page), text) {
				t.Errorf("%+v: no %q in\n%s", c.card, text, page)
			}
		}
		for _, text := range c.without {
			if strings.Contains(string(page), text) {
				t.Errorf("%+v: %q in\n%s", c.card, text, page)
			}
		}
	}
}

func TestCompleteKeepsTheStudentsTokenizer(t *testing.T) {
	dir := t.TempDir()
	pieces, err := os.ReadFile("../token/testdata/zh/spiece.model")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{weightsFile: weights(t), "spiece.model": pieces} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Complete(dir, Card{}); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "spiece.model"))
	if err != nil || !bytes.Equal(pieces, kept) {
		t.Errorf("another tokenizer: %v", err)
	}
}
