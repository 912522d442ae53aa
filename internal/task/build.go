package task

import (
	"rdrec/internal/dataset"
)

// explanationExample returns the example that asks why a user chose an item.
func (c *Corpus) explanationExample(record dataset.Explanation, text template) Example {
	return Example{
		Prompt: PromptExplanation, User: record.User, Item: record.Item, Target: record.Explanation,
		Source: text.fill(placeholders{user: record.User, item: record.Item}),
	}
}

// sequentialExample returns the example that asks for the last item of a segment, given those
// before it.
func (c *Corpus) sequentialExample(user int, segment []int, text template) Example {
	history, truth := segment[:len(segment)-1], segment[len(segment)-1]
	return c.withItems(Example{Prompt: PromptSequential, User: user, Item: truth, Items: history}, text)
}

// topNExample returns the example that asks for the true item among candidates.
func (c *Corpus) topNExample(user, truth int, candidates []int, text template) Example {
	return c.withItems(Example{Prompt: PromptTopN, User: user, Item: truth, Items: candidates}, text)
}

func (c *Corpus) withItems(e Example, text template) Example {
	e.Source = text.fill(placeholders{user: e.User, items: e.Items, separator: c.templateSet.Separator})
	e.Target = c.templateSet.target(e.Item)
	return e
}

// rationaleExamples returns the examples that ask what a user prefers and what an item is like.
func (c *Corpus) rationaleExamples(record dataset.Explanation) [2]Example {
	user, item := placeholders{user: record.User}, placeholders{item: record.Item}
	return [2]Example{
		{
			Prompt: PromptPreference, User: record.User, Item: record.Item, Target: record.Preference,
			Source: last(c.templates.preference).fill(user),
		},
		{
			Prompt: PromptAttribute, User: record.User, Item: record.Item, Target: record.Attribution,
			Source: last(c.templates.attribute).fill(item),
		},
	}
}
