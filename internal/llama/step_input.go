package llama

import (
	"math"

	"rdrec/internal/torch"
)

// inputField is a part of a step's input with one number for each row.
type inputField int

// The fields: integers, then numbers in float64.
const (
	inputToken       inputField = iota // the token that the model reads
	inputPosition                      // its position after the prefix
	inputState                         // state of the two-line constraint
	inputLastSeen                      // index of the last token with a repetition penalty
	inputNextSeen                      // index of the next one
	inputPenalty                       // repetition penalty
	inputTemperature                   // 0 means the most likely token
	inputTopP                          // probability of the nucleus
	inputRandom                        // from [0, 1), selects the token of the nucleus
	inputFields
)

// stepInput is all that a step needs from the host, copied to the device at once. Everything else
// is computed from it there.
type stepInput struct {
	rows, groups int64
	data         *torch.Tensor // by field and row; then what remaining returns, by row and group
	past         int64         // length of the longest row, including the new token, rounded up
	maxSeen      int64         // maximum number of tokens with a repetition penalty
	// samples, greedy, constrained and penalized report whether any row samples, takes the most
	// likely token, is constrained to two lines or has a repetition penalty.
	samples, greedy, constrained, penalized bool
	whole                                   bool   // every nucleus is the whole distribution
	sampled                                 []bool // by row
}

// newStepInput copies the input of a step of the first slots to the device.
func (w *generator) newStepInput(s *torch.Scope, rows int) *stepInput {
	in := &stepInput{
		rows: int64(rows), groups: int64(w.model.config.Groups), maxSeen: 1, whole: true, sampled: make([]bool, rows),
	}
	fields := int(inputFields)
	data := make([]int64, rows*(fields+int(in.groups)))
	for slot, r := range w.active[:rows] {
		values := w.rowInput(r)
		for field, value := range values {
			data[field*rows+slot] = value
		}
		for group := range int(in.groups) {
			data[fields*rows+slot*int(in.groups)+group] = w.cache.capacity - 1 - values[inputPosition]
		}
		in.past = max(in.past, values[inputPosition]+1)
		if r != nil {
			in.include(r)
			in.sampled[slot] = r.prompt.Sampling.Temperature > 0
			in.maxSeen = max(in.maxSeen, values[inputLastSeen]+1)
		}
	}
	in.past = min(int64(roundUp(int(in.past))), w.cache.capacity)
	in.data = w.model.int64s(s, data)
	return in
}

// rowInput returns the fields of a row; nil is a free slot.
func (w *generator) rowInput(r *sequence) (values [inputFields]int64) {
	number := func(x float64) int64 { return int64(math.Float64bits(x)) } //nolint:gosec // bits
	seen := w.penalties.count(r)
	values[inputLastSeen], values[inputNextSeen] = int64(max(seen-1, 0)), int64(seen)
	values[inputPenalty] = number(1)
	if r == nil {
		values[inputLastSeen] = 0
		return values
	}
	values[inputToken], values[inputPosition] = r.next(), int64(r.cached)
	values[inputState] = int64(r.state.withDeadline(r.generated, r.maxNewTokens))
	sampling := r.prompt.Sampling
	if seen > 0 {
		values[inputPenalty] = number(sampling.RepetitionPenalty)
	}
	if sampling.Temperature > 0 {
		values[inputTemperature] = number(sampling.Temperature)
		values[inputTopP] = number(float64(float32(sampling.TopP)))
		values[inputRandom] = number(r.random.Float64())
	}
	return values
}

// include records what a row needs.
func (in *stepInput) include(r *sequence) {
	sampling := r.prompt.Sampling
	if sampling.Temperature > 0 {
		in.samples, in.whole = true, in.whole && sampling.TopP >= 1
	} else {
		in.greedy = true
	}
	in.constrained = in.constrained || r.prompt.TwoLines
	in.penalized = in.penalized || sampling.RepetitionPenalty != 1
}

// ints returns a field of integers. [sequences]
func (in *stepInput) ints(field inputField) *torch.Tensor {
	return in.data.Narrow(0, int64(field)*in.rows, in.rows)
}

// floats returns a field of numbers. [sequences, 1]
func (in *stepInput) floats(field inputField) *torch.Tensor {
	return in.ints(field).ViewAs(torch.Float64).Unsqueeze(1)
}

// remaining returns the number of tokens that fit into the cache after each row's token. [sequences
// groups]
func (in *stepInput) remaining() *torch.Tensor {
	return in.data.Narrow(0, int64(inputFields)*in.rows, in.rows*in.groups)
}
