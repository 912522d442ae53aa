package pickle_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/pickle"
)

// TestCases opens the hostile models of testdata/cases, each in a process with limits of memory and
// time. make cases prints what it logs.
func TestCases(t *testing.T) {
	for _, c := range []struct{ name, file, right string }{
		{"a model of one tensor", "ok.bin", "opens: 1 tensors, 16 bytes"},
		{"a model that names os.system", "ossystem.bin", "refused: file has no tensors"},
		{"sizes whose product overflows", "overflow.bin", `refused: tensor "x": tensor extends beyond its storage`},
		{"a negative size", "negsize.bin", `refused: tensor "x": tensor extends beyond its storage`},
		{
			"bytes of 4 GiB that are not there", "binbytes8_4g.bin",
			"refused: pickle: byte 2: 4294967296 bytes are claimed, 1 are left",
		},
		{
			"a model that contains itself", "cyclic_model.bin",
			"refused: modules or state dicts name one another too often",
		},
		{
			"a model nested 3 million deep", "deep_model.bin",
			`refused: record "a/data.pkl" claims 39000114 bytes in a file of 74127`,
		},
		{
			"a legacy storage of 8 GiB", "legacy_size.bin",
			`refused: storage "0" claims 2147483648 elements of FloatStorage, want 4, with 16 bytes left`,
		},
		{"records named ../", "slip.bin", "opens: 1 tensors, 8 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := outcome(t, filepath.Join("../../testdata/cases/hostile", c.file))
			t.Logf("case: %s | %s | %s", c.name, c.right, got)
			if got != c.right {
				t.Errorf("got   %q\nright %q", got, c.right)
			}
		})
	}
}

// The parts of pickles: a text, a number, a reference to storage 0 and a tensor of one dimension.
func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s //nolint:gosec // short
}

func number(n int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // two's complement
}

func reference(kind string, elements int64) string {
	return "(" + text("storage") + "ctorch\n" + kind + "\n" + text("0") + text("cpu") + number(elements) + "tQ"
}

// tensor is a tensor of one dimension.
func tensor(elements, size, stride int64) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n(" + reference("FloatStorage", elements) + number(0) +
		number(size) + "\x85" + number(stride) + "\x85" + "\x89}tR"
}

// stateDict is a pickle of a dictionary.
func stateDict(items string) []byte { return []byte("\x80\x02}q\x00(" + items + "u.") }

