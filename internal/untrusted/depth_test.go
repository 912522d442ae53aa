package untrusted_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"rdrec/internal/dataset"
	"rdrec/internal/gguf"
	"rdrec/internal/jinja"
	"rdrec/internal/pickle"
	"rdrec/internal/safetensors"
	"rdrec/internal/spec"
	"rdrec/internal/token"
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
	"datamaps": func(_ *testing.T, data string) error {
		_, err := dataset.Read(fstest.MapFS{"datamaps.json": &fstest.MapFile{Data: []byte(data)}}, "x")
		return err
	},
	"explanations": func(_ *testing.T, data string) error {
		_, err := dataset.Read(fstest.MapFS{"explanations.json": &fstest.MapFile{Data: []byte(data)}}, "x")
		return err
	},
}

// TestDepthAndCycles walks the readers.
func TestDepthAndCycles(t *testing.T) {
	untrustedtest.Walk(t, readers, func(name, kind string) bool {
		return name == "chat template" && strings.Contains(kind, "lists")
	})
}
