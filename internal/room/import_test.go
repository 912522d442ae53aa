package room_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/room"
	"rdrec/internal/spec"
)

const mebi, gibi = 1 << 20, 1 << 30

// TestImport estimates an import of 8 GiB of text and 1 GiB of packed text, which is 4 GiB of text.
func TestImport(t *testing.T) {
	t.Parallel()
	needs := room.Import(room.Files{Plain: 8 * gibi, Packed: gibi}, 4*gibi)
	want := [][2]int64{{640 * mebi, 4608 * mebi}, {9 * gibi / 4, 12 * gibi}}
	var got [][2]int64
	for _, need := range needs {
		got = append(got, [2]int64{need.Least, need.Expected})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, c := range map[string]struct {
		has  map[string]int64
		want string
	}{
		"enough":        {map[string]int64{room.Memory: gibi, room.Scratch: 3 * gibi}, ""},
		"unknown":       {nil, ""},
		"little memory": {map[string]int64{room.Memory: gibi / 2}, "import needs 640 MiB of memory, has 512 MiB"},
		"little disk":   {map[string]int64{room.Scratch: 2 * gibi}, "import needs 2.2 GiB of scratch, has 2.0 GiB"},
	} {
		err := room.Check(needs, c.has)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTeacher estimates Llama 2 7B, of 6,738,415,616 weights, on a GPU: its keys and values are
// 2 * 32 layers * 4096 numbers of two bytes for each token.
func TestTeacher(t *testing.T) {
	t.Parallel()
	llama := room.Teacher{
		Parameters: 6_738_415_616, WeightBytes: 2, TokenBytes: 2 * 2 * 32 * 4096, Context: 512, Batch: 256,
	}
	needs := llama.Need("teacher meta:llama-2-7b")
	const weights, row = 13_476_831_232, 268_435_456
	if len(needs) != 1 || needs[0].Least != weights+row || needs[0].Expected != weights+256*row {
		t.Errorf("%+v", needs)
	}
	err := room.Check(needs, map[string]int64{room.Memory: 12 * gibi})
	const want = "distill needs 12.8 GiB of memory, has 12.0 GiB (teacher meta:llama-2-7b has 6738.4 million " +
		"parameters of 2 bytes; a KV cache of 256 rows of 512 tokens, each of 524288 bytes): use a smaller teacher"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	if room.Check(needs, map[string]int64{room.Memory: 16 * gibi}) != nil || (room.Teacher{}).Need("copy") != nil {
		t.Error("a teacher that fits is refused")
	}
}

// TestPretrained compares with Hugging Face's models: t5-small has 60,506,624 parameters,
// google/t5-v1_1-small 76,961,152; internal/t5/testdata/flan, which has more decoder layers than
// encoder layers, 6,504. The whole-word table adds 512 rows.
func TestPretrained(t *testing.T) {
	t.Parallel()
	flan, err := os.ReadFile("../t5/testdata/flan/config.json")
	if err != nil {
		t.Fatal(err)
	}
	for config, want := range map[string]int64{
		`{"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8, "vocab_size": 32128}`: 60_506_624 +
			512*512,
		`{"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 6, "vocab_size": 32128,
		"feed_forward_proj": "gated-gelu", "tie_word_embeddings": false, "num_decoder_layers": 8}`: 76_961_152 + 512*512,
		string(flan): 6_504 + 512*8,
	} {
		needs, err := room.Pretrained([]byte(config), spec.Default().Train)
		if err != nil || len(needs) != 3 || needs[0].Least != 16*want {
			t.Errorf("%+v, %v, want %d parameters", needs, err, want)
		}
	}
	for _, config := range []string{"{", `{"d_model": 1000000000000}`, `{"num_layers": -1}`, `{"vocab_size": 1e18}`} {
		if _, err := room.Pretrained([]byte(config), spec.Default().Train); err == nil {
			t.Errorf("%s: no error", config)
		}
	}
}
