package llama_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/llama"
	"rdrec/internal/teacher"
	"rdrec/internal/teacher/teachertest"
	"rdrec/internal/torch"
)

// goldens is the output of transformers for a small model (internal/llama/testdata/make.py).
type goldens struct {
	Rows []struct {
		IDs    []int32              `json:"ids"`
		Logits map[string][]float64 `json:"logits"`
	} `json:"rows"`
	Texts []struct {
		Text string  `json:"text"`
		IDs  []int32 `json:"ids"`
	} `json:"texts"`
	Chats []struct {
		Messages []teacher.Message `json:"messages"`
		IDs      []int32           `json:"ids"`
	} `json:"chats"`
}

// formats returns the folders in testdata, with the folder of their goldens and their format.
func formats() map[string]struct {
	golden string
	format llama.Format
} {
	return map[string]struct {
		golden string
		format llama.Format
	}{
		"hf-llama2": {"hf-llama2", llama.HuggingFace}, "hf-llama3": {"hf-llama3", llama.HuggingFace},
		"hf-tinyllama": {"hf-tinyllama", llama.HuggingFace}, "hf-smollm2": {"hf-smollm2", llama.HuggingFace},
		"meta-llama2": {"hf-llama2", llama.Meta},
	}
}

func readGoldens(t *testing.T, folder string) goldens {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", folder, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out goldens
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFoldersMatchTransformers(t *testing.T) {
	for name, c := range formats() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			if format, err := llama.DetectFormat(path); err != nil || format != c.format {
				t.Errorf("format %q, %v", format, err)
			}
			engine := open(t, path, testOptions(16))
			want := readGoldens(t, c.golden)
			worst := 0.0
			for _, row := range want.Rows {
				for at, logits := range row.Logits {
					position, err := strconv.Atoi(at)
					if err != nil {
						t.Fatal(err)
					}
					got, err := engine.Logits(row.IDs[:position+1], 1)
					if err != nil {
						t.Fatal(err)
					}
					diff := maxDifference(got[0], logits)
					if diff > tolerance {
						t.Errorf("position %d: logits differ by up to %g", position, diff)
					}
					worst = max(worst, diff)
				}
			}
			t.Logf("logits differ by at most %.1e", worst)
			for _, row := range want.Texts {
				if diff := cmp.Diff(row.IDs, engine.Encode(row.Text), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%q (-want +got):\n%s", row.Text, diff)
				}
			}
			for _, chat := range want.Chats {
				if diff := cmp.Diff(chat.IDs, engine.ChatTokens(chat.Messages)); diff != "" {
					t.Errorf("%v (-want +got):\n%s", chat.Messages, diff)
				}
			}
		})
	}
}

// maxDifference returns the largest absolute difference.
func maxDifference(got []float32, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i])-want[i]))
	}
	return worst
}

func TestFoldersConform(t *testing.T) {
	for _, name := range []string{"hf-llama2", "meta-llama2"} { // the suite's prompts exceed the contexts of the others
		t.Run(name, func(t *testing.T) {
			teachertest.Conform(t, open(t, filepath.Join("testdata", name), testOptions(16)))
		})
	}
}

