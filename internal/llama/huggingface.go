package llama

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"rdrec/internal/token"
	"rdrec/internal/torch"
	"rdrec/internal/untrusted"
)

// The files of a Hugging Face folder besides the weights.
const (
	hfConfigFile     = "config.json"
	hfTokenizerFile  = "tokenizer.json"
	hfSettingsFile   = "tokenizer_config.json"
	hfGenerationFile = "generation_config.json"
	hfTemplateFile   = "chat_template.jinja"
	pieceModelFile   = "tokenizer.model"
	hfFiles          = "config.json, model.safetensors or its index and parts, and tokenizer.json or tokenizer.model"
)

// hfSource is a Hugging Face folder.
type hfSource struct {
	torch.Weights

	dir        string
	shape      Config
	endTokens  tokenIDs // end tokens of config.json and generation_config.json
	beginToken tokenIDs
}

// hfConfig is the part of config.json that the engine reads.
type hfConfig struct {
	ModelType     string   `json:"model_type"`
	Model         int      `json:"hidden_size"`
	FeedForward   int      `json:"intermediate_size"`
	Layers        int      `json:"num_hidden_layers"`
	Heads         int      `json:"num_attention_heads"`
	Groups        int      `json:"num_key_value_heads"`
	Head          int      `json:"head_dim"`
	Context       int      `json:"max_position_embeddings"`
	Vocabulary    int      `json:"vocab_size"`
	Epsilon       float64  `json:"rms_norm_eps"`
	RopeBase      float64  `json:"rope_theta"`
	Rope          *hfRope  `json:"rope_scaling"`
	NewRope       *hfRope  `json:"rope_parameters"`
	Tied          bool     `json:"tie_word_embeddings"`
	Activation    string   `json:"hidden_act"`
	AttentionBias bool     `json:"attention_bias"`
	ForwardBias   bool     `json:"mlp_bias"`
	Begin         tokenIDs `json:"bos_token_id"`
	End           tokenIDs `json:"eos_token_id"`
	Quantization  struct { // present if weights are quantized
		Method string `json:"quant_method"`
	} `json:"quantization_config"`
}

// hfRope is the RoPE scaling. Newer files have the base here too.
type hfRope struct {
	Type     string  `json:"rope_type"`
	OldType  string  `json:"type"`
	Base     float64 `json:"rope_theta"`
	Factor   float64 `json:"factor"`
	Low      float64 `json:"low_freq_factor"`
	High     float64 `json:"high_freq_factor"`
	Original float64 `json:"original_max_position_embeddings"`
}

// tokenIDs are token ids. config.json has one number or a list.
type tokenIDs []int

// UnmarshalJSON parses one number or a list.
func (i *tokenIDs) UnmarshalJSON(data []byte) error {
	var one *int
	if json.Unmarshal(data, &one) == nil {
		if one != nil {
			*i = tokenIDs{*one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]int)(i))
}

func openHuggingFace(dir string) (source, error) {
	f := &hfSource{dir: dir}
	read := hfConfig{Epsilon: 1e-6, RopeBase: 10_000, Context: 2048, Activation: "silu"}
	if err := readJSON(filepath.Join(dir, hfConfigFile), &read); err != nil {
		return nil, missingFile(err, dir, hfFiles)
	}
	var err error
	if f.shape, err = read.shape(); err != nil {
		return nil, fmt.Errorf("%q: %w", filepath.Join(dir, hfConfigFile), err)
	}
	var generation struct {
		End tokenIDs `json:"eos_token_id"`
	}
	err = readJSON(filepath.Join(dir, hfGenerationFile), &generation)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f.beginToken, f.endTokens = read.Begin, append(read.End, generation.End...)
	if f.Weights, err = torch.OpenWeights(dir); err != nil {
		return nil, missingFile(err, dir, hfFiles)
	}
	return f, nil
}

func readJSON(path string, into any) error {
	data, err := untrusted.ReadFile(path, untrusted.MaxSettings)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %q: %w", path, err)
	}
	return nil
}

// shape returns the configuration in this package's terms.
func (c *hfConfig) shape() (Config, error) {
	out := Config{
		Layers: c.Layers, Model: c.Model, FeedForward: c.FeedForward, Vocabulary: c.Vocabulary,
		Heads: c.Heads, Groups: c.Groups, Head: c.Head,
		Context: c.Context, Epsilon: c.Epsilon, RopeBase: c.RopeBase, RopeScale: 1, Tied: c.Tied,
	}
	if out.Groups == 0 {
		out.Groups = c.Heads
	}
	if out.Head == 0 {
		out.Head = c.Model / max(c.Heads, 1)
	}
	if err := errors.Join(c.checkSupported(), out.check()); err != nil {
		return out, err
	}
	for _, rope := range []*hfRope{c.Rope, c.NewRope} {
		if rope != nil {
			if err := rope.apply(&out); err != nil {
				return out, err
			}
		}
	}
	return out, out.check()
}

// checkSupported rejects models that are not plain Llama models.
func (c *hfConfig) checkSupported() error {
	switch {
	case c.ModelType != "llama":
		return fmt.Errorf("model_type %q: only llama is supported", c.ModelType)
	case c.Activation != "silu":
		return fmt.Errorf("hidden_act %q: only silu is supported", c.Activation)
	case c.AttentionBias || c.ForwardBias:
		return errors.New("attention_bias or mlp_bias: models with biases are not supported")
	case c.Quantization.Method != "":
		return fmt.Errorf(
			"quantization_config %q: only unquantized weights are supported (GGUF files may be quantized)",
			c.Quantization.Method,
		)
	default:
		return nil
	}
}

