package llama_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rdrec/internal/llama"
	"rdrec/internal/teacher"
)

// tiny is a small random model: the content of its GGUF file, and a plain forward pass in float64
// as the expected result.
type tiny struct {
	layers, model, forward, heads, groups, head, context int
	tied                                                 bool
	pieces                                               []string
	tensors                                              map[string][]float32
	names                                                []string
	markerKind                                           uint32 // the type of the chat pieces; 0 means control
	shapes                                               map[string][]int
}

func newTiny(tied bool) *tiny { return newTinyLayers(tied, 2) }

// newTinyLayers is newTiny with the given number of layers.
func newTinyLayers(tied bool, layers int) *tiny {
	m := &tiny{
		layers: layers, model: 48, forward: 80, heads: 6, groups: 2, head: 8, context: 200, tied: tied,
		tensors: map[string][]float32{}, shapes: map[string][]int{},
	}
	for b := range 256 {
		m.pieces = append(m.pieces, printable(b))
	}
	m.pieces = append(m.pieces, "<|im_start|>", "<|im_end|>")
	random := rand.New(rand.NewPCG(1, 2))
	add := func(name string, scale float64, shape ...int) {
		size := 1
		for _, dim := range shape {
			size *= dim
		}
		values := make([]float32, size)
		for i := range values {
			values[i] = float32(random.NormFloat64() * scale)
			if len(shape) == 1 {
				values[i] += 1
			}
		}
		m.tensors[name], m.shapes[name] = values, shape
		m.names = append(m.names, name)
	}
	add("token_embd.weight", 1, len(m.pieces), m.model)
	add("output_norm.weight", 0.1, m.model)
	if !tied {
		add("output.weight", 0.3, len(m.pieces), m.model)
	}
	for i := range m.layers {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", i, s) }
		add(name("attn_norm"), 0.1, m.model)
		add(name("attn_q"), 0.3, m.heads*m.head, m.model)
		add(name("attn_k"), 0.3, m.groups*m.head, m.model)
		add(name("attn_v"), 0.3, m.groups*m.head, m.model)
		add(name("attn_output"), 0.3, m.model, m.heads*m.head)
		add(name("ffn_norm"), 0.1, m.model)
		add(name("ffn_gate"), 0.3, m.forward, m.model)
		add(name("ffn_up"), 0.3, m.forward, m.model)
		add(name("ffn_down"), 0.3, m.model, m.forward)
	}
	return m
}

// withVocabulary returns the model with more tokens, which no text is encoded as.
func (m *tiny) withVocabulary(size int) *tiny {
	random := rand.New(rand.NewPCG(3, 4))
	for i := len(m.pieces); i < size; i++ {
		m.pieces = append(m.pieces, fmt.Sprintf("<|%d|>", i))
		for _, name := range []string{"token_embd.weight", "output.weight"} {
			if m.shapes[name] == nil {
				continue
			}
			for range m.model {
				m.tensors[name] = append(m.tensors[name], float32(random.NormFloat64()*0.3))
			}
			m.shapes[name][0] = size
		}
	}
	return m
}

// printable returns GPT-2's printable character for a byte.
func printable(b int) string {
	rank := 0
	for i := range 256 {
		plain := i >= '!' && i <= '~' || i >= 0xA1 && i <= 0xAC || i >= 0xAE
		switch {
		case i == b && plain:
			return string(rune(b))
		case i == b:
			return string(rune(0x100 + rank))
		case !plain:
			rank++
		}
	}
	return ""
}

