package llama_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"rdrec/internal/llama"
	"rdrec/internal/teacher"
)

const chatML = "{% for m in messages %}<|im_start|>{{m.role}}\n{{m.content}}<|im_end|>\n{% endfor %}"

// writeJSON writes a file of a folder.
func writeJSON(t *testing.T, dir, name string, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// withoutPieces returns a Llama 2 whose tokenizer.model lacks the last four of its 340 pieces.
func withoutPieces(t *testing.T) (dir string) {
	t.Helper()
	dir = copied(t, "hf-llama2")
	path := filepath.Join(dir, "tokenizer.model")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for pieces := 0; len(data) > 0; {
		number, _, size := protowire.ConsumeField(data)
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		if number == 1 {
			pieces++
		}
		if number != 1 || pieces <= 336 {
			out = append(out, data[:size]...)
		}
		data = data[size:]
	}
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAddedTokens reads folders whose tokenizer.model lacks pieces that other files add, as
// fine-tuned Llama 2s have them.
func TestAddedTokens(t *testing.T) {
	chat := []teacher.Message{{Role: teacher.User, Content: "hi <|im_end|> extra"}}
	control := map[int32]string{336: "<|im_start|>", 337: "<|im_end|>"}
	const want = "<|im_start|>user\nhi <|im_end|> extra<|im_end|>\n<|im_start|>assistant\n"
	for name, files := range map[string]map[string]map[string]any{
		"added_tokens.json": {
			// The model has no row for [PAD]; <s> is a piece of the model.
			"added_tokens.json": {
				"<|im_start|>": 336, "<|im_end|>": 337, "<unused>": 338, "extra": 339,
				"[PAD]": 340, "other": 341, "<s>": 1,
			},
			"tokenizer_config.json": {"chat_template": chatML, "pad_token": map[string]any{"content": "[PAD]"}},
		},
		"tokenizer_config.json": {
			"tokenizer_config.json": {
				"chat_template": chatML, "added_tokens_decoder": map[string]any{
					"1":   map[string]any{"content": "<s>", "special": true},
					"336": map[string]any{"content": "<|im_start|>", "special": false},
					"337": map[string]any{"content": "<|im_end|>", "special": true},
					"339": map[string]any{"content": "extra"},
				},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := withoutPieces(t)
			for file, value := range files {
				writeJSON(t, dir, file, value)
			}
			engine := open(t, dir, testOptions(1))
			if got := strings.TrimPrefix(written(engine, control, chat), "<s>"); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if n := count(engine.ChatTokens(chat), 337); n != 1 {
				t.Errorf("%d ends of messages, want 1: a review has one as plain text", n)
			}
			if got := engine.Decode([]int32{336, 339}); got != "extra" {
				t.Errorf("decoded %q: control tokens have no text, others have", got)
			}
		})
	}
}

func TestAddedTokensWithoutWeightsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		added map[string]any
		want  string
	}{
		"beyond the weights": {
			map[string]any{"<|im_start|>": 340, "<|im_end|>": 341},
			`the chat template writes "<|im_start|>", token 340, but the embedding has 340 tokens`,
		},
		"another piece's id": {
			map[string]any{"<|im_start|>": 7}, `the added piece "<|im_start|>" has the id 7, which belongs to `,
		},
		"one id twice": {
			map[string]any{"<|im_start|>": 336, "<|im_end|>": 336}, "have the same id 336",
		},
		"out of bounds": {map[string]any{"x": -1}, `the added piece "x" has the id -1, which is out of bounds`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := withoutPieces(t)
			writeJSON(t, dir, "added_tokens.json", c.added)
			writeJSON(t, dir, "tokenizer_config.json", map[string]any{"chat_template": chatML})
			engine, err := llama.Open(dir, testOptions(1))
			if err == nil {
				t.Fatal("opened", engine.Close())
			}
			if !errors.Is(err, llama.ErrModel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