// zipped writes a PyTorch file of a pickle and storage 0.
func zipped(t *testing.T, method uint16, data, storage []byte) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, record := range []struct {
		name string
		data []byte
	}{{"a/data.pkl", data}, {"a/data/0", storage}} {
		into, err := w.CreateHeader(&zip.FileHeader{Name: record.name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := into.Write(record.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return stored(t, out.Bytes())
}

func stored(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.bin")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// legacyFile writes a file of the legacy format. behind follows the value's pickle.
func legacyFile(t *testing.T, value, behind string) string {
	t.Helper()
	const start = "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02}("
	return stored(t, []byte(start+value+"u."+behind))
}

// TestHostileKinds opens files of further kinds under the same limits.
func TestHostileKinds(t *testing.T) {
	four := make([]byte, 16)
	legacyTensor := strings.Replace(tensor(4, 2, 1), "tQ", "NtQ", 1)
	count := func(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
	const levels = 50_000
	nested := text("model") + strings.Repeat("}("+text("model"), levels) + "N" + strings.Repeat("u", levels)
	layers := text("x") + tensor(4, 2, 1)
	for i := range 40 { // each names the one before twice
		key := string(binary.LittleEndian.AppendUint32(nil, uint32(i+1))) //nolint:gosec // small
		layers = text("model") + "}r" + key + "(" + layers + "u" + text("state_dict") + "j" + key
	}
	for _, c := range []struct{ name, path, want string }{
		{
			"twice itself",
			zipped(t, zip.Store, stateDict(text("model")+"h\x00"+text("state_dict")+"h\x00"), four), "too often",
		},
		{"twice in forty levels", zipped(t, zip.Store, stateDict(layers), four), "too often"},
		{"50,000 levels", zipped(t, zip.Store, stateDict(nested), four), "100 deep"},
		{
			"a persistent id that contains itself",
			zipped(t, zip.Store, []byte("\x80\x02]q\x00h\x00aQ."), four), "reference is a list",
		},
		{
			"a storage's class that contains itself",
			zipped(t, zip.Store, []byte("\x80\x02]q\x00h\x00a0("+text("storage")+"h\x00h\x00h\x00h\x00tQ."), four),
			"class is a list, key a list",
		},
		{"stride 0, size 2^40", zipped(t, zip.Store, stateDict(text("x")+tensor(4, 1<<40, 0)), four), "its storage 4"},
		{"negative stride", zipped(t, zip.Store, stateDict(text("x")+tensor(4, 2, -1)), four), "beyond its storage"},
		{"2^40 elements", zipped(t, zip.Store, stateDict(text("x")+tensor(1<<40, 2, 1)), four), "has 16 bytes"},
		{"2^62 elements", zipped(t, zip.Store, stateDict(text("x")+tensor(1<<62, 2, 1)), four), "has 16 bytes"},
		{"-1 elements", zipped(t, zip.Store, stateDict(text("x")+tensor(-1, 2, 1)), four), "invalid storage reference"},
		{"LONG4 of 2 GiB", zipped(t, zip.Store, []byte("\x80\x02\x8b\xff\xff\xff\x7f."), four), "1 are left"},
		{"a frame of 2^63", zipped(t, zip.Store, []byte("\x80\x04\x95"+count(1<<63)+"."), four), "frame"},
		{"a line without end", zipped(t, zip.Store, []byte("\x80\x02cos"), four), "does not end"},
		{"no value", zipped(t, zip.Store, []byte("\x80\x02."), four), "stack is empty"},
		{"pop below a mark", zipped(t, zip.Store, []byte("\x80\x02}(0u00."), four), "no mark"},
		{"no memo", zipped(t, zip.Store, []byte("\x80\x02h\x07."), four), "memo has no value 7"},
		{"protocol 9", zipped(t, zip.Store, []byte("\x80\x09}."), four), "protocol 9"},
		{"an unknown opcode", zipped(t, zip.Store, []byte("\x80\x02\xff."), four), "opcode 0xff"},
		{"a call of a number", zipped(t, zip.Store, []byte("\x80\x02K\x01)R."), four), "a int64 is called"},
		{
			"a bomb of 200 MB",
			zipped(t, zip.Deflate, stateDict(text("x")+tensor(50<<20, 2, 1)), make([]byte, 200<<20)),
			"claims 209715200 bytes in a file of 2",
		},
		{
			"the same items again and again", zipped(t, zip.Store, []byte("\x80\x02]q\x00("+
				strings.Repeat("]("+text("k")+"K\x01e", 2000)+"e0"+
				strings.Repeat("ccollections\nOrderedDict\nh\x00\x85R", 2000)+"."), four), "more often than",
		},
		{
			"a legacy storage of 2^61",
			legacyFile(t, text("x")+strings.Replace(legacyTensor, number(4), number(1<<61), 1), ""), "claims",
		},
		{
			"a legacy file cut", legacyFile(t, text("x")+legacyTensor, "\x80\x02]"+text("0")+"a."+count(4)),
			"claims",
		},
		{
			"a legacy file without its keys", legacyFile(t, text("x")+legacyTensor, "\x80\x02]."+count(4)),
			"0 storages, want 1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := outcome(t, c.path); !strings.HasPrefix(got, "refused: ") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestLegacyStoragesAreReadByPlace reads two storages of different sizes from a legacy file.
func TestLegacyStoragesAreReadByPlace(t *testing.T) {
	first := strings.Replace(tensor(2, 2, 1), "tQ", "NtQ", 1)
	second := strings.Replace(strings.Replace(first, text("0"), text("1"), 1), "FloatStorage", "LongStorage", 1)
	second = strings.Replace(second, number(2), number(1), 2) // one element, one read
	count := func(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
	path := legacyFile(t, text("x")+first+text("y")+second,
		"\x80\x02]("+text("1")+text("0")+"e."+count(1)+"LONGLONG"+count(2)+"FLOTFLOT")
	file, err := pickle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, want := range map[string]string{"x": "FLOTFLOT", "y": "LONGLONG"} {
		first, end, err := file.Tensors[name].Span()
		if err != nil {
			t.Fatal(err)
		}
		data, err := file.Tensors[name].Storage.Read(first, end)
		if err != nil || string(data) != want {
			t.Errorf("%s: got %q, error %v", name, data, err)
		}
		for _, beyond := range [][2]int64{{-1, end}, {end, first}, {first, end + 1}} {
			if data, err := file.Tensors[name].Storage.Read(beyond[0], beyond[1]); err == nil {
				t.Errorf("%s: elements %v are %q", name, beyond, data)
			}
		}
	}
}

// TestCompressedModelsOpen reads a model whose records are compressed.
func TestCompressedModelsOpen(t *testing.T) {
	path := zipped(t, zip.Deflate, stateDict(text("x")+tensor(4, 4, 1)), []byte("0123456789abcdef"))
	if got := opened(path); got != "opens: 1 tensors, 16 bytes" {
		t.Error(got)
	}
}
