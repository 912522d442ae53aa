package task

import (
	"slices"

	"rdrec/internal/dataset"
)

// order iterates over records: first in the data's order, then reshuffled at each end. As in the
// reference, there is no shuffle before the first end, so the first epoch sees the data in file
// order.
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

// sampler samples training examples. The order of its calls to random is the reference's, so that a
// recording of them can be replayed.
type sampler struct {
	*Corpus
	random Random
}

func (s sampler) choose(list []template) template { return list[s.random.IntN(len(list))] }

// sample appends n records of a task.
func (s sampler) sample(out []Example, task Task, o *order, n int) []Example {
	from := len(out)
	for range n {
		switch i := o.next(s.random); task {
		case Explanation:
			record := s.explanations.Train[i]
			out = append(out, s.explanationExample(record, s.choose(s.templates.explanation)))
		case Sequential:
			user, segment := s.segmentOf(i)
			out = append(out, s.sequentialExample(user.ID, segment, s.choose(s.templates.sequential)))
		case TopN:
			user := s.users[i]
			trainItems := user.TrainItems()
			truth := trainItems[s.random.IntN(len(trainItems))]
			candidates := append(s.unseen(user, user.TrainItems()), truth)
			s.random.Shuffle(candidates)
			out = append(out, s.topNExample(user.ID, truth, candidates, s.choose(s.templates.topn)))
		case Rationale:
			pair := s.rationaleExamples(s.rationales.Train[i])
			out = append(out, pair[:]...)
		}
	}
	if task == Rationale && !s.settings.Protocol.CorrectTasks {
		setPromptsByHalf(out[from:])
	}
	return out
}

// setPromptsByHalf assigns the reference's prompts to rationale rows: preference to the first half,
// attribute to the second, although the rows alternate.
func setPromptsByHalf(rows []Example) {
	for i := range rows {
		rows[i].Prompt = PromptPreference
		if i >= len(rows)/2 {
			rows[i].Prompt = PromptAttribute
		}
	}
}

// segmentOf returns the user and the items of a sequential record: a history and its target.
func (s sampler) segmentOf(record int) (user dataset.User, segment []int) {
	if s.settings.Protocol.FullPrefixes {
		p := s.prefixes[record]
		user = s.segments[p.user]
		return user, recent(user.Items[:p.position+1])
	}
	user = s.segments[record]
	return user, s.segment(user.Items)
}

// segment returns a random part of a sequence without its last two items, at least two items long
// and truncated to the last 21.
func (s sampler) segment(items []int) []int {
	start := s.random.IntN(len(items) - 3)
	end := start + 1 + s.random.IntN(len(items)-3-start)
	return recent(items[start : end+1])
}

// recent returns at most the last 21 items: a history of 20 and its target.
func recent(items []int) []int { return items[max(0, len(items)-maxSegment):] }

// unseen samples distinct items that the user has not seen, with capacity for one more. If the
// protocol has BlindNegatives, only the known items count as seen; otherwise all items of the user
// do, as in the reference: an item that is never a negative of its user may then be a test item.
func (s sampler) unseen(user dataset.User, known []int) []int {
	if !s.settings.Protocol.BlindNegatives {
		known = user.Items
	}
	sampled := make([]int, 0, s.settings.Negatives+1)
	for len(sampled) < s.settings.Negatives {
		item := 1 + s.random.IntN(s.items)
		if !slices.Contains(known, item) && !slices.Contains(sampled, item) {
			sampled = append(sampled, item)
		}
	}
	return sampled
}
