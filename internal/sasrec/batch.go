package sasrec

import (
	"math/rand/v2"
	"slices"

	"rdrec/internal/dataset"
)

// example is one user's training: after each of the inputs came the label at the same place.
type example struct{ inputs, labels []int }

// trainingExamples are the examples of all users who have two training items or more.
func trainingExamples(d *dataset.Dataset) []example {
	var all []example
	for _, user := range d.Users {
		if items := user.TrainItems(); len(items) > 1 {
			all = append(all, example{items[:len(items)-1], items[1:]})
		}
	}
	return all
}

// Batch is users' histories, each at the left of its row, padded with 0 behind.
type Batch struct {
	// Inputs are rows of Width item ids.
	Inputs []int64
	Width  int64
	// Positions are the positions in Inputs that are no padding, and Labels what came next there,
	// as item ids less 1.
	Positions, Labels []int64
}

// NewBatch pads histories to the longest of them; labels[i][j] came after inputs[i][j]. Of a
// history longer than length the latest items are taken.
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
			if labels != nil {
				b.Positions = append(b.Positions, row+int64(j))
				b.Labels = append(b.Labels, int64(labels[i][start+j])-1)
			}
		}
	}
	return b
}

// batchesPerBucket is how many batches' users are sorted by length together, so that little of a
// batch is padding and batches still differ from epoch to epoch.
const batchesPerBucket = 16

// shuffled deals all examples out in batches, in an order of its own for each seed and epoch.
func shuffled(all []example, batch int, random *rand.Rand) [][]example {
	order := make([]example, len(all))
	for i, place := range random.Perm(len(all)) {
		order[i] = all[place]
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
