package room

import (
	"encoding/json"
	"fmt"

	"rdrec/internal/spec"
)

// PretrainedConfig is the file of a pretrained student's folder with its size.
const PretrainedConfig = "config.json"

// pretrained is the part of a T5's config.json that determines its size.
type pretrained struct {
	Model         int    `json:"d_model"`
	Head          int    `json:"d_kv"`
	FeedForward   int    `json:"d_ff"`
	Layers        int    `json:"num_layers"`
	DecoderLayers int    `json:"num_decoder_layers"`
	Heads         int    `json:"num_heads"`
	Vocabulary    int64  `json:"vocab_size"`
	Activation    string `json:"feed_forward_proj"`
	Tied          *bool  `json:"tie_word_embeddings"`
}

// maxWidth bounds what is multiplied here, far above the sizes of any T5.
const maxWidth = 1 << 16

// Pretrained returns what training a student takes that starts from a folder with this config.json.
func Pretrained(config []byte, train spec.Train) ([]Need, error) {
	c := pretrained{
		Model: 512, Head: 64, FeedForward: 2048, Layers: 6, Heads: 8, Vocabulary: words, Activation: "relu",
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", PretrainedConfig, err)
	}
	for key, value := range map[string]int64{
		"d_model": int64(c.Model), "d_kv": int64(c.Head), "d_ff": int64(c.FeedForward),
		"num_layers": int64(c.Layers), "num_decoder_layers": int64(c.DecoderLayers),
		"num_heads": int64(c.Heads), "vocab_size": c.Vocabulary / maxWidth,
	} {
		if value < 0 || value > maxWidth {
			return nil, fmt.Errorf("%s: %s is out of range", PretrainedConfig, key)
		}
	}
	size := spec.Size{
		Name: "the pretrained student", Model: c.Model, Head: c.Head, FeedForward: c.FeedForward, Layers: c.Layers,
		Heads: c.Heads,
	}
	return trainingOf(c.parameters(size), c.Vocabulary, size, train), nil
}

// parameters returns the number of weights.
func (c pretrained) parameters(size spec.Size) int64 {
	d, inner, ff := int64(c.Model), int64(c.Head)*int64(c.Heads), int64(c.FeedForward)
	n := Parameters(size, true) + c.Vocabulary*d
	if c.DecoderLayers > 0 { // two attentions, a feed-forward and three norms
		n += int64(c.DecoderLayers-c.Layers) * (8*d*inner + 2*d*ff + 3*d)
	}
	if c.Activation != "relu" { // a gate in each feed-forward
		decoder := c.DecoderLayers
		if decoder == 0 {
			decoder = c.Layers
		}
		n += int64(c.Layers+decoder) * d * ff
	}
	if c.Tied != nil && !*c.Tied {
		n += c.Vocabulary * d
	}
	return n
}
