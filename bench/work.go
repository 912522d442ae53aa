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

// The types of workloads.
const (
	workTrain  = "train"
	workSearch = "search"
	workRank   = "rank" // in protocol clean: from encoding to the ranked items
)

// workload is the work that all sides run.
type workload struct {
	Name    string     `json:"name"`
	Type    string     `json:"type"`
	Model   string     `json:"model"` // a folder in Hugging Face's format
	Threads int        `json:"threads"`
	Device  string     `json:"device"`
	Batch   task.Batch `json:"batch"`
	// Protocol is a name of spec.Protocols. The reference implements paper only.
	Protocol string  `json:"protocol"`
	Dropout  float64 `json:"dropout"`
	Rate     float64 `json:"rate"`
	// BFloat16 and GradientCheckpointing apply to our side only; see t5.Model.
	BFloat16              bool `json:"bfloat16,omitempty"`
	GradientCheckpointing bool `json:"gradient_checkpointing,omitempty"`
	// Beam configures a search.
	Beam beam.Config `json:"beam"`
	// Task is the ranked task, for as many users as Batch has rows.
	Task task.Task `json:"task"`
}

const learningRate = 5e-4

// workloadMaker builds workloads from the shipped data.
type workloadMaker struct {
	data      *dataset.Dataset
	tokenizer *token.T5
	model     string
	threads   int
	device    string
}

const dataFolder = "testdata/rdrec/beauty_mini"

func newWorkloadMaker(model string, threads int, device string) (*workloadMaker, error) {
	data, err := dataset.Read(os.DirFS(dataFolder), "beauty_mini")
	if err != nil {
		return nil, fmt.Errorf("%w (run bench in the project's folder)", err)
	}
	tokenizer, err := token.NewT5()
	return &workloadMaker{data: data, tokenizer: tokenizer, model: model, threads: threads, device: device}, err
}

func settings(protocol string) task.Settings {
	s := task.Settings{
		Method: spec.Methods()[0], Protocol: spec.Protocols()[0], Negatives: spec.Default().Data.Negatives,
	}
	for _, p := range spec.Protocols() {
		if p.Name == protocol {
			s.Protocol = p
		}
	}
	return s
}

func (m *workloadMaker) work(name, workType string) workload {
	return workload{
		Name: name, Type: workType, Model: m.model, Threads: m.threads, Device: m.device, Protocol: spec.Paper,
		Rate: learningRate,
	}
}

// train returns training on a mixed batch with a ratio of the tasks and the given number of
// records.
func (m *workloadMaker) train(name, protocol string, ratio spec.Ratio, records int, dropout float64) (workload, error) {
	w := m.work(name, workTrain)
	w.Protocol, w.Dropout = protocol, dropout
	corpus, err := task.New(m.data, settings(spec.Paper))
	if err != nil {
		return w, err
	}
	train := spec.Default().Train
	train.Batch, train.Ratio = records, ratio
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

// search returns a search over one batch of the given number of rows of the test set, as the
// reference does it.
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
		w.Beam.NumBeams, w.Beam.NumBeamGroups = e.ExplanationNumBeams, e.ExplanationNumBeamGroups
		w.Beam.NumReturnSequences, w.Beam.MinLength = 1, e.MinLength
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

// clean returns the same workload in protocol clean. The maximum length of items is that of the
// longest item id in tokens, plus start and end token.
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

// newModel writes a student with random weights for all sides. An untrained student repeats its
// last token, and otherwise finds all tokens about equally likely, so that rounding decides.
// Smaller embeddings prevent the former, a larger final norm the latter.
func newModel(dir, size string) error {
	scales := map[string]float64{"shared.weight": 0.05, "decoder.final_layer_norm.weight": 100}
	row, err := spec.SizeNamed(size)
	if err != nil {
		return err
	}
	model, err := t5.New(t5.FromSize(row, spec.Methods()[0].PromptVectors), 1, torch.CPU)
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

// operations returns the minimum number of floating-point operations of the workload: without
// padding, with each row encoded once, and without the logits of a trie's few tokens. It excludes
// attention's scores, which are negligible.
func (w workload) operations(c t5.Config) float64 {
	inner, source, target := float64(c.Heads*c.Head), 0.0, 0.0
	for _, mask := range w.Batch.Mask {
		source += float64(mask)
	}
	source += float64(w.Batch.Size) * float64(c.Prompts)
	for _, label := range w.Batch.Target {
		target += math.Min(1, float64(label))
	}
	factor, vocabulary := 6.0, float64(c.Vocabulary) // multiply and add, once forward and twice backward
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
