package pickle

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// maxDims is the maximum number of a tensor's dimensions.
const maxDims = 64

// Tensor is a view of a storage.
type Tensor struct {
	Storage *Storage
	// Offset is the first element, Stride the distance of neighbors in a dimension, in elements.
	Offset       int64
	Size, Stride []int64
}

// newTensor returns a tensor from the arguments (storage, offset, size, stride, ...) of its class.
func newTensor(args tuple) (*Tensor, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("a tensor has %d arguments", len(args))
	}
	storage, ok := args[0].(*Storage)
	if !ok {
		return nil, fmt.Errorf("a tensor's storage is a %s", typeOf(args[0]))
	}
	offset, ok := args[1].(int64)
	if !ok {
		return nil, fmt.Errorf("a tensor's offset is a %s", typeOf(args[1]))
	}
	size, err := integers(args[2])
	if err != nil {
		return nil, fmt.Errorf("a tensor's size: %w", err)
	}
	stride, err := integers(args[3])
	if err != nil {
		return nil, fmt.Errorf("a tensor's stride: %w", err)
	}
	return &Tensor{Storage: storage, Offset: offset, Size: size, Stride: stride}, nil
}

// integers returns a tuple of integers.
func integers(value any) ([]int64, error) {
	items, ok := value.(tuple)
	if !ok {
		return nil, fmt.Errorf("a %s, not a tuple", typeOf(value))
	}
	if len(items) > maxDims {
		return nil, fmt.Errorf("%d dimensions, at most %d are possible", len(items), maxDims)
	}
	all := make([]int64, len(items))
	for i, item := range items {
		if all[i], ok = item.(int64); !ok {
			return nil, fmt.Errorf("a %s, not an integer", typeOf(item))
		}
	}
	return all, nil
}

// errBeyond is the error for sizes, strides and offsets that leave the storage.
var errBeyond = errors.New("tensor extends beyond its storage")

// Span returns the elements [first, end) of the storage that the tensor spans. It fails if they are
// not in the storage, and if the tensor has more elements than its storage.
func (t *Tensor) Span() (first, end int64, err error) {
	if len(t.Size) != len(t.Stride) {
		return 0, 0, fmt.Errorf("tensor has %d sizes and %d strides", len(t.Size), len(t.Stride))
	}
	elements, last, fits := int64(1), t.Offset, t.Offset >= 0
	for i := 0; i < len(t.Size) && fits; i++ {
		var product, reach int64
		var countable, reachable bool
		product, countable = multiply(elements, t.Size[i])
		reach, reachable = multiply(max(t.Size[i]-1, 0), t.Stride[i])
		fits = countable && reachable && last <= math.MaxInt64-reach
		elements, last = product, last+reach
	}
	switch {
	case !fits:
		return 0, 0, errBeyond
	case elements == 0:
		return 0, 0, nil
	case last >= t.Storage.Elements:
		return 0, 0, errBeyond
	case elements > t.Storage.Elements:
		return 0, 0, fmt.Errorf("tensor has %d elements, its storage %d", elements, t.Storage.Elements)
	}
	return t.Offset, last + 1, nil
}

// multiply returns the product of two numbers, and whether neither they nor it are out of range.
func multiply(a, b int64) (product int64, fits bool) {
	if a < 0 || b < 0 {
		return 0, false
	}
	high, low := bits.Mul64(uint64(a), uint64(b))
	return int64(low), high == 0 && low <= math.MaxInt64 //nolint:gosec // compared in the same line
}
