package untrusted_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"rdrec/internal/dataset"
	"rdrec/internal/gguf"
	"rdrec/internal/jinja"
	"rdrec/internal/pickle"
	"rdrec/internal/safetensors"
	"rdrec/internal/spec"
	"rdrec/internal/token"
	"rdrec/internal/untrusted"
	"rdrec/internal/untrusted/untrustedtest"
)

// readers are the readers of packages that link neither libtorch nor DuckDB; those of packages t5,
// llama and review have the same test.
var readers = map[string]untrustedtest.Read{
	"pickle": func(t *testing.T, data string) error {
		t.Helper()
		const start = "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02"
		return untrustedtest.File("model.bin", func(path string) error {
			file, err := pickle.Open(path)
			if err == nil {
				err = file.Close()
			}
			return err
		}, nil)(t, start+data)
	},
	"safetensors": func(_ *testing.T, data string) error {
		size := fmt.Sprintf("%c%c%c%c\x00\x00\x00\x00", len(data)&0xff, len(data)>>8&0xff, len(data)>>16&0xff, 0)
		_, _, err := safetensors.ReadHeader(strings.NewReader(size+data), int64(8+len(data)))
		return err
	},
	"gguf": func(_ *testing.T, data string) error {
		_, err := gguf.Parse(strings.NewReader("GGUF\x03\x00\x00\x00"+data), int64(8+len(data)), "x")
		return err
	},
	"tokenizer.json": func(_ *testing.T, data string) error {
		_, err := token.ParseHuggingFace([]byte(data))
		return err
	},
	"normalizers": func(_ *testing.T, data string) error {
		_, err := token.ParseHuggingFace([]byte(`{"normalizer":` + data + `,"pre_tokenizer":` + data + `}`))
		return err
	},
	"tokenizer.model": func(_ *testing.T, data string) error {
		_, err := token.ParseSentencePieceBPE([]byte(data))
		return err
	},
	"chat template": func(_ *testing.T, data string) error {
		template, err := jinja.Parse("{{ " + data + " }}")
		if err == nil {
			_, err = template.Render(nil)
		}
		return err
	},
	"spec": func(_ *testing.T, data string) error {
		_, err := spec.Parse("spec.yaml", []byte("name: x\ndata: "+data), nil)
		return err
	},
	"--set": func(_ *testing.T, data string) error {
		_, err := spec.Parse("spec.yaml", []byte("name: x\n"), []string{"data=" + data})
		return err
	},
	"datamaps":     ofDataset("datamaps.json"),
	"sequences":    ofDataset("sequential.txt"),
	"OpenP5":       ofDataset("user_sequence.txt"),
	"times":        ofDataset("times.txt"),
	"negatives":    ofDataset("negative.txt"),
	"explanations": ofDataset("explanation.json"),
	"rationales":   ofDataset("explanation_rationale.json"),
	"titles":       ofDataset("titles.json"),
	"keywords":     ofDataset("item_keywords.tsv"),
	"codes":        ofDataset("codes.json"),
}

// ofDataset returns the reader of a dataset folder in which one file is the content. The others are
// valid, so that the reader comes to it.
func ofDataset(name string) untrustedtest.Read {
	return func(_ *testing.T, data string) error {
		folder := fstest.MapFS{
			"datamaps.json":  {Data: []byte(`{"id2user":{"1":"u"},"id2item":{"1":"a","2":"b","3":"c"}}`)},
			"sequential.txt": {Data: []byte("1 1 2 3\n")},
		}
		if name == "user_sequence.txt" {
			clear(folder)
		}
		folder[name] = &fstest.MapFile{Data: []byte(data)}
		_, err := dataset.Read(folder, "x")
		return err
	}
}

// TestFilesWithoutAnEnd opens a named pipe, which nobody writes to, and devices in the place of a
// file: an error at once.
func TestFilesWithoutAnEnd(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for name, open := range map[string]func(path string) error{
		"file": func(path string) error {
			_, err := untrusted.ReadFile(path, untrusted.MaxSettings)
			return err
		},
		"pickle": func(path string) error {
			_, err := pickle.Open(path)
			return err
		},
		"gguf": func(path string) error {
			_, err := gguf.Open(path)
			return err
		},
		"spec": func(path string) error {
			_, err := spec.Load(path, nil)
			return err
		},
		"dataset": func(path string) error {
			folder := t.TempDir()
			if err := os.Symlink(path, filepath.Join(folder, "datamaps.json")); err != nil {
				return err
			}
			_, err := dataset.Read(os.DirFS(folder), "x")
			return err
		},
	} {
		for _, path := range []string{pipe, "/dev/zero", "/dev/random", t.TempDir()} {
			if err := open(path); err == nil || !strings.Contains(err.Error(), untrusted.ErrIrregular.Error()) {
				t.Errorf("%s: %s: %v", name, path, err)
			}
		}
	}
}

// TestDepthAndCycles walks the readers.
func TestDepthAndCycles(t *testing.T) {
	untrustedtest.Walk(t, readers, func(name, kind string) bool {
		// Any words are ids of OpenP5's.
		return name == "chat template" && strings.Contains(kind, "lists") || name == "OpenP5"
	})
}
