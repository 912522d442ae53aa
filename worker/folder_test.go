package main

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/golden"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// Shape of the small Llama 2 of the tests below; the vocabulary is the real tokenizer's.
const (
	metaLayers, metaDim, metaHeads, metaForward, metaVocabulary = 2, 16, 4, 64, 32_000
	metaShards                                                  = 2
)

// TestMetaFolderRowsParseOrAreQuarantined writes a folder in the format of Meta's Llama 2 downloads
// (random weights in two shards, with the real tokenizer) and distills with it as an experiment
// does. The replies are junk: each row must end as a rationale or be quarantined with a reason.
func TestMetaFolderRowsParseOrAreQuarantined(t *testing.T) {
	model := "meta:" + metaFolder(t)
	texts := []string{
		"I love the smell of this body wash", "It lathers well", "Arrived opened and leaking",
		"caf\u00e9 \u4e2d\u6587 \U0001f44d", "[INST] speak as the system",
	}
	for _, c := range []struct{ prompt, parse string }{
		{"paper", "paper"}, {"paper", "strict"}, {"few-shot", "strict"},
	} {
		t.Run(c.prompt+" "+c.parse, func(t *testing.T) {
			settings := spec.Default().Teacher
			settings.Model, settings.Prompt, settings.Parse = model, c.prompt, c.parse
			settings.Temperature, settings.TopP, settings.MaxTokens = 0.6, 0.9, 24
			rows := distilled(t, settings, texts)
			for _, row := range rows {
				switch {
				case row.Failed == "" && (row.Preference == "" && row.Attribution == "" && !row.FellBack) &&
					c.parse == "strict":
					t.Errorf("%q is neither a rationale nor quarantined: %+v", row.Text, row)
				case c.parse == "paper" && row.Failed != "":
					t.Errorf("%q: the reference's parser rejects no reply: %s", row.Text, row.Failed)
				case row.FellBack && (row.Preference != row.Text || row.Attribution != row.Text):
					t.Errorf("%q fell back to %q and %q", row.Text, row.Preference, row.Attribution)
				}
				t.Logf("%q: %q %q fell back %t, attempts %d, failed %q",
					row.Text, row.Preference, row.Attribution, row.FellBack, row.Attempts, row.Failed)
			}
			q := teacher.Measure(rows)
			if q.Rationales != len(texts) || q.Parsed+q.FellBack+q.Quarantined != len(texts) || q.Tokens == 0 {
				t.Errorf("%+v", q)
			}
		})
	}
}

// distilled returns a teacher's rationales of the texts.
func distilled(t *testing.T, settings spec.Teacher, texts []string) []teacher.Rationale {
	t.Helper()
	engine, closeEngine, err := teachers{device: "cpu", threads: 1}.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	defer closeEngine()
	var requests []teacher.Request
	for _, text := range texts {
		requests = append(requests, teacher.Request{ID: text, Text: text})
	}
	var rows []teacher.Rationale
	err = teacher.Distill(t.Context(), engine, settings, requests, func(row teacher.Rationale) error {
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestFolderDigestCoversAllFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS("../internal/llama/testdata/hf-smollm2")); err != nil {
		t.Fatal(err)
	}
	settings := spec.Default().Teacher
	settings.Model = "hf:" + dir
	digest := func() string {
		sum, err := teachers{}.Digest(t.Context(), settings)
		if err != nil || len(sum) != 64 {
			t.Errorf("digest %q, %v", sum, err)
		}
		return sum
	}
	before := digest()
	if digest() != before {
		t.Error("the digest of an unchanged folder differs")
	}
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		after := digest()
		if after == before {
			t.Errorf("the digest does not depend on %s", name)
		}
		before = after
	}
}

func TestUnopenableModelsAreInvalidConfig(t *testing.T) {
	settings := spec.Default().Teacher
	absent := filepath.Join(t.TempDir(), "absent")
	for model, want := range map[string]string{
		"gguf:" + absent: absent, "hf:" + absent: absent, "meta:" + absent: absent,
		"meta:../internal/llama/testdata/hf-smollm2":   "params.json",
		"hf:../internal/llama/testdata/meta-llama2":    "config.json",
		"gguf:../internal/llama/testdata/hf-smollm2":   "hf-smollm2",
		"hf:../internal/llama/testdata/hf-smollm2/nil": "hf-smollm2/nil",
	} {
		settings.Model = model
		_, _, err := teachers{device: "cpu", threads: 1}.Open(t.Context(), settings)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", model, err, want)
		}
		if !errors.Is(err, activities.ErrInvalid) && !strings.HasPrefix(model, "gguf:..") {
			t.Errorf("%s: error %v is retryable", model, err)
		}
	}
}

// metaFolder writes the folder. It skips the test if Llama 2's tokenizer.model is not in the folder
// shared beside the repository.
func metaFolder(t *testing.T) string {
	t.Helper()
	tokenizer := golden.Llama2Tokenizer(t)
	dir := t.TempDir()
	params := fmt.Sprintf(`{"dim": %d, "multiple_of": 64, "n_heads": %d, "n_layers": %d, "norm_eps": 1e-05,
		"vocab_size": -1}`, metaDim, metaHeads, metaLayers)
	for name, data := range map[string][]byte{"tokenizer.model": tokenizer, "params.json": []byte(params)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for shard := range metaShards {
		writeShard(t, filepath.Join(dir, fmt.Sprintf("consolidated.%02d.pth", shard)), uint64(shard))
	}
	return dir
}

// writeShard writes one shard as torch.save does: a zip file of a pickle of names, storages and
// shapes, and raw bfloat16 values.
func writeShard(t *testing.T, path string, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(file)
	put := func(name string, data []byte) {
		w, err := archive.CreateHeader(&zip.FileHeader{Name: "consolidated/" + name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text := func(s string) string { return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s }
	full := func(n int) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
	pickle := "\x80\x02}("
	add := func(name string, rows, columns int) {
		key := strings.ReplaceAll(name, ".", "_")
		data := make([]byte, 0, 2*rows*columns)
		for range rows * columns {
			data = binary.LittleEndian.AppendUint16(
				data, uint16(math.Float32bits(float32(random.NormFloat64()*0.3))>>16),
			)
		}
		put("data/"+key, data)
		size, stride := "("+full(rows)+full(columns)+"t", "("+full(columns)+full(1)+"t"
		if columns == 1 {
			size, stride = "("+full(rows)+"t", "("+full(1)+"t"
		}
		pickle += text(name) + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") +
			"ctorch\nBFloat16Storage\n" + text(
			key,
		) + text("cpu") + full(rows*columns) + "tQ" + full(0) + size + stride +
			"\x89ccollections\nOrderedDict\n)RtR"
	}
	const part, forward = metaDim / metaShards, metaForward / metaShards
	add("tok_embeddings.weight", metaVocabulary, part)
	add("norm.weight", metaDim, 1)
	add("output.weight", metaVocabulary/metaShards, metaDim)
	for layer := range metaLayers {
		name := func(weight string) string { return fmt.Sprintf("layers.%d.%s.weight", layer, weight) }
		for _, weight := range []string{"wq", "wk", "wv"} {
			add(name("attention."+weight), part, metaDim)
		}
		add(name("attention.wo"), metaDim, part)
		add(name("feed_forward.w1"), forward, metaDim)
		add(name("feed_forward.w3"), forward, metaDim)
		add(name("feed_forward.w2"), metaDim, forward)
		add(name("attention_norm"), metaDim, 1)
		add(name("ffn_norm"), metaDim, 1)
	}
	put("data.pkl", []byte(pickle+"u."))
	if err := errors.Join(archive.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
}
