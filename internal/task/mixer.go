package task

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"

	"rdrec/internal/spec"
)

// Random streams of a seed: one for each use, so that none affects another.
const (
	streamMixer uint64 = iota
	streamTest
	streamDump
	streamValidation // and the following ones, one per epoch
)

// streamRationales is the random stream that shuffles rationales, far from those of the epochs.
const streamRationales uint64 = 1 << 63

// Mixer samples training batches: some examples of each task, shuffled. It is not safe for
// concurrent use.
type Mixer struct {
	corpus *Corpus
	random Random
	counts Counts
	steps  int
	orders [4]order
	order  []int // of the rows of a batch
}

// Mixer returns the training batches of a seed.
func (c *Corpus) Mixer(train spec.Train, seed int64) (*Mixer, error) {
	return c.MixerFrom(train, NewPCG(seed, streamMixer))
}

// MixerFrom returns training batches sampled with random.
func (c *Corpus) MixerFrom(train spec.Train, random Random) (*Mixer, error) {
	counts, err := c.split(train.Ratio, train.Batch)
	if err != nil {
		return nil, err
	}
	m := &Mixer{corpus: c, random: random, counts: counts, steps: train.EpochSteps, order: make([]int, counts.Rows())}
	if m.steps == 0 {
		m.steps = c.steps(counts)
	}
	for _, task := range Tasks() {
		m.orders[task] = newOrder(c.records(task))
	}
	if c.settings.Protocol.FullPrefixes { // the prefixes of a user are neighbors: shuffle them first
		m.orders[Sequential].At = c.records(Sequential)
	}
	return m, nil
}

// EpochSteps returns the number of batches per epoch, at least 1.
func (m *Mixer) EpochSteps() int { return m.steps }

// Counts returns the number of records per task in a batch.
func (m *Mixer) Counts() Counts { return m.counts }

// Next samples a batch.
func (m *Mixer) Next() []Example {
	sampled := make([]Example, 0, len(m.order))
	for _, task := range Tasks() {
		sampled = sampler{m.corpus, m.random}.sample(sampled, task, &m.orders[task], m.counts[task])
	}
	for i := range m.order {
		m.order[i] = i
	}
	m.random.Shuffle(m.order)
	mixed := make([]Example, len(sampled))
	for i, from := range m.order {
		mixed[i] = sampled[from]
	}
	return mixed
}

// mixerState is the saved state of a Mixer.
type mixerState struct {
	Counts Counts   `json:"counts"`
	Orders [4]order `json:"orders"`
	Random []byte   `json:"random"`
}

// State returns the state, as JSON, from which [Mixer.Restore] continues with the very same
// batches.
func (m *Mixer) State() ([]byte, error) {
	marshaler, ok := m.random.(encoding.BinaryMarshaler)
	if !ok {
		return nil, errors.New("save training batches: their random generator cannot be saved")
	}
	random, err := marshaler.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("save training batches: %w", err)
	}
	return json.Marshal(mixerState{Counts: m.counts, Orders: m.orders, Random: random})
}

// Restore continues from a state. It must be the state of a mixer of the same corpus and settings.
func (m *Mixer) Restore(data []byte) error {
	var state mixerState
	if err := json.Unmarshal(data, &state); err != nil {
		return fmt.Errorf("restore training batches: %w", err)
	}
	if state.Counts != m.counts {
		return fmt.Errorf("restore training batches: they have %v records per task, want %v", state.Counts, m.counts)
	}
	for _, task := range Tasks() {
		if err := state.Orders[task].check(len(m.orders[task].Indices)); err != nil {
			return fmt.Errorf("restore training batches: %s: %w", task, err)
		}
	}
	unmarshaler, ok := m.random.(encoding.BinaryUnmarshaler)
	if !ok {
		return errors.New("restore training batches: their random generator cannot be restored")
	}
	if err := unmarshaler.UnmarshalBinary(state.Random); err != nil {
		return fmt.Errorf("restore training batches: %w", err)
	}
	m.orders = state.Orders
	return nil
}

// check fails unless the order is a permutation of so many records.
func (o order) check(records int) error {
	if len(o.Indices) != records || o.At < 0 || o.At > records {
		return fmt.Errorf("%d of %d records, but the dataset has %d", o.At, len(o.Indices), records)
	}
	seen := make([]bool, records)
	for _, i := range o.Indices {
		if i < 0 || i >= records || seen[i] {
			return fmt.Errorf("record %d is duplicated in its order or out of range (%d records)", i, records)
		}
		seen[i] = true
	}
	return nil
}
