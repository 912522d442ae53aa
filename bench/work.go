package main

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"rdrec/internal/beam"
	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// The kinds of work.
const (
	workTrain  = "train"
	workSearch = "search"
	workRank   = "rank" // by our own protocol: what may be recommended, from encoding to the ranked items
)

// workload is what both sides are to do.
type workload struct {
	Name    string     `json:"name"`
	Type    string     `json:"kind"`
	Model   string     `json:"model"` // a folder as Hugging Face has it
	Threads int        `json:"threads"`
	Batch   task.Batch `json:"batch"`
	// Protocol is that of spec.Protocols; the reference knows paper alone.
	Protocol string  `json:"protocol"`
	Dropout  float64 `json:"dropout"`
	Rate     float64 `json:"rate"`
	// BFloat16 and Recompute are ways to train of ours alone, see t5.Model.
	BFloat16              bool `json:"bfloat16,omitempty"`
	GradientCheckpointing bool `json:"gradient_checkpointing,omitempty"`
	// Beam is how a search searches.
	Beam beam.Config `json:"beam"`
	// Task is what is ranked, for as many users as Batch has rows.
	Task task.Task `json:"task"`
}

const learningRate = 5e-4

// workloadMaker makes works of the shipped data.
type workloadMaker struct {
	data      *dataset.Dataset
	tokenizer *token.T5
	model     string
	threads   int
}

const dataFolder = "testdata/rdrec/beauty_mini"

func newWorkloadMaker(model string, threads int) (*workloadMaker, error) {
	data, err := dataset.Read(os.DirFS(dataFolder), "beauty_mini")
	if err != nil {
		return nil, fmt.Errorf("%w (run it in the project's folder)", err)
	}
	tokenizer, err := token.NewT5()
	return &workloadMaker{data: data, tokenizer: tokenizer, model: model, threads: threads}, err
}

func settings(protocol string) task.Settings {
	s := task.Settings{Method: spec.Methods()[0], Protocol: spec.Protocols()[0], Negatives: spec.Default().Data.Negatives}
	for _, p := range spec.Protocols() {
		if p.Name == protocol {
			s.Protocol = p
		}
	}
	return s
}

func (m *workloadMaker) work(name, workType string) workload {
	return workload{Name: name, Type: workType, Model: m.model, Threads: m.threads, Protocol: spec.Paper, Rate: learningRate}
}

// train is a mixed batch of the default's ratio and so many records.
func (m *workloadMaker) train(name, protocol string, records int, dropout float64) (workload, error) {
	w := m.work(name, workTrain)
	w.Protocol, w.Dropout = protocol, dropout
	corpus, err := task.New(m.data, settings(spec.Paper))
	if err != nil {
		return w, err
	}
	train := spec.Default().Train
	train.Batch = records
	mixer, err := corpus.Mixer(train, 1)
	if err != nil {
		return w, err
	}
	encoder, err := task.NewEncoder(m.tokenizer, settings(protocol), train.MaxTargetTokens)
	if err != nil {
		return w, err
	}
	w.Batch = encoder.Encode(mixer.Next())
	return w, nil
}

// search is the first batch of so many rows that the reference would search.
func (m *workloadMaker) search(name string, tk task.Task, rows, maxLength int) (workload, error) {
	w := m.work(name, workSearch)
	w.Task, w.Beam = tk, beam.DefaultConfig()
	e := spec.Default().Evaluate
	w.Beam.NumBeams, w.Beam.NumReturnSequences, w.Beam.MaxLength = e.NumBeams, e.NumReturnSequences, maxLength
	switch tk {
	case task.Sequential, task.Rationale:
	case task.TopN:
		w.Beam.NumReturnSequences = e.TopN
	case task.Explanation:
		w.Beam.NumBeams, w.Beam.NumBeamGroups, w.Beam.NumReturnSequences, w.Beam.MinLength = e.ExplanationNumBeams, e.ExplanationNumBeamGroups, 1, e.MinLength
	}
	corpus, err := task.New(m.data, settings(spec.Paper))
	if err != nil {
		return w, err
	}
	list, err := corpus.Test(tk, 1)
	if err != nil {
		return w, err
	}
	encoder, err := task.NewEncoder(m.tokenizer, settings(spec.Paper), e.MaxReferenceTokens)
	if err != nil {
		return w, err
	}
	for batch := range list.SampleEvenly(rows).Batches(encoder, rows) {
		w.Batch = batch
	}
	return w, nil
}

// clean is the same users' work in protocol clean. Items take as many steps as the longest is spelt
// with, the end token included.
func (m *workloadMaker) clean(w workload) workload {
	w.Type, w.Protocol = workRank, spec.Clean
	if w.Task != task.Explanation {
		w.Beam.MaxLength = 1
		for item := range m.data.Items {
			w.Beam.MaxLength = max(w.Beam.MaxLength, 1+len(m.tokenizer.Encode(strconv.Itoa(item+1))))
		}
	}
	return w
}

// newModel writes a student of random weights for both sides. A student that has not learnt says
// again what it has just said, and beyond that finds all tokens about equally likely, so that the
// last bits decide: smaller embeddings mend the one, a larger last norm the other.
func newModel(dir, size string) error {
	scales := map[string]float64{"shared.weight": 0.05, "decoder.final_layer_norm.weight": 100}
	for _, s := range spec.Sizes() {
		if s.Name != size {
			continue
		}
		model, err := t5.New(t5.FromSize(s, spec.Methods()[0].PromptVectors), 1, torch.CPU)
		if err != nil {
			return err
		}
		defer model.Free()
		err = torch.Run(func(s *torch.Scope) error {
			for _, p := range model.Named(s.Use(model.Flat())) {
				if scale, ok := scales[p.Name]; ok {
					p.Tensor.Scale(scale)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return model.Save(dir)
	}
	return fmt.Errorf("no student size is named %q", size)
}

// operations is how many floating-point operations the work needs at the least: no padding, each
// row read once, the logits of a trie's few tokens left out. Attention's scores are left out: they
// are little beside the rest.
func (w workload) operations(c t5.Config) float64 {
	inner, source, target := float64(c.Heads*c.Head), 0.0, 0.0
	for _, mask := range w.Batch.Mask {
		source += float64(mask)
	}
	source += float64(w.Batch.Size) * float64(c.Prompts)
	for _, label := range w.Batch.Target {
		target += math.Min(1, float64(label))
	}
	factor, vocabulary := 6.0, float64(c.Vocabulary) // a multiplication and an addition, forward and twice backward
	if w.Type != workTrain {
		factor = 2
		// The first step has one path a row; equal groups of beams are searched as one.
		paths := w.Beam.NumBeams / max(1, w.Beam.NumBeamGroups)
		target = float64(w.Batch.Size * (1 + paths*(w.Beam.MaxLength-2)))
		if w.Type == workRank && w.Task != task.Explanation {
			vocabulary = 0
		}
	}
	feed := 2 * float64(c.Model*c.FeedForward)
	encoder := float64(c.Layers) * (4*float64(c.Model)*inner + feed)
	decoder := float64(c.DecoderLayers) * (6*float64(c.Model)*inner + feed)
	cross := float64(c.DecoderLayers) * 2 * float64(c.Model) * inner
	return factor * (source*(encoder+cross) + target*(decoder+float64(c.Model)*vocabulary))
}
