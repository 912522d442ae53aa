package beam_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/beam"
	"rdrec/internal/golden"
	"rdrec/internal/t5/modeltest"
)

// scoreTolerance is the absolute tolerance of testdata/golden/README.md.
const scoreTolerance = 1e-3

// arguments are the arguments of the reference's beam_search.
type arguments struct {
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

func (a arguments) config() beam.Config {
	c := beam.DefaultConfig()
	set(&c.MaxLength, a.MaxLength)
	set(&c.NumBeams, a.Beams)
	set(&c.NumBeamGroups, a.Groups)
	set(&c.EarlyStopping, a.Early)
	set(&c.MinLength, a.MinLength)
	set(&c.DiversityPenalty, a.Diversity)
	set(&c.RepetitionPenalty, a.Repetition)
	set(&c.NumReturnSequences, a.Return)
	c.BadWords = a.BadWords
	return c
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// generateCase is one case of generate.json.
type generateCase struct {
	modeltest.Rows
	Call      json.RawMessage `json:"call"`
	Sequences [][][]int32     `json:"sequences"`
	Scores    [][]float64     `json:"scores"`
}

// TestGoldenGenerate searches every case of generate.json.gz: token ids are equal, and scores are
// within the tolerance.
func TestGoldenGenerate(t *testing.T) {
	var file map[string]generateCase
	golden.Load(t, "generate.json.gz", &file)
	model := modeltest.Tiny(t)
	for _, name := range slices.Sorted(maps.Keys(file)) {
		t.Run(name, func(t *testing.T) {
			c := file[name]
			var call arguments
			decoder := json.NewDecoder(bytes.NewReader(c.Call))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&call); err != nil {
				t.Fatalf("call %s: %v", c.Call, err)
			}
			config := call.config()
			found, err := beam.Search(t.Context(), model, c.Batch(), config, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.Sequences, padded(found, config.MaxLength)); diff != "" {
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

// padded returns sequences in the reference's layout: start 0, end 1 if it fits, then padding 0 up
// to the longest sequence of the batch.
func padded(found [][]beam.Hypothesis, most int) [][][]int32 {
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
