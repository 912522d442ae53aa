package task

import (
	"encoding/json"
	"fmt"
	"io"
)

// dumpedExample is an example in a form for people.
type dumpedExample struct {
	Task       string  `json:"task"`
	Prompt     string  `json:"prompt"`
	SourceText string  `json:"source"`
	TargetText string  `json:"target"`
	User       int     `json:"user"`
	Item       int     `json:"item"`
	IDs        []int32 `json:"source_ids"`
	Whole      []int32 `json:"whole_words"`
	Target     []int32 `json:"target_ids"`
}

// Dump writes n training records of each task of the corpus, one example per line as JSON, and
// returns the number of examples written per task. It uses a random stream of its own, so training
// is not affected.
func (c *Corpus) Dump(w io.Writer, encoder *Encoder, seed int64, n int) (map[string]int, error) {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	wrote := map[string]int{}
	s := sampler{c, NewPCG(seed, streamDump)}
	for _, task := range Tasks() {
		if !c.Has(task) {
			continue
		}
		order := newOrder(c.records(task))
		for _, example := range s.sample(nil, task, &order, min(n, c.records(task))) {
			if err := lines.Encode(encoder.dump(task, example)); err != nil {
				return wrote, fmt.Errorf("write examples of dataset %q: %w", c.name, err)
			}
			wrote[task.String()]++
		}
	}
	return wrote, nil
}

func (e *Encoder) dump(task Task, x Example) dumpedExample {
	ids, whole := e.source(x)
	return dumpedExample{
		Task: task.String(), Prompt: x.Prompt.String(), SourceText: x.Source, TargetText: x.Target,
		User: x.User, Item: x.Item, IDs: ids, Whole: whole, Target: e.truncate(e.target(x)),
	}
}