// write writes the GGUF file and returns its path.
func (m *tiny) write(t testing.TB) string {
	t.Helper()
	little := binary.LittleEndian
	text := func(out []byte, s string) []byte { return append(little.AppendUint64(out, uint64(len(s))), s...) }
	keys := 0
	var meta []byte
	whole := func(key string, v int) {
		keys++
		meta = little.AppendUint32(little.AppendUint32(text(meta, key), 4), uint32(v))
	}
	word := func(key, v string) {
		keys++
		meta = text(little.AppendUint32(text(meta, key), 8), v)
	}
	array := func(key string, kind uint32, n int) {
		keys++
		meta = little.AppendUint64(little.AppendUint32(little.AppendUint32(text(meta, key), 9), kind), uint64(n))
	}
	word("general.architecture", "llama")
	for key, v := range map[string]int{
		"block_count": m.layers, "embedding_length": m.model,
		"feed_forward_length": m.forward, "context_length": m.context,
		"attention.head_count": m.heads, "attention.head_count_kv": m.groups, "rope.dimension_count": m.head,
	} {
		whole("llama."+key, v)
	}
	keys++
	meta = little.AppendUint32(text(meta, "llama.attention.layer_norm_rms_epsilon"), 6)
	meta = little.AppendUint32(meta, math.Float32bits(1e-5))
	whole("llama.attention.key_length", m.head)
	word("tokenizer.ggml.model", "gpt2")
	word("tokenizer.ggml.pre", "smollm")
	array("tokenizer.ggml.tokens", 8, len(m.pieces))
	for _, piece := range m.pieces {
		meta = text(meta, piece)
	}
	array("tokenizer.ggml.token_type", 5, len(m.pieces))
	for i := range m.pieces {
		kind := uint32(1)
		if i >= 256 {
			kind = cmp.Or(m.markerKind, 3)
		}
		meta = little.AppendUint32(meta, kind)
	}
	array("tokenizer.ggml.merges", 8, 0)

	out := little.AppendUint32([]byte("GGUF"), 3)
	out = little.AppendUint64(little.AppendUint64(out, uint64(len(m.names))), uint64(keys))
	out = append(out, meta...)
	offset := 0
	for _, name := range m.names {
		shape := slices.Clone(m.shapes[name])
		slices.Reverse(shape)
		out = little.AppendUint32(text(out, name), uint32(len(shape)))
		for _, dim := range shape {
			out = little.AppendUint64(out, uint64(dim))
		}
		out = little.AppendUint64(little.AppendUint32(out, 0), uint64(offset))
		offset += (4*len(m.tensors[name]) + 31) / 32 * 32
	}
	for _, name := range m.names {
		for len(out)%32 != 0 {
			out = append(out, 0)
		}
		for _, v := range m.tensors[name] {
			out = little.AppendUint32(out, math.Float32bits(v))
		}
	}
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logits returns the model's logits after ids, computed one token and one number at a time.
func (m *tiny) logits(ids []int32) []float64 {
	past := m.session()
	var x []float64
	for _, id := range ids {
		x = past.feed(id)
	}
	return past.logits(x)
}

// session is the state of a text that is read or generated.
type session struct {
	m            *tiny
	keys, values [][][]float64 // by layer and position: [groups head]
}

func (m *tiny) session() *session {
	return &session{m: m, keys: make([][][]float64, m.layers), values: make([][][]float64, m.layers)}
}

// feed reads the next token and returns the output of the last layer.
func (s *session) feed(id int32) []float64 {
	m, position := s.m, len(s.keys[0])
	x := m.row("token_embd.weight", int(id))
	for i := range m.layers {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", i, s) }
		h := m.rmsNorm(x, name("attn_norm"))
		q, k := m.rope(m.matMul(name("attn_q"), h), position), m.rope(m.matMul(name("attn_k"), h), position)
		v := m.matMul(name("attn_v"), h)
		s.keys[i], s.values[i] = append(s.keys[i], k), append(s.values[i], v)
		x = sum(x, m.matMul(name("attn_output"), m.attend(q, s.keys[i], s.values[i])))
		h = m.rmsNorm(x, name("ffn_norm"))
		gate, up := m.matMul(name("ffn_gate"), h), m.matMul(name("ffn_up"), h)
		for j := range gate {
			gate[j] *= up[j] / (1 + math.Exp(-gate[j]))
		}
		x = sum(x, m.matMul(name("ffn_down"), gate))
	}
	return x
}

func (s *session) logits(x []float64) []float64 {
	head := "output.weight"
	if s.m.tied {
		head = "token_embd.weight"
	}
	return s.m.matMul(head, s.m.rmsNorm(x, "output_norm.weight"))
}

func (m *tiny) row(name string, i int) []float64 {
	width := m.shapes[name][1]
	out := make([]float64, width)
	for j := range out {
		out[j] = float64(m.tensors[name][i*width+j])
	}
	return out
}

func (m *tiny) matMul(name string, x []float64) []float64 {
	out := make([]float64, m.shapes[name][0])
	for i := range out {
		for j, w := range m.row(name, i) {
			out[i] += w * x[j]
		}
	}
	return out
}

func (m *tiny) rmsNorm(x []float64, name string) []float64 {
	square := 0.0
	for _, v := range x {
		square += v * v
	}
	scale := 1 / math.Sqrt(square/float64(len(x))+float64(float32(1e-5)))
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v * scale * float64(m.tensors[name][i])
	}
	return out
}

