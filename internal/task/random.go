package task

import (
	"math/rand/v2"
)

// Random is the randomness of the samplers. The reference's random calls reduce to these two, so a
// recording of them can replace the generator.
type Random interface {
	// IntN returns a number from 0 up to, but not including, n.
	IntN(n int) int
	// Shuffle reorders values in place.
	Shuffle(values []int)
}

// PCG is the seeded [Random] of real runs. Its state has 20 bytes, so a run can resume in the
// middle of a stream.
type PCG struct {
	source *rand.PCG
	random *rand.Rand
}

// NewPCG returns a numbered random stream of a seed.
func NewPCG(seed int64, stream uint64) *PCG {
	source := rand.NewPCG(uint64(seed), stream)
	return &PCG{source: source, random: rand.New(source)}
}

// IntN returns a number from 0 up to, but not including, n.
func (p *PCG) IntN(n int) int { return p.random.IntN(n) }

// Shuffle reorders values in place.
func (p *PCG) Shuffle(values []int) {
	p.random.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
}

// MarshalBinary returns the state.
func (p *PCG) MarshalBinary() ([]byte, error) { return p.source.MarshalBinary() }

// UnmarshalBinary sets the state.
func (p *PCG) UnmarshalBinary(data []byte) error { return p.source.UnmarshalBinary(data) }
