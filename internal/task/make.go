package task

import (
	"strconv"

	"rdrec/internal/dataset"
)

// explain asks why a user chose an item.
func (c *Corpus) explain(record dataset.Explanation, text template) Example {
	return Example{
		Task: Explanation, User: record.User, Item: record.Item, Target: record.Explanation,
		Source: text.fill(slots{user: record.User, item: record.Item}),
	}
}

// next asks for the last item of a segment, given those before it.
func (c *Corpus) next(user int, segment []int, text template) Example {
	history, truth := segment[:len(segment)-1], segment[len(segment)-1]
	return c.ranked(Example{Task: Sequential, User: user, Item: truth, Items: history}, text)
}

// pick asks for the true item among candidates.
func (c *Corpus) pick(user, truth int, candidates []int, text template) Example {
	return c.ranked(Example{Task: TopN, User: user, Item: truth, Items: candidates}, text)
}

func (c *Corpus) ranked(e Example, text template) Example {
	e.Source = text.fill(slots{user: e.User, items: e.Items, separator: c.family.Separator})
	e.Target = strconv.Itoa(e.Item)
	return e
}

// rationale asks what a user prefers and what an item is like.
func (c *Corpus) rationale(record dataset.Explanation) [2]Example {
	user, item := slots{user: record.User}, slots{item: record.Item}
	return [2]Example{
		{Task: Preference, User: record.User, Item: record.Item, Source: last(c.texts.preference).fill(user), Target: record.Preference},
		{Task: Attribute, User: record.User, Item: record.Item, Source: last(c.texts.attribute).fill(item), Target: record.Attribution},
	}
}
