package llama

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"rdrec/internal/gguf"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// ggufSource is a GGUF file.
type ggufSource struct {
	*gguf.File
}

func openGGUF(path string) (source, error) {
	if err := isFile(path); err != nil {
		return nil, err
	}
	file, err := gguf.Open(path)
	switch {
	case errors.Is(err, gguf.ErrFormat):
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	case err != nil:
		return nil, err
	}
	return ggufSource{file}, nil
}

// config reads the configuration from the file's metadata.
func (f ggufSource) config() (Config, error) {
	var c Config
	architecture, err := f.Text("general.architecture")
	if err != nil {
		return c, err
	}
	if architecture != "llama" {
		return c, fmt.Errorf("architecture %q: only llama is supported", architecture)
	}
	var problems []error
	positiveInt := func(key string) int {
		v, err := f.Int("llama." + key)
		problems = append(problems, err)
		return v
	}
	c.Layers, c.Model = positiveInt("block_count"), positiveInt("embedding_length")
	c.FeedForward = positiveInt("feed_forward_length")
	c.Heads, c.Context = positiveInt("attention.head_count"), positiveInt("context_length")
	c.Groups = f.IntOr("llama.attention.head_count_kv", c.Heads)
	c.Head = f.IntOr("llama.attention.key_length", c.Model/max(c.Heads, 1))
	c.Epsilon, err = f.Float("llama.attention.layer_norm_rms_epsilon")
	c.RopeBase = f.FloatOr("llama.rope.freq_base", 10_000)
	if tensor, ok := f.Tensor("token_embd.weight"); ok {
		c.Vocabulary = tensor.Shape[0]
	}
	_, untied := f.Tensor("output.weight")
	c.Tied = !untied
	problems = append(problems, err, f.rope(&c), c.check())
	return c, errors.Join(problems...)
}

// rope reads the RoPE scaling. Llama 3 files contain divisors of the frequencies.
func (f ggufSource) rope(c *Config) error {
	if dims := f.IntOr("llama.rope.dimension_count", c.Head); dims != c.Head {
		return fmt.Errorf("partial rope (%d of %d dimensions of a head) is not supported", dims, c.Head)
	}
	c.RopeScale = 1
	switch kind := f.TextOr("llama.rope.scaling.type", "none"); kind {
	case "none":
	case ropeLinear:
		c.RopeScale = f.FloatOr("llama.rope.scaling.factor", 1)
	default:
		return fmt.Errorf("rope scaling %q is not supported", kind)
	}
	const factors = "rope_freqs.weight"
	if _, ok := f.Tensor(factors); !ok {
		return nil
	}
	var err error
	if c.RopeFactors, err = f.Floats(factors); err == nil && len(c.RopeFactors) != c.Head/2 {
		err = fmt.Errorf("tensor %q has %d values, want %d", factors, len(c.RopeFactors), c.Head/2)
	}
	return err
}

// read dequantizes a weight.
func (f ggufSource) read(name string, into *torch.Tensor) error {
	want := into.Shape()
	tensor, ok := f.Tensor(name)
	if ok && fmt.Sprint(tensor.Shape) != fmt.Sprint(want) {
		have := make([]int64, len(tensor.Shape))
		for i, n := range tensor.Shape {
			have[i] = int64(n)
		}
		return shapeError(name, have, want, "the file's settings")
	}
	return f.Read(name, unsafe.Slice((*float32)(into.Address()), into.Numel()))
}

// control is the type of control tokens in GGUF files.
const control = 3

// vocabulary reads the file's tokenizer.
func (f ggufSource) vocabulary() (*vocabulary, error) {
	pieces, err := f.Texts("tokenizer.ggml.tokens")
	if err != nil {
		return nil, err
	}
	kinds, err := f.Ints("tokenizer.ggml.token_type")
	if err != nil {
		return nil, err
	}
	if len(kinds) != len(pieces) {
		return nil, fmt.Errorf("the vocabulary has %d tokens and %d token types", len(pieces), len(kinds))
	}
	v := newVocabulary()
	markers := v.addControl(pieces, kinds)
	model := f.TextOr("tokenizer.ggml.model", "")
	switch model {
	case "gpt2":
		v.tokenizer, err = f.byteLevel(pieces, markers)
	case "llama":
		v.tokenizer, err = f.sentencePiece(pieces, kinds)
	default:
		err = fmt.Errorf("tokenizer %q is not supported", model)
	}
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"eos_token_id", "eot_token_id"} {
		v.addEndToken(f.IntOr("tokenizer.ggml."+key, -1))
	}
	if f.BoolOr("tokenizer.ggml.add_bos_token", model == "llama") {
		v.setBeginToken(f.IntOr("tokenizer.ggml.bos_token_id", -1))
	}
	v.nameTokens(f.IntOr("tokenizer.ggml.bos_token_id", -1), f.IntOr("tokenizer.ggml.eos_token_id", -1))
	v.template = f.TextOr("tokenizer.chat_template", "")
	return v, v.check()
}

// addControl adds the control tokens, marks the chat pieces as such and returns the ids of all.
func (v *vocabulary) addControl(pieces []string, kinds []int64) (ids []int32) {
	for id, kind := range kinds {
		if kind == control || slices.Contains(chatPieces(), pieces[id]) {
			kinds[id] = control
			v.ids[pieces[id]] = int32(id)
			ids = append(ids, int32(id))
		}
	}
	return ids
}

func (f ggufSource) byteLevel(pieces []string, markers []int32) (tokenizer, error) {
	cuts := map[string]token.PreTokenizer{"smollm": token.SmolLM, "llama-bpe": token.Llama3}
	cut, ok := cuts[f.TextOr("tokenizer.ggml.pre", "")]
	if !ok {
		return nil, fmt.Errorf("pre-tokenizer %q is not supported", f.TextOr("tokenizer.ggml.pre", ""))
	}
	merges, err := f.Texts("tokenizer.ggml.merges")
	if err != nil {
		return nil, err
	}
	return token.NewByteLevel(cut, pieces, merges, markers)
}

func (f ggufSource) sentencePiece(pieces []string, kinds []int64) (tokenizer, error) {
	scores, err := f.Floats64("tokenizer.ggml.scores")
	if err != nil {
		return nil, err
	}
	return token.NewSentencePieceBPE(pieces, scores, kinds, f.BoolOr("tokenizer.ggml.add_space_prefix", true))
}