// rope applies RoPE to neighboring pairs of each head.
func (m *tiny) rope(x []float64, position int) []float64 {
	for i := 0; i < len(x); i += 2 {
		angle := float64(position) * math.Pow(10000, -float64(i%m.head)/float64(m.head))
		sin, cos := math.Sincos(angle)
		x[i], x[i+1] = x[i]*cos-x[i+1]*sin, x[i]*sin+x[i+1]*cos
	}
	return x
}

func (m *tiny) attend(q []float64, keys, values [][]float64) []float64 {
	out := make([]float64, len(q))
	for h := range m.heads {
		group := h / (m.heads / m.groups)
		weights := make([]float64, len(keys))
		total := 0.0
		for p := range keys {
			dot := 0.0
			for j := range m.head {
				dot += q[h*m.head+j] * keys[p][group*m.head+j]
			}
			weights[p] = math.Exp(dot / math.Sqrt(float64(m.head)))
			total += weights[p]
		}
		for p := range keys {
			for j := range m.head {
				out[h*m.head+j] += weights[p] / total * values[p][group*m.head+j]
			}
		}
	}
	return out
}

func sum(a, b []float64) []float64 {
	for i := range a {
		a[i] += b[i]
	}
	return a
}

// greedy generates up to n tokens with a repetition penalty for those in used and those generated,
// and stops at <|im_end|>.
func (m *tiny) greedy(ids []int32, n int, penalty float64, used []int32) []int32 {
	sampling := teacher.Sampling{MaxTokens: n, RepetitionPenalty: penalty}
	return m.generate(ids, &teacher.Prompt{Sampling: sampling}, used)
}

// generate is greedy with the settings of a prompt.
func (m *tiny) generate(ids []int32, prompt *teacher.Prompt, used []int32) []int32 {
	var out []int32
	weak := map[int32]bool{}
	for _, id := range used {
		weak[id] = true
	}
	past := m.session()
	var x []float64
	for _, id := range ids {
		x = past.feed(id)
	}
	penalty := prompt.Sampling.RepetitionPenalty
	for _, random := range llama.RandomNumbers(prompt, prompt.Sampling.MaxTokens) {
		var logits []float32
		for id, logit := range past.logits(x) {
			switch {
			case weak[int32(id)] && logit > 0:
				logit /= penalty
			case weak[int32(id)]:
				logit *= penalty
			}
			logits = append(logits, float32(logit))
		}
		next := int32(plainSample(logits, llama.SampleInput{Sampling: prompt.Sampling, Random: random}))
		if m.pieces[next] == "<|im_end|>" {
			break
		}
		out = append(out, next)
		weak[next] = true
		x = past.feed(next)
	}
	return out
}
