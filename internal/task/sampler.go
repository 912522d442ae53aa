package task

import (
	"slices"

	"rdrec/internal/dataset"
)

// order is a walk over records: in the data's order first, reshuffled each time it ends. As in the reference there is no shuffle
// before the first end, so the first epoch sees the data in file order.
type order struct {
	Indices []int `json:"indices"`
	At      int   `json:"at"`
}

func newOrder(records int) order {
	indices := make([]int, records)
	for i := range indices {
		indices[i] = i
	}
	return order{Indices: indices}
}

func (o *order) next(random Random) int {
	if o.At == len(o.Indices) {
		o.At = 0
		random.Shuffle(o.Indices)
	}
	o.At++
	return o.Indices[o.At-1]
}

// sampler draws training examples. The order of its calls to random is the reference's, so that a tape of them can be replayed.
type sampler struct {
	*Corpus
	random Random
}

func (s sampler) choose(list []template) template { return list[s.random.IntN(len(list))] }

// draw appends n records of a kind.
func (s sampler) draw(out []Example, kind Kind, o *order, n int) []Example {
	from := len(out)
	for range n {
		switch i := o.next(s.random); kind {
		case KindExplanation:
			record := s.explanations.Train[i]
			out = append(out, s.explain(record, s.choose(s.texts.explanation)))
		case KindSequential:
			user := s.segments[i]
			segment := s.segment(user.Items)
			out = append(out, s.next(user.ID, segment, s.choose(s.texts.sequential)))
		case KindTopN:
			user := s.users[i]
			learnt := user.Train()
			truth := learnt[s.random.IntN(len(learnt))]
			candidates := append(s.unseen(user), truth)
			s.random.Shuffle(candidates)
			out = append(out, s.pick(user.ID, truth, candidates, s.choose(s.texts.topn)))
		case KindRationale:
			pair := s.rationale(s.rationales.Train[i])
			out = append(out, pair[:]...)
		}
	}
	if kind == KindRationale && !s.settings.Protocol.RightTasks {
		halve(out[from:])
	}
	return out
}

// halve gives rationale rows the reference's tasks: the first half preference, the second attribute, though the rows alternate.
func halve(rows []Example) {
	for i := range rows {
		rows[i].Task = Preference
		if i >= len(rows)/2 {
			rows[i].Task = Attribute
		}
	}
}

// segment is a part of a sequence without its last two items, at least two items long and cut to the last 21.
func (s sampler) segment(items []int) []int {
	start := s.random.IntN(len(items) - 3)
	end := start + 1 + s.random.IntN(len(items)-3-start)
	return recent(items[start : end+1])
}

// recent is the last 21 items at most: a history of 20 and its answer.
func recent(items []int) []int { return items[max(0, len(items)-maxSegment):] }

// unseen draws different items that the user has never had, with room for one more.
func (s sampler) unseen(user dataset.User) []int {
	drawn := make([]int, 0, s.settings.Negatives+1)
	for len(drawn) < s.settings.Negatives {
		item := 1 + s.random.IntN(s.items)
		if !slices.Contains(user.Items, item) && !slices.Contains(drawn, item) {
			drawn = append(drawn, item)
		}
	}
	return drawn
}
