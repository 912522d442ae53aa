package t5

import (
	"math"
	"slices"

	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// maskValue masks a position in attention: the lowest float32, as in Hugging Face's masks. Its
// softmax is 0.
const maskValue = -math.MaxFloat32

// padMask returns the mask of padding, or nil if there is none. [rows, 1, 1, prompts + source]
func (n *network) padMask(s *torch.Scope, b task.Batch, device torch.Device) *torch.Tensor {
	if !slices.Contains(b.Mask, 0) {
		return nil
	}
	rows, source, length := int64(b.Size), int64(b.SourceLen), n.Prompts+int64(b.SourceLen)
	mask := make([]float32, rows*length)
	for row := range rows {
		for i := range source {
			if b.Mask[row*source+i] == 0 {
				mask[row*length+n.Prompts+i] = maskValue
			}
		}
	}
	return s.FromFloat32(mask, rows, 1, 1, length).ToDevice(device)
}

// crossMask returns what the cross-attention adds to its scores, or nil for nothing. Protocol paper
// does not mask padding, but a last position that represents several pads gets their total weight.
// [1 or rows, 1, 1, prompts + source]
func (n *network) crossMask(encoded, padMask *torch.Tensor, g lengthBucket, maskCross bool) *torch.Tensor {
	if maskCross {
		return padMask
	}
	if g.padRepeats == 1 {
		return nil
	}
	length := n.Prompts + int64(g.batch.SourceLen)
	weight := make([]float32, length)
	weight[length-1] = float32(math.Log(float64(g.padRepeats)))
	return encoded.NewFloat32(weight, 1, 1, 1, length)
}
