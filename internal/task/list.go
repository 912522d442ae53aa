package task

import (
	"fmt"
	"iter"

	"rdrec/internal/dataset"
)

// List is the examples of one task that a student is evaluated on, in the data's order.
type List struct {
	Task     Task
	Examples []Example

	// padToLongest pads every batch to the longest example of the whole list, and promptsByHalf
	// misassigns rationale prompts, as the reference does.
	padToLongest, promptsByHalf bool
}

// rowsPerRecord returns the number of examples per record of the task.
func (l List) rowsPerRecord() int {
	if l.Task == Rationale {
		return 2
	}
	return 1
}

// SampleEvenly returns n records of the list at equal distances (see [dataset.SampleEvenly]), or
// all of them if n is 0.
func (l List) SampleEvenly(n int) List {
	rows := l.rowsPerRecord()
	var picked []Example
	for _, index := range dataset.SampleEvenly(len(l.Examples)/rows, n) {
		picked = append(picked, l.Examples[index*rows:(index+1)*rows]...)
	}
	l.Examples = picked
	return l
}

// Batches encodes the list, size records at a time: a rationale batch has two rows per record.
func (l List) Batches(encoder *Encoder, size int) iter.Seq[Batch] {
	size *= l.rowsPerRecord()
	return func(yield func(Batch) bool) {
		var padded Batch
		if l.padToLongest {
			padded = encoder.Encode(l.Examples)
		}
		for from := 0; from < len(l.Examples); from += size {
			to := min(from+size, len(l.Examples))
			var batch Batch
			if l.padToLongest {
				batch = padded.Rows(from, to)
			} else {
				batch = encoder.Encode(l.Examples[from:to])
			}
			if l.promptsByHalf {
				setPromptIDsByHalf(batch.Prompts)
			}
			if !yield(batch) {
				return
			}
		}
	}
}

// setPromptIDsByHalf assigns the reference's prompts to a rationale batch: preference to the first
// half, attribute to the second, although the rows alternate.
func setPromptIDsByHalf(prompts []int64) {
	for i := range prompts {
		prompts[i] = int64(PromptPreference)
		if i >= len(prompts)/2 {
			prompts[i] = int64(PromptAttribute)
		}
	}
}

// Validation returns the validation examples of a task. Top-N candidates are sampled anew each
// epoch, as in the reference, unless the protocol constrains ranking: then they are the same in all
// epochs.
func (c *Corpus) Validation(task Task, seed int64, epoch int) (List, error) {
	stream := streamValidation
	if !c.settings.Protocol.Constrained {
		stream += uint64(epoch)
	}
	return c.ValidationFrom(task, NewPCG(seed, stream))
}

// ValidationFrom is [Corpus.Validation] with top-N candidates sampled with random.
func (c *Corpus) ValidationFrom(task Task, random Random) (List, error) {
	s := sampler{c, random}
	return c.list(task, listSource{
		explanations: c.explanations.Val,
		rationales:   c.rationales.Val,
		sequence:     func(user dataset.User) []int { return user.Items[:len(user.Items)-1] },
		candidates: func(user dataset.User) ([]int, int, error) {
			candidates := append(s.unseen(user, user.History()), user.ValidationItem())
			random.Shuffle(candidates)
			return candidates, user.ValidationItem(), nil
		},
	})
}

// Test returns the test examples of a task. Top-N candidates are the dataset's negatives and the
// true item, shuffled.
func (c *Corpus) Test(task Task, seed int64) (List, error) {
	random := NewPCG(seed, streamTest)
	return c.list(task, listSource{
		explanations: c.explanations.Test,
		rationales:   c.rationales.Test,
		sequence:     func(user dataset.User) []int { return user.Items },
		candidates: func(user dataset.User) ([]int, int, error) {
			candidates, err := c.candidates(user)
			random.Shuffle(candidates)
			return candidates, user.TestItem(), err
		},
	})
}

// listSource is the source of the examples of a list.
type listSource struct {
	explanations, rationales []dataset.Explanation
	// sequence returns a user's history followed by the item to find.
	sequence func(dataset.User) []int
	// candidates returns a user's candidates and the true item among them.
	candidates func(dataset.User) ([]int, int, error)
}

func (c *Corpus) list(task Task, source listSource) (List, error) {
	if !c.templates.has(task) {
		return List{}, c.missingTemplates(task)
	}
	protocol := c.settings.Protocol
	list := List{Task: task}
	switch task {
	case Explanation:
		list.padToLongest = !protocol.MaskCross
		for _, record := range source.explanations {
			list.Examples = append(list.Examples, c.explanationExample(record, last(c.templates.explanation)))
		}
	case Rationale:
		list.padToLongest, list.promptsByHalf = !protocol.MaskCross, !protocol.CorrectTasks
		for _, record := range source.rationales {
			pair := c.rationaleExamples(record)
			list.Examples = append(list.Examples, pair[:]...)
		}
	case Sequential:
		for _, user := range c.users {
			segment := recent(source.sequence(user))
			example := c.sequentialExample(user.ID, segment, last(c.templates.sequential))
			list.Examples = append(list.Examples, example)
		}
	case TopN:
		for _, user := range c.users {
			candidates, truth, err := source.candidates(user)
			if err != nil {
				return List{}, err
			}
			list.Examples = append(list.Examples, c.topNExample(user.ID, truth, candidates, last(c.templates.topn)))
		}
	}
	return list, nil
}

// candidates returns the dataset's negatives of a user followed by the test item.
func (c *Corpus) candidates(user dataset.User) ([]int, error) {
	negatives := c.negatives[user.ID]
	if len(negatives) == 0 {
		return nil, fmt.Errorf("dataset %q: user %d has no negatives to rank its test item against", c.name, user.ID)
	}
	if err := c.templateSet.check(len(negatives) + 1); err != nil {
		return nil, fmt.Errorf("dataset %q: user %d: %w", c.name, user.ID, err)
	}
	return append(append(make([]int, 0, len(negatives)+1), negatives...), user.TestItem()), nil
}
