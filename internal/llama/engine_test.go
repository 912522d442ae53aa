package llama_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/gguf"
	"rdrec/internal/golden"
	"rdrec/internal/llama"
	"rdrec/internal/teacher"
	"rdrec/internal/teacher/teachertest"
	"rdrec/internal/token"
	"rdrec/internal/torch"
	"rdrec/internal/torch/torchtest"
)

const lead = "say: "

// chatPrompts returns n prompts of different lengths with a common start.
func chatPrompts(n int, sampling teacher.Sampling) []teacher.Prompt {
	var out []teacher.Prompt
	for i := range n {
		sampling.Seed = uint64(i)
		out = append(out, teacher.Prompt{
			Messages: []teacher.Message{
				{Role: teacher.System, Content: "short"},
				{Role: teacher.User, Content: lead + strings.Repeat(string(rune('a'+i%26)), 1+i*7%23)},
			},
			SharedPrefix: len(lead), Sampling: sampling,
		})
	}
	return out
}

// testOptions returns options for tests that run in parallel.
func testOptions(batch int) llama.Options {
	return llama.Options{Device: torchtest.Name(), Type: "f32", Threads: 1, Batch: batch}
}

func TestGreedyMatchesThePlainModel(t *testing.T) {
	for name, tied := range map[string]bool{"tied": true, "with a head of its own": false} {
		t.Run(name, func(t *testing.T) {
			m := newTiny(tied)
			engine := open(t, m.write(t), testOptions(16))
			prompts := chatPrompts(20, teacher.Sampling{MaxTokens: 12, RepetitionPenalty: 1.3})
			start := engine.ChatTokens(prompts[0].Messages)
			for _, p := range prompts[1:] {
				start = common(start, engine.ChatTokens(p.Messages))
			}
			for i, reply := range complete(t, engine, prompts) {
				ids := m.greedy(engine.ChatTokens(prompts[i].Messages), 12, 1.3, start)
				want := teacher.Reply{
					Truncated:    len(ids) == 12,
					Text:         strings.ToValidUTF8(engine.Decode(ids), "\uFFFD"),
					PromptTokens: len(engine.ChatTokens(prompts[i].Messages)), Tokens: len(ids),
				}
				if diff := cmp.Diff(want, reply); diff != "" {
					t.Errorf("prompt %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func common(a, b []int32) []int32 {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

func TestLogitsMatchThePlainModel(t *testing.T) {
	m := newTiny(true)
	engine := open(t, m.write(t), testOptions(16))
	ids := engine.ChatTokens(chatPrompts(1, teacher.Sampling{})[0].Messages)
	got, err := engine.Logits(ids, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range m.logits(ids) {
		if difference := float64(got[0][i]) - want; difference > 1e-4 || difference < -1e-4 {
			t.Fatalf("logit %d is %g, want %g", i, got[0][i], want)
		}
	}
}

func TestTinyConforms(t *testing.T) {
	teachertest.Conform(t, open(t, newTiny(false).write(t), testOptions(16)))
}

func TestTextIsIndependentOfTheBatch(t *testing.T) {
	path := newTiny(false).write(t)
	greedy := chatPrompts(20, teacher.Sampling{MaxTokens: 12, RepetitionPenalty: 1.3})
	sampled := teacher.Sampling{MaxTokens: 20, Temperature: 0.9, TopP: 0.95, RepetitionPenalty: 1}
	prompts := append(greedy, chatPrompts(20, sampled)...)
	want := complete(t, open(t, path, testOptions(16)), prompts)
	for name, options := range map[string]llama.Options{
		"one at a time": testOptions(1), "all at once": testOptions(64),
		"little memory": {Device: "cpu", Threads: 1, Batch: 64, Memory: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, complete(t, open(t, path, options), prompts)); diff != "" {
				t.Errorf("(-16 at a time +this):\n%s", diff)
			}
		})
	}
}

func TestNoTensorLeaks(t *testing.T) {
	before := torch.Live()
	engine, err := llama.Open(newTiny(false).write(t), testOptions(16))
	if err != nil {
		t.Fatal(err)
	}
	weights := torch.Live()
	for range 3 {
		complete(t, engine, chatPrompts(20, teacher.Sampling{MaxTokens: 5, RepetitionPenalty: 1.1}))
		if now := torch.Live(); now != weights {
			t.Errorf("%d tensors live after generation, %d before", now, weights)
		}
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	if now := torch.Live(); now != before {
		t.Errorf("%d tensors live after closing, %d before", now, before)
	}
}

func TestMaxLinesAndReplyPrefix(t *testing.T) {
	m := newTiny(false)
	newline := slices.Index(m.pieces, printable('\n'))
	head := m.tensors["output.weight"]
	copy(head[newline*m.model:], make([]float32, m.model)) // a newline is generated where all other tokens are unlikely
	for i := range head {
		head[i] *= 0.1
	}
	engine := open(t, m.write(t), testOptions(16))
	prompts := chatPrompts(16, teacher.Sampling{MaxTokens: 100, Temperature: 1, TopP: 1, RepetitionPenalty: 1})
	for i := range prompts {
		prompts[i].ReplyPrefix, prompts[i].MaxLines = "1. Yes", 1
	}
	ended := 0
	for i, reply := range complete(t, engine, prompts) {
		if !strings.HasPrefix(reply.Text, "1. Yes") {
			t.Errorf("reply %d begins with %q", i, reply.Text)
		}
		if n := strings.Count(reply.Text, "\n"); n == 1 {
			ended++
			if !strings.HasSuffix(reply.Text, "\n") {
				t.Errorf("reply %d continues after its line: %q", i, reply.Text)
			}
		} else if n > 1 {
			t.Errorf("reply %d has %d lines", i, n)
		}
	}
	if ended == 0 {
		t.Error("no reply had a line: the test tests nothing")
	}
}

func TestLongPromptsAreRejectedIndividually(t *testing.T) {
	engine := open(t, newTiny(false).write(t), testOptions(16))
	prompts := chatPrompts(3, teacher.Sampling{MaxTokens: 10, RepetitionPenalty: 1})
	prompts[1].Messages[1].Content = lead + strings.Repeat("long ", 50)
	replies := complete(t, engine, prompts)
	want := "tokens, plus 10 for a reply, exceed the context of 200"
	if !strings.Contains(replies[1].Failed, want) || replies[0].Failed+replies[2].Failed != "" {
		t.Errorf("got %+v", replies)
	}
}

// TestPromptMayFillTheContext checks that a prompt that leaves a single token of the context is
// read, whatever its length is rounded up to.
func TestPromptMayFillTheContext(t *testing.T) {
	path := newTiny(false).write(t)
	prompts := chatPrompts(1, teacher.Sampling{MaxTokens: 1, RepetitionPenalty: 1})
	for _, shared := range []int{0, len(lead)} {
		prompts[0].SharedPrefix = shared
		want := complete(t, open(t, path, testOptions(16)), prompts)
		options := testOptions(16)
		options.Context = want[0].PromptTokens + 1
		if diff := cmp.Diff(want, complete(t, open(t, path, options), prompts)); diff != "" {
			t.Errorf("(-all context +just enough):\n%s", diff)
		}
	}
}

// TestReplyEndsAtTheContextLimit checks that a reply ends where its prompt leaves no more context,
// whatever its maximum length, and is then marked as truncated.
func TestReplyEndsAtTheContextLimit(t *testing.T) {
	path := newTiny(false).write(t)
	prompts := chatPrompts(4, teacher.Sampling{MaxTokens: 100, RepetitionPenalty: 1})
	free := complete(t, open(t, path, testOptions(16)), prompts)
	options := testOptions(16)
	longest := slices.MaxFunc(free, func(a, b teacher.Reply) int { return a.PromptTokens - b.PromptTokens })
	options.Context = longest.PromptTokens + 40
	cut := 0
	for i, reply := range complete(t, open(t, path, options), prompts) {
		room := options.Context - reply.PromptTokens
		want := min(room, free[i].Tokens)
		if reply.Failed != "" || reply.Tokens != want || reply.Truncated != (want == room) {
			t.Errorf("prompt %d of %d tokens: %+v, want %d tokens", i, reply.PromptTokens, reply, want)
		}
		if reply.Truncated {
			cut++
		}
	}
	if cut == 0 {
		t.Error("no reply was truncated: the test tests nothing")
	}
}

func TestUnsupportedModelsAreRejected(t *testing.T) {
	shape := newTiny(false)
	shape.shapes["blk.1.ffn_up.weight"] = []int{shape.model, shape.forward}
	missing := newTiny(false)
	missing.names = slices.DeleteFunc(missing.names, func(name string) bool { return name == "blk.0.attn_q.weight" })
	heads := newTiny(false)
	heads.groups = 4
	unsupported := newTiny(false)
	unsupported.pieces[256], unsupported.pieces[257] = "<x>", "<y>"
	for name, c := range map[string]struct {
		model *tiny
		want  string
	}{
		"a matrix on its side":   {shape, `"blk.1.ffn_up.weight" has shape [48 80], want [80 48]`},
		"no queries":             {missing, `no tensor "blk.0.attn_q.weight"`},
		"heads that don't share": {heads, "6 heads are not divisible by 4 key/value heads"},
		"no chat":                {unsupported, "no end-of-reply token"},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.model.write(t)
			before := torch.Live()
			_, err := llama.Open(path, testOptions(16))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one with %q and the path", err, c.want)
			}
			if now := torch.Live(); now != before {
				t.Errorf("%d tensors live, %d before", now, before)
			}
		})
	}
	if _, err := llama.Open(filepath.Join(t.TempDir(), "absent"), testOptions(16)); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	text := filepath.Join(t.TempDir(), "text.gguf")
	if err := os.WriteFile(text, []byte("not a model, but long enough to be read"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := llama.Open(text, testOptions(16)); !errors.Is(err, gguf.ErrFormat) {
		t.Error(err)
	}
	if _, err := llama.Open(newTiny(true).write(t), llama.Options{Device: "cpu", Type: "int3"}); err == nil {
		t.Error("an unknown type was accepted")
	}
}

func TestLlama2PromptsMatchMeta(t *testing.T) {
	var file struct {
		Prompts []struct {
			System, User string
			IDs          []int32 `json:"ids"`
		}
		Sampling struct{ BOS, EOS int32 }
	}
	golden.Load(t, "distill.json", &file)
	tok, err := token.ParseSentencePieceBPE(golden.Llama2Tokenizer(t))
	if err != nil {
		t.Fatal(err)
	}
	if tok.Begin() != file.Sampling.BOS || tok.End() != file.Sampling.EOS {
		t.Errorf("begin %d, end %d, want %d and %d", tok.Begin(), tok.End(), file.Sampling.BOS, file.Sampling.EOS)
	}
	for _, p := range file.Prompts {
		got := llama.Llama2Tokens(tok, []teacher.Message{
			{Role: teacher.System, Content: p.System}, {Role: teacher.User, Content: p.User},
		})
		if diff := cmp.Diff(p.IDs, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", p.User, diff)
		}
	}
}

func TestSharedPrefixIgnoresTheFollowingText(t *testing.T) {
	engine := smolLM2(t, testOptions(16))
	starts := map[int]bool{}
	texts := []string{"good", "\"good\"", "...good", "(good)", "5 stars", " good", "\u00fcber", "'s", "!!!"}
	for _, text := range texts {
		const lead = "A user bought an item and said \""
		starts[engine.SharedPrefixLength(teacher.Prompt{
			Messages:     []teacher.Message{{Role: teacher.User, Content: lead + text + "\"."}},
			SharedPrefix: len(lead),
		})] = true
	}
	if len(starts) != 1 || starts[0] {
		t.Errorf("prompts with one prefix share %v tokens", starts)
	}
}
