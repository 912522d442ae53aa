package untrusted_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"rdrec/internal/dataset"
	"rdrec/internal/gguf"
	"rdrec/internal/jinja"
	"rdrec/internal/pickle"
	"rdrec/internal/safetensors"
	"rdrec/internal/spec"
	"rdrec/internal/token"
)

// readers are the readers of files that people bring, without those of libtorch and DuckDB. Each
// reads data and returns its error.
var readers = map[string]func(t *testing.T, data string) error{
	"pickle": func(t *testing.T, data string) error {
		t.Helper()
		path := filepath.Join(t.TempDir(), "model.bin")
		const start = "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02"
		if err := os.WriteFile(path, []byte(start+data), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := pickle.Open(path)
		if err == nil {
			err = file.Close()
		}
		return err
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

// nested returns content that is nested deep, by what it is nested in.
func nested() map[string]string {
	const levels = 300_000
	// A GGUF file of one key, an array.
	const zeros = "\x00\x00\x00\x00\x00\x00\x00"
	const ggufArray = zeros + "\x00\x01" + zeros + "\x01" + zeros + "a\x09\x00\x00\x00"
	arrays := ggufArray + strings.Repeat("\x09\x00\x00\x00\x01"+zeros, 1000)
	message := []byte{8, 1}
	for range 300 { // each level contains all of the next
		message = append(protowire.AppendTag(nil, 1, protowire.BytesType), protowire.AppendBytes(nil, message)...)
	}
	dicts := strings.Repeat("}(X\x05\x00\x00\x00model", levels) + "N" + strings.Repeat("u", levels) + "."
	all := map[string]string{
		"lists":               strings.Repeat("[", levels),
		"closed lists":        strings.Repeat("[", levels) + strings.Repeat("]", levels),
		"objects":             strings.Repeat(`{"a":`, levels),
		"closed objects":      strings.Repeat(`{"normalizers":[`, levels) + "1" + strings.Repeat("]}", levels),
		"4000 lists":          strings.Repeat("[", 4000) + strings.Repeat("]", 4000),
		"4000 objects":        strings.Repeat(`{"normalizers":[`, 4000) + "1" + strings.Repeat("]}", 4000),
		"brackets":            strings.Repeat("(", levels) + "1" + strings.Repeat(")", levels),
		"signs":               strings.Repeat("-", levels),
		"blocks":              strings.Repeat("\n- ", levels),
		"messages":            string(message),
		"a tuple of itself":   "]q\x00h\x00a\x85q\x01.",
		"a model of itself":   "}q\x00(X\x05\x00\x00\x00modelh\x00X\x0a\x00\x00\x00state_dicth\x00u.",
		"dicts of a pickle":   dicts,
		"anchors":             "&a [*a, *a]",
		"anchors of anchors":  "{a: &a [1, 1], b: &b [*a, *a], c: &c [*b, *b], d: &d [*c, *c], e: [*d, *d]}",
		"one long piece":      string(piece(10 << 20)),
		"arrays of gguf":      arrays,
		"an array of 2^60":    ggufArray + "\x08\x00\x00\x00" + zeros + "\x10",
		"2^16 keys, no bytes": "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00",
	}
	return all
}

// piece returns a SentencePiece model with a piece of so many bytes.
func piece(size int) []byte {
	one := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), bytes.Repeat([]byte("a"), size))
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), one)
}

// TestDepthAndCycles gives every reader content that is nested deep, contains itself, or claims
// more than it has: an error within seconds, with a stack of 64 MiB and a multiple of its bytes.
// An overflow of the stack ends the test program.
func TestDepthAndCycles(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(64 << 20))
	for name, read := range readers {
		for kind, data := range nested() {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := read(t, data)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil && !mayPass(name, kind) {
				t.Errorf("%s: %s: no error", name, kind)
			}
			allocated := after.TotalAlloc - before.TotalAlloc
			if limit := uint64(64<<20 + 64*len(data)); allocated > limit {
				t.Errorf("%s: %s: allocated %d MiB for %d bytes", name, kind, allocated>>20, len(data))
			}
			if took > 20*time.Second {
				t.Errorf("%s: %s: took %s", name, kind, took)
			}
			if err != nil && len(err.Error()) > 10_000 {
				t.Errorf("%s: %s: an error of %d bytes", name, kind, len(err.Error()))
			}
		}
	}
}

// mayPass reports whether a reader may accept a kind of content.
func mayPass(name, kind string) bool {
	return name == "chat template" && strings.Contains(kind, "lists")
}