// apply sets the RoPE scaling of a configuration.
func (r *hfRope) apply(c *Config) (err error) {
	if r.Base > 0 {
		c.RopeBase = r.Base
	}
	kind := r.Type
	if kind == "" {
		kind = r.OldType
	}
	switch kind {
	case "default", "":
	case ropeLinear:
		c.RopeScale = r.Factor
	case ropeLlama3:
		c.RopeFactors, err = llama3Rope{r.Factor, r.Low, r.High, r.Original}.factors(c.RopeBase, c.Head)
	default:
		err = fmt.Errorf("rope scaling %q is not supported (linear and llama3 are)", kind)
	}
	return err
}

func (f *hfSource) config() (Config, error) { return f.shape, nil }

// hfNames maps GGUF's names of weights to Hugging Face's; %s is the index of the layer.
func hfNames() map[string]string {
	return map[string]string{
		"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
		"attn_norm": "model.layers.%s.input_layernorm", "ffn_norm": "model.layers.%s.post_attention_layernorm",
		"attn_q": "model.layers.%s.self_attn.q_proj", "attn_k": "model.layers.%s.self_attn.k_proj",
		"attn_v": "model.layers.%s.self_attn.v_proj", "attn_output": "model.layers.%s.self_attn.o_proj",
		"ffn_gate": "model.layers.%s.mlp.gate_proj", "ffn_up": "model.layers.%s.mlp.up_proj",
		"ffn_down": "model.layers.%s.mlp.down_proj",
	}
}

// translateName returns the name of a weight in another format, from a table of names by GGUF's.
func translateName(name string, table map[string]string) string {
	layer, weight := "", strings.TrimSuffix(name, ".weight")
	if rest, inLayer := strings.CutPrefix(weight, "blk."); inLayer {
		layer, weight, _ = strings.Cut(rest, ".")
	}
	return strings.Replace(table[weight], "%s", layer, 1) + ".weight"
}

// read copies a weight. It reorders queries and keys: Hugging Face pairs the halves of a head for
// RoPE, this package pairs neighbors.
func (f *hfSource) read(name string, into *torch.Tensor) error {
	theirs := translateName(name, hfNames())
	s := into.Scope().Sub()
	defer s.Close()
	t, err := f.Read(s, theirs)
	if err != nil {
		return err
	}
	want := into.Shape()
	if fmt.Sprint(t.Shape()) != fmt.Sprint(want) {
		return shapeError(theirs, t.Shape(), want, hfConfigFile)
	}
	if strings.HasSuffix(name, "attn_q.weight") || strings.HasSuffix(name, "attn_k.weight") {
		half := int64(f.shape.Head) / 2
		t = t.View(-1, 2, half, want[1])
		into = s.Use(into).View(-1, half, 2, want[1]).Transpose(1, 2) // [heads, 2, half, model]
	}
	into.SetTo(t)
	return nil
}

// vocabulary reads the folder's tokenizer.
func (f *hfSource) vocabulary() (*vocabulary, error) {
	v := newVocabulary()
	if err := f.tokenizer(v); err != nil {
		return nil, err
	}
	var settings struct {
		Template json.RawMessage `json:"chat_template"`
		AddBegin *bool           `json:"add_bos_token"`
	}
	if err := readJSON(filepath.Join(f.dir, hfSettingsFile), &settings); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	v.template = defaultTemplate(settings.Template)
	text, err := untrusted.ReadFile(filepath.Join(f.dir, hfTemplateFile), untrusted.MaxSettings)
	if err == nil {
		v.template = string(text)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	_, begins := v.tokenizer.(*token.SentencePieceBPE)
	if settings.AddBegin != nil {
		begins = *settings.AddBegin
	}
	f.setSpecialTokens(v, begins)
	return v, v.check()
}

// defaultTemplate returns the template of a setting: a text, or a list of named texts.
func defaultTemplate(setting json.RawMessage) string {
	var one string
	var named []struct {
		Name     string `json:"name"`
		Template string `json:"template"`
	}
	if json.Unmarshal(setting, &one) == nil || json.Unmarshal(setting, &named) != nil {
		return one
	}
	for i, t := range named {
		if i == 0 || t.Name == "default" {
			one = t.Template
		}
	}
	return one
}

// setSpecialTokens sets the tokens that end replies and, if begins is set, the token that begins
// texts.
func (f *hfSource) setSpecialTokens(v *vocabulary, begins bool) {
	for _, id := range f.endTokens {
		v.addEndToken(id)
	}
	v.nameTokens(first(f.beginToken), first(f.endTokens))
	if !begins {
		return
	}
	for _, id := range f.beginToken {
		v.setBeginToken(id)
	}
}

func first(ids tokenIDs) int {
	if len(ids) == 0 {
		return -1
	}
	return ids[0]
}

// tokenizer reads tokenizer.json or, if that is missing, tokenizer.model.
func (f *hfSource) tokenizer(v *vocabulary) error {
	path := filepath.Join(f.dir, hfTokenizerFile)
	data, err := untrusted.ReadFile(path, untrusted.MaxVocabulary)
	if errors.Is(err, fs.ErrNotExist) {
		return f.pieces(v)
	}
	if err != nil {
		return err
	}
	read, err := token.ParseHuggingFace(data, chatPieces()...)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	v.tokenizer, v.ids = read.Tokenizer, read.Control
	return nil
}

// readPieces reads a SentencePiece model.
func readPieces(v *vocabulary, path string) error {
	data, err := untrusted.ReadFile(path, untrusted.MaxVocabulary)
	if err != nil {
		return err
	}
	pieces, err := token.ParseSentencePieceBPE(data)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	v.tokenizer = pieces
	for piece, id := range map[string]int32{"<s>": pieces.Begin(), "</s>": pieces.End()} {
		if id >= 0 {
			v.ids[piece] = id
		}
	}
	return nil
}
