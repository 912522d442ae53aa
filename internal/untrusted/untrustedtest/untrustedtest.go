// Package untrustedtest walks readers of files that people bring through hostile content. In:
// functions that read data. Out: a failed test where one overflows the stack, accepts the content,
// takes long, or allocates more than a multiple of its bytes. Only tests import this package.
package untrustedtest

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Read reads data as one kind of file and returns its error.
type Read func(t *testing.T, data string) error

// File returns the reader of a file with a name in a folder of its own, which may have more files,
// by their names. The path that it opens is the file's.
func File(name string, open func(path string) error, more map[string]string) Read {
	return func(t *testing.T, data string) error {
		t.Helper()
		dir := t.TempDir()
		for other, text := range more {
			if err := os.WriteFile(filepath.Join(dir, other), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		return open(path)
	}
}

// nested returns content that is nested deep, contains itself or claims more than it has, by its
// kind.
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

// Walk gives every reader content that is nested deep, contains itself, or claims more than it has:
// an error within seconds, with a stack of 64 MiB and a multiple of its bytes. mayPass, unless nil,
// reports whether a reader may accept a kind of content. An overflow of the stack ends the test
// program.
func Walk(t *testing.T, readers map[string]Read, mayPass func(name, kind string) bool) {
	t.Helper()
	defer debug.SetMaxStack(debug.SetMaxStack(64 << 20))
	for name, read := range readers {
		for kind, data := range nested() {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now() //nolint:forbidigo // how long a reader takes
			err := read(t, data)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil && (mayPass == nil || !mayPass(name, kind)) {
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

// Truncate gives a reader every eighth of a file's beginning, and the file with each of its last
// and first bytes set to 255, where formats have their lengths: an error each time, or none where
// mayPass reports that.
func Truncate(t *testing.T, file string, read Read, mayPass func(kind string) bool) {
	t.Helper()
	data, err := os.ReadFile(file) //nolint:gosec // test data
	if err != nil {
		t.Fatal(err)
	}
	check := func(kind string, data []byte) {
		t.Helper()
		start := time.Now() //nolint:forbidigo // how long a reader takes
		if err := read(t, string(data)); err == nil && !mayPass(kind) {
			t.Errorf("%s: %s: no error", filepath.Base(file), kind)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %s: took %s", filepath.Base(file), kind, took)
		}
	}
	const parts, ends = 8, 6
	for part := range parts {
		check("cut", data[:len(data)*part/parts])
	}
	for i := range ends {
		for _, at := range []int{i, len(data) - 1 - i} {
			changed := bytes.Clone(data)
			changed[at] = 255
			check("changed", changed)
		}
	}
}
