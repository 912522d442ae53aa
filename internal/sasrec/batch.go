package sasrec

import (
	"math/rand/v2"
	"slices"

	"rdrec/internal/dataset"
)

// example is a row of training: labels are the items after the last len(labels) of inputs.
type example struct{ inputs, labels []int }

// trainingExamples returns the examples of all users with at least two training items: with
// LossLast one for each prefix of the training items, otherwise one for each user.
func trainingExamples(d *dataset.Dataset, loss string) []example {
	var all []example
	for _, user := range d.Users {
		items := user.TrainItems()
		switch {
		case len(items) < 2:
		case loss == LossLast:
			for position := 1; position < len(items); position++ {
				all = append(all, example{items[:position], items[position : position+1]})
			}
		default:
			all = append(all, example{items[:len(items)-1], items[1:]})
		}
	}
	return all
}

// Batch has the histories of users, one in a row, padded with 0 on the right.
type Batch struct {
	// Inputs has rows of Width item ids.
	Inputs []int64
	Width  int64
	// Positions has the indices in Inputs that have a label, and Labels the next item of each, as
	// item id minus 1.
	Positions, Labels []int64
}

// NewBatch pads histories to the longest of them; labels[i] are the items after the last
// len(labels[i]) of inputs[i]. A history longer than length is truncated to its most recent items.
func NewBatch(inputs, labels [][]int, length int) Batch {
	b := Batch{}
	for _, items := range inputs {
		b.Width = max(b.Width, int64(min(len(items), length)))
	}
	b.Inputs = make([]int64, b.Width*int64(len(inputs)))
	for i := range inputs {
		start := max(0, len(inputs[i])-length)
		row := int64(i) * b.Width
		for j, item := range inputs[i][start:] {
			b.Inputs[row+int64(j)] = int64(item)
			if labels == nil {
				continue
			}
			if label := start + j - len(inputs[i]) + len(labels[i]); label >= 0 {
				b.Positions = append(b.Positions, row+int64(j))
				b.Labels = append(b.Labels, int64(labels[i][label])-1)
			}
		}
	}
	return b
}

// batchesPerBucket is the number of batches whose users are sorted by length together, so that
// batches have little padding and still differ from epoch to epoch.
const batchesPerBucket = 16

// shuffled returns all examples in batches, in another order at each call.
func shuffled(all []example, batch int, random *rand.Rand) [][]example {
	order := make([]example, len(all))
	for i, index := range random.Perm(len(all)) {
		order[i] = all[index]
	}
	var batches [][]example
	for chunk := range slices.Chunk(order, batch*batchesPerBucket) {
		slices.SortStableFunc(chunk, func(a, b example) int { return len(a.inputs) - len(b.inputs) })
		batches = slices.AppendSeq(batches, slices.Chunk(chunk, batch))
	}
	random.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
	return batches
}

func batchOf(examples []example, length int) Batch {
	inputs, labels := make([][]int, len(examples)), make([][]int, len(examples))
	for i, e := range examples {
		inputs[i], labels[i] = e.inputs, e.labels
	}
	return NewBatch(inputs, labels, length)
}
