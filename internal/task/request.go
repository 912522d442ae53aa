package task

import (
	"fmt"

	"rdrec/internal/dataset"
)

// NextItemList returns the examples that ask what each user will choose after the whole history;
// unlike [Corpus.Test], it holds no item out. Short histories are included; an empty one is an
// error, because the student would have nothing to read.
func (c *Corpus) NextItemList(users []dataset.User) (List, error) {
	if !c.templates.has(Sequential) {
		return List{}, c.missingTemplates(Sequential)
	}
	list := List{Task: Sequential}
	for _, user := range users {
		if len(user.Items) == 0 {
			return List{}, fmt.Errorf("dataset %q: user %d has an empty history", c.name, user.ID)
		}
		history := user.Items[max(0, len(user.Items)-maxSegment+1):]
		example := Example{Prompt: PromptSequential, User: user.ID, Items: history}
		list.Examples = append(list.Examples, c.withItems(example, last(c.templates.sequential)))
	}
	return list, nil
}

// Pair is a user and an item.
type Pair struct{ User, Item int }

// ExplanationList returns the examples that ask why the user of each pair would choose the item.
func (c *Corpus) ExplanationList(pairs []Pair) (List, error) {
	if !c.templates.has(Explanation) {
		return List{}, c.missingTemplates(Explanation)
	}
	list := List{Task: Explanation, padToLongest: !c.settings.Protocol.MaskCross}
	for _, pair := range pairs {
		record := dataset.Explanation{User: pair.User, Item: pair.Item}
		list.Examples = append(list.Examples, c.explanationExample(record, last(c.templates.explanation)))
	}
	return list, nil
}

func (c *Corpus) missingTemplates(task Task) error {
	return fmt.Errorf("method %q has no %s examples: template set %q has none",
		c.settings.Method.Name, task, c.templateSet.Name)
}

// Inputs returns what the student reads to explain an item to a user, and to predict what follows a
// history.
func (f TemplateSet) Inputs(pair Pair, history []int) (explain, next string, err error) {
	texts, err := f.compile()
	if err != nil {
		return "", "", err
	}
	explain = last(texts.explanation).fill(placeholders{user: pair.User, item: pair.Item})
	next = last(texts.sequential).fill(placeholders{user: pair.User, items: history, separator: f.Separator})
	return explain, next, nil
}
