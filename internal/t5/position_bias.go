package t5

import (
	"math"
	"sync"

	"rdrec/internal/torch"
)

// Bucket returns the relative position bucket of a distance (key minus query). Buckets are exact
// for short distances and logarithmic for long ones; all distances beyond maxDistance share one. If
// bidirectional, half of the buckets are for keys after the query; otherwise, those keys are in
// bucket 0. The arithmetic is float32, as in PyTorch: it determines the distance at which a bucket
// begins.
func Bucket(distance, buckets, maxDistance int64, bidirectional bool) int64 {
	bucket := int64(0)
	if bidirectional {
		buckets /= 2
		if distance > 0 {
			bucket = buckets
		}
		distance = max(distance, -distance)
	} else {
		distance = max(-distance, 0)
	}
	exact := buckets / 2
	if distance < exact {
		return bucket + distance
	}
	ratio := float32(math.Log(float64(float32(distance) / float32(exact))))
	scaled := ratio / float32(math.Log(float64(maxDistance)/float64(exact))) * float32(buckets-exact)
	return bucket + min(exact+int64(scaled), buckets-1)
}

// positionBias returns the relative position bias, which attention adds to its scores, in the scope
// and on the device of like. The decoder's bias includes the causal mask. [1, heads, length,
// length]
func (n *network) positionBias(like, table *torch.Tensor, length int64, bidirectional bool) *torch.Tensor {
	return torch.Within(like, func(like *torch.Tensor) *torch.Tensor {
		pairs := n.positions.upTo(length)
		buckets := pairs.decoder
		if bidirectional {
			buckets = pairs.encoder
		}
		square := func(t *torch.Tensor) *torch.Tensor { return t.In(like).Narrow(0, 0, length).Narrow(1, 0, length) }
		bias := square(buckets).Embedding(table).Permute(2, 0, 1).Contiguous().Unsqueeze(0) // [1, heads, query, key]
		if !bidirectional {
			bias = bias.Add(square(pairs.causal))
		}
		return bias
	})
}

// positionTables are the tables of all pairs of positions, on the model's device. They grow with
// the longest text so far.
type positionTables struct {
	config Config
	device torch.Device
	mu     sync.Mutex
	all    []*positionPairs // the last one is the longest; another goroutine may use an earlier one
}

// positionPairs are tables of the pairs of positions up to a length. [query, key]
type positionPairs struct {
	encoder, decoder *torch.Tensor // buckets
	causal           *torch.Tensor // masks the keys after each query
}

// initialPositions is the length of the first tables. Texts are rarely longer.
const initialPositions = 512

// upTo returns tables for positions up to a length, or more.
func (p *positionTables) upTo(length int64) *positionPairs {
	p.mu.Lock()
	defer p.mu.Unlock()
	capacity := int64(0)
	if len(p.all) > 0 {
		capacity = p.all[len(p.all)-1].causal.Dim(0)
	}
	if length > capacity {
		p.all = append(p.all, p.create(max(length, 2*capacity, initialPositions)))
	}
	return p.all[len(p.all)-1]
}

func (p *positionTables) create(length int64) *positionPairs {
	s := torch.NewScope()
	defer s.Close()
	buckets := func(bidirectional bool) *torch.Tensor {
		return torch.Keep(s.FromInt64(p.config.buckets(length, bidirectional), length, length).ToDevice(p.device))
	}
	causal := s.FromFloat32(causalMask(length), length, length).ToDevice(p.device)
	return &positionPairs{encoder: buckets(true), decoder: buckets(false), causal: torch.Keep(causal)}
}

func (p *positionTables) free() {
	for _, pairs := range p.all {
		pairs.encoder.Free()
		pairs.decoder.Free()
		pairs.causal.Free()
	}
	p.all = nil
}

// buckets returns the bucket of every pair. [query, key]
func (c Config) buckets(length int64, bidirectional bool) []int64 {
	byDistance := make([]int64, 2*length-1) // the bucket of distance i - (length - 1)
	for i := range byDistance {
		byDistance[i] = Bucket(int64(i)-(length-1), c.Buckets, c.MaxDistance, bidirectional)
	}
	all := make([]int64, 0, length*length)
	for query := range length {
		first := length - 1 - query // the distance of key 0 is -query
		all = append(all, byDistance[first:first+length]...)
	}
	return all
}

// causalMask masks the keys after each query. [query, key]
func causalMask(length int64) []float32 {
	mask := make([]float32, length*length)
	for query := range length {
		for key := query + 1; key < length; key++ {
			mask[query*length+key] = maskValue
		}
	}
	return mask
}
