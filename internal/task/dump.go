package task

import (
	"encoding/json"
	"fmt"
	"io"
)

// dumped is an example as people read it.
type dumped struct {
	Kind   string  `json:"kind"`
	Task   string  `json:"task"`
	Source string  `json:"source"`
	Target string  `json:"target"`
	User   int     `json:"user"`
	Item   int     `json:"item"`
	IDs    []int32 `json:"source_ids"`
	Whole  []int32 `json:"whole_words"`
	Answer []int32 `json:"target_ids"`
}

// Dump writes n training records of each kind that the corpus has, one example a line as JSON, and returns how many examples it
// wrote of each kind. Drawing them disturbs no training.
func (c *Corpus) Dump(w io.Writer, encoder *Encoder, seed int64, n int) (map[string]int, error) {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	wrote := map[string]int{}
	s := sampler{c, NewPCG(seed, streamDump)}
	for _, kind := range Kinds() {
		if !c.Has(kind) {
			continue
		}
		walk := newOrder(c.records(kind))
		for _, example := range s.draw(nil, kind, &walk, min(n, c.records(kind))) {
			if err := lines.Encode(encoder.dump(kind, example)); err != nil {
				return wrote, fmt.Errorf("write examples of dataset %q: %w", c.name, err)
			}
			wrote[kind.String()]++
		}
	}
	return wrote, nil
}

func (e *Encoder) dump(kind Kind, x Example) dumped {
	ids, whole := e.tokenizer.EncodeWords(x.Source, e.words)
	return dumped{
		Kind: kind.String(), Task: x.Task.String(), Source: x.Source, Target: x.Target, User: x.User, Item: x.Item,
		IDs: ids, Whole: whole, Answer: e.cut(e.tokenizer.Encode(x.Target)),
	}
}
