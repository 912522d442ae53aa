package recommend_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/golden"
	"rdrec/internal/recommend"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// scoreTolerance is testdata/golden/README.md's, absolute.
const scoreTolerance = 1e-3

// beamArguments is the arguments of the reference's beam_search.
type beamArguments struct {
	MaxLength  *int      `json:"max_length"`
	Beams      *int      `json:"num_beams"`
	Groups     *int      `json:"num_beam_groups"`
	Early      *bool     `json:"early_stopping"`
	MinLength  *int      `json:"min_length"`
	Diversity  *float64  `json:"diversity_penalty"`
	Repetition *float64  `json:"repetition_penalty"`
	Return     *int      `json:"num_return_sequences"`
	BadWords   [][]int32 `json:"bad_words_ids"`
}

func (c beamArguments) beam() recommend.BeamConfig {
	b := recommend.DefaultBeamConfig()
	set(&b.MaxLength, c.MaxLength)
	set(&b.NumBeams, c.Beams)
	set(&b.NumBeamGroups, c.Groups)
	set(&b.EarlyStopping, c.Early)
	set(&b.MinLength, c.MinLength)
	set(&b.DiversityPenalty, c.Diversity)
	set(&b.RepetitionPenalty, c.Repetition)
	set(&b.NumReturnSequences, c.Return)
	b.BadWords = c.BadWords
	return b
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// generateCase is one case of generate.json.
type generateCase struct {
	Call      json.RawMessage `json:"call"`
	Task      []int64         `json:"task"`
	InputIDs  [][]int64       `json:"input_ids"`
	Mask      [][]int64       `json:"attention_mask"`
	Whole     [][]int64       `json:"whole_word_ids"`
	Sequences [][][]int32     `json:"sequences"`
	Scores    [][]float64     `json:"scores"`
}

func (g generateCase) batch() task.Batch {
	return task.Batch{
		Size: len(g.Task), SourceLen: len(g.InputIDs[0]), Prompts: g.Task,
		Source: slices.Concat(g.InputIDs...), Mask: slices.Concat(g.Mask...), Whole: slices.Concat(g.Whole...),
	}
}

// TestGoldenGenerate searches every case of generate.json.gz: token ids are equal, scores nearly.
func TestGoldenGenerate(t *testing.T) {
	var file map[string]generateCase
	golden.Load(t, "generate.json.gz", &file)
	model := tiny(t)
	for _, name := range slices.Sorted(maps.Keys(file)) {
		t.Run(name, func(t *testing.T) {
			c := file[name]
			var arguments beamArguments
			decoder := json.NewDecoder(bytes.NewReader(c.Call))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&arguments); err != nil {
				t.Fatalf("call %s: %v", c.Call, err)
			}
			b := arguments.beam()
			found, err := recommend.Search(t.Context(), model, c.batch(), b, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.Sequences, padded(found, b.MaxLength)); diff != "" {
				t.Error(diff)
			}
			for row, hypotheses := range found {
				for i, h := range hypotheses {
					if math.Abs(h.Score-c.Scores[row][i]) > scoreTolerance {
						t.Errorf("row %d, sequence %d scores %v, the reference %v", row, i, h.Score, c.Scores[row][i])
					}
				}
			}
		})
	}
}

// padded lays sequences out as the reference returns them: start 0, end 1 where it fits, pads 0 up
// to the longest of the batch.
func padded(found [][]recommend.Hypothesis, most int) [][][]int32 {
	longest := 0
	for _, h := range slices.Concat(found...) {
		longest = max(longest, len(h.Tokens))
	}
	length := min(longest+2, most)
	rows := make([][][]int32, len(found))
	for row, hypotheses := range found {
		for _, h := range hypotheses {
			sequence := make([]int32, length)
			copy(sequence[1:], h.Tokens)
			if end := len(h.Tokens) + 1; end < length {
				sequence[end] = 1
			}
			rows[row] = append(rows[row], sequence)
		}
	}
	return rows
}

// tiny is the model that all goldens use.
func tiny(t testing.TB) *t5.Model {
	t.Helper()
	return tinyOn(t, torch.CPU)
}

// tinyOn is tiny on a device.
func tinyOn(t testing.TB, device torch.Device) *t5.Model {
	t.Helper()
	golden.Path(t, "tiny/config.json")
	model, err := t5.Load(filepath.Dir(golden.Path(t, "tiny/model.safetensors")), device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Free)
	return model
}
