package task

import (
	"fmt"
	"iter"

	"rdrec/internal/dataset"
)

// List is the examples that a student is judged by, all of one kind, in the data's order.
type List struct {
	Kind     Kind
	Examples []Example

	// wide pads every batch to the longest example of the whole list, and halves misassigns rationale tasks, as the reference does.
	wide, halves bool
}

// rows is how many examples a record of the kind makes.
func (l List) rows() int {
	if l.Kind == KindRationale {
		return 2
	}
	return 1
}

// Spread is n records of the list at equal distances (see [dataset.Spread]), all of it where n is 0.
func (l List) Spread(n int) List {
	rows := l.rows()
	var picked []Example
	for _, place := range dataset.Spread(len(l.Examples)/rows, n) {
		picked = append(picked, l.Examples[place*rows:(place+1)*rows]...)
	}
	l.Examples = picked
	return l
}

// Batches encodes the list, size records at a time: a rationale batch has two rows a record.
func (l List) Batches(encoder *Encoder, size int) iter.Seq[Batch] {
	size *= l.rows()
	return func(yield func(Batch) bool) {
		var whole Batch
		if l.wide {
			whole = encoder.Encode(l.Examples)
		}
		for from := 0; from < len(l.Examples); from += size {
			to := min(from+size, len(l.Examples))
			var batch Batch
			if l.wide {
				batch = whole.Rows(from, to)
			} else {
				batch = encoder.Encode(l.Examples[from:to])
			}
			if l.halves {
				halveTasks(batch.Tasks)
			}
			if !yield(batch) {
				return
			}
		}
	}
}

// halveTasks gives a rationale batch the reference's tasks: the first half preference, the second attribute, though rows alternate.
func halveTasks(tasks []int64) {
	for i := range tasks {
		tasks[i] = int64(Preference)
		if i >= len(tasks)/2 {
			tasks[i] = int64(Attribute)
		}
	}
}

// Valid lists the validation examples of a kind. Top-N candidates are drawn anew each epoch, as in the reference, unless the protocol
// constrains ranking: then all epochs see the same.
func (c *Corpus) Valid(kind Kind, seed int64, epoch int) (List, error) {
	stream := streamValid
	if !c.settings.Protocol.Constrained {
		stream += uint64(epoch)
	}
	return c.ValidFrom(kind, NewPCG(seed, stream))
}

// ValidFrom is Valid with top-N candidates drawn from random.
func (c *Corpus) ValidFrom(kind Kind, random Random) (List, error) {
	s := sampler{c, random}
	return c.list(kind, judged{
		explanations: c.explanations.Val,
		rationales:   c.rationales.Val,
		sequence:     func(user dataset.User) []int { return user.Items[:len(user.Items)-1] },
		candidates: func(user dataset.User) ([]int, int, error) {
			candidates := append(s.unseen(user), user.Valid())
			random.Shuffle(candidates)
			return candidates, user.Valid(), nil
		},
	})
}

// Test lists the test examples of a kind. Top-N candidates are the dataset's negatives and the true item, shuffled.
func (c *Corpus) Test(kind Kind, seed int64) (List, error) {
	random := NewPCG(seed, streamTest)
	return c.list(kind, judged{
		explanations: c.explanations.Test,
		rationales:   c.rationales.Test,
		sequence:     func(user dataset.User) []int { return user.Items },
		candidates: func(user dataset.User) ([]int, int, error) {
			candidates, err := c.candidates(user)
			random.Shuffle(candidates)
			return candidates, user.Test(), err
		},
	})
}

// judged is where the examples of a list come from.
type judged struct {
	explanations, rationales []dataset.Explanation
	// sequence is a user's history and, last, the item to find.
	sequence func(dataset.User) []int
	// candidates are a user's candidates and the true one of them.
	candidates func(dataset.User) ([]int, int, error)
}

func (c *Corpus) list(kind Kind, from judged) (List, error) {
	if !c.texts.has(kind) {
		return List{}, c.lacks(kind)
	}
	protocol := c.settings.Protocol
	list := List{Kind: kind}
	switch kind {
	case KindExplanation:
		list.wide = !protocol.MaskCross
		for _, record := range from.explanations {
			list.Examples = append(list.Examples, c.explain(record, last(c.texts.explanation)))
		}
	case KindRationale:
		list.wide, list.halves = !protocol.MaskCross, !protocol.RightTasks
		for _, record := range from.rationales {
			pair := c.rationale(record)
			list.Examples = append(list.Examples, pair[:]...)
		}
	case KindSequential:
		for _, user := range c.users {
			list.Examples = append(list.Examples, c.next(user.ID, recent(from.sequence(user)), last(c.texts.sequential)))
		}
	case KindTopN:
		for _, user := range c.users {
			candidates, truth, err := from.candidates(user)
			if err != nil {
				return List{}, err
			}
			list.Examples = append(list.Examples, c.pick(user.ID, truth, candidates, last(c.texts.topn)))
		}
	}
	return list, nil
}

// candidates are the dataset's negatives of a user and, last, the test item.
func (c *Corpus) candidates(user dataset.User) ([]int, error) {
	negatives := c.negatives[user.ID]
	if len(negatives) == 0 {
		return nil, fmt.Errorf("dataset %q: user %d has no negatives to rank its test item against", c.name, user.ID)
	}
	if err := c.family.check(len(negatives) + 1); err != nil {
		return nil, fmt.Errorf("dataset %q: user %d: %w", c.name, user.ID, err)
	}
	return append(append(make([]int, 0, len(negatives)+1), negatives...), user.Test()), nil
}