// copied returns a copy of a folder of testdata.
func copied(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edit replaces text in a file.
func edit(t *testing.T, path, from, to string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), from) {
		t.Fatalf("%s has no %q", path, from)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUnreadableFolders(t *testing.T) {
	for name, c := range map[string]struct {
		folder         string
		file, from, to string // the file to remove, or to edit if from is set
		want           []string
	}{
		"no weights": {"hf-smollm2", "model.safetensors", "", "", []string{"model.safetensors", "none of"}},
		"a part is missing": {
			"hf-llama2", "model-00002-of-00002.safetensors", "", "",
			[]string{"model-00002-of-00002.safetensors", "lacks a file (want config.json, "},
		},
		"no tokenizer":        {"hf-llama2", "tokenizer.model", "", "", []string{"tokenizer.model", "lacks a file"}},
		"no tokenizer at all": {"hf-llama3", "tokenizer.json", "", "", []string{"tokenizer.model", "lacks a file"}},
		"Meta's tokenizer": {
			"meta-llama2", "tokenizer.model", "", "",
			[]string{"tokenizer.model", "want params.json, "},
		},
		"Meta's weights": {"meta-llama2", "consolidated.0*.pth", "", "", []string{"no consolidated.00.pth"}},
		"Meta's first weights": {
			"meta-llama2", "consolidated.00.pth", "", "",
			[]string{"consolidated.00.pth", "lacks a file"},
		},
		"one of Meta's parts": {
			"meta-llama2", "consolidated.01.pth", "", "",
			[]string{
				`"tok_embeddings.weight in 1 parts" has shape [340 16], want [340 32]`,
				"do the weights match params.json?",
			},
		},
		"no settings": {"hf-llama2", "config.json", "", "", []string{"neither config.json", "nor params.json"}},
		"another shape": {
			"hf-llama3", "config.json", `"num_key_value_heads": 2`, `"num_key_value_heads": 4`,
			[]string{
				`"model.layers.0.self_attn.k_proj.weight" has shape [32 32], want [64 32]`,
				"do the weights match config.json?",
			},
		},
		"unknown rope": {
			"hf-llama3", "config.json", `"llama3"`, `"yarn"`,
			[]string{"config.json", `rope scaling "yarn" is not supported (linear and llama3 are)`},
		},
		"another architecture": {
			"hf-llama3", "config.json", `"llama"`, `"gpt2"`,
			[]string{"config.json", `model_type "gpt2": only llama`},
		},
		"unknown words": {
			"hf-smollm2", "tokenizer.json", `"individual_digits": true`, `"individual_digits": false`,
			[]string{"tokenizer.json", "read tokenizer: pre_tokenizer: "},
		},
		"unknown chat": {
			"hf-smollm2", "tokenizer_config.json", "<|im_start|>", "' + f() + '",
			[]string{`chat template: function "f" is not supported`},
		},
		"a tensor is missing": {
			"hf-smollm2", "config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 3`,
			[]string{"model.safetensors", `no tensor "model.layers.2.`},
		},
		"heads of width 10^12": {
			"hf-llama3", "config.json", `"head_dim": 16`, `"head_dim": 1000000000000`,
			[]string{"config.json", "head width 1000000000000 is out of range"},
		},
		"10^9 layers": {
			"hf-llama3", "config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 1000000000`,
			[]string{"layers 1000000000 is out of range"},
		},
		"10^7 layers": {
			"hf-llama3", "config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 10000000`,
			[]string{"its settings need", "weights, and its files have"},
		},
		"a vocabulary of 10^7": {
			"hf-smollm2", "config.json", `"intermediate_size": `, `"intermediate_size": 9999`,
			[]string{"its settings need", "weights, and its files have"},
		},
		"a context of 2^24 with wide heads": {
			"hf-llama3", "config.json", `"max_position_embeddings": 512`, `"max_position_embeddings": 16777216,
 "x": 1`,
			[]string{"a context of 16777216 with heads of width 16 is out of range"},
		},
		"broken JSON": {"hf-smollm2", "config.json", ":", "", []string{"config.json", "invalid"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copied(t, c.folder)
			if c.from == "" {
				remove(t, dir, c.file)
			} else {
				edit(t, filepath.Join(dir, c.file), c.from, c.to)
			}
			before := torch.Live()
			engine, err := llama.Open(dir, testOptions(16))
			if err == nil {
				t.Fatal("opened", engine.Close())
			}
			if !errors.Is(err, llama.ErrModel) {
				t.Errorf("error %v is not marked with ErrModel: it would be retried", err)
			}
			for _, want := range append(c.want, dir) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one with %q", err, want)
				}
			}
			if now := torch.Live(); now != before {
				t.Errorf("%d tensors live, %d before", now, before)
			}
		})
	}
}

// remove removes the files of a folder that match a pattern.
func remove(t *testing.T, dir, pattern string) {
	t.Helper()
	found, err := fs.Glob(os.DirFS(dir), pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("nothing to remove: %v", err)
	}
	for _, name := range found {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesListsEveryInput(t *testing.T) {
	for name, c := range map[string]struct {
		ignored string
		want    []string
	}{
		"meta-llama2": {
			"LICENSE",
			[]string{"consolidated.00.pth", "consolidated.01.pth", "params.json", "tokenizer.model"},
		},
		"hf-smollm2": {
			"pytorch_model.bin", // the same weights again: the engine reads safetensors
			[]string{"config.json", "golden.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"},
		},
	} {
		dir := copied(t, name)
		if err := os.WriteFile(filepath.Join(dir, c.ignored), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := llama.Files(formats()[name].format, dir)
		if err != nil {
			t.Fatal(err)
		}
		for i := range files {
			files[i] = filepath.Base(files[i])
		}
		if diff := cmp.Diff(c.want, files); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFilesListsAllPartsOfASplitFile(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "m-00001-of-00002.gguf"), filepath.Join(dir, "m-00002-of-00002.gguf")
	if err := os.WriteFile(first, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := llama.Files(llama.GGUF, first)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), second) {
		t.Errorf("error %v, want one with %q", err, second)
	}
	if err := os.WriteFile(second, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := llama.Files(llama.GGUF, first)
	if diff := cmp.Diff([]string{first, second}, files); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// FuzzConfig reads any config.json: an error, or sizes that are in their bounds.
func FuzzConfig(f *testing.F) {
	for _, name := range []string{"hf-llama3", "hf-smollm2", "hf-tinyllama"} {
		data, err := os.ReadFile(filepath.Join("testdata", name, "config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := llama.ParseConfig(data)
		if err != nil {
			return
		}
		if c.Head < 2 || c.Layers < 1 || c.RopeFactors != nil && len(c.RopeFactors) != c.Head/2 {
			t.Errorf("accepted %+v", c)
		}
		if c.CheckSize(0) == nil {
			t.Errorf("%+v fits into no bytes", c)
		}
	})
}
