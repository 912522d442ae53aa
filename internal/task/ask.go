package task

import (
	"fmt"

	"rdrec/internal/dataset"
)

// Next asks, for each user, what comes after the whole history: unlike [Corpus.Test] it keeps no item back to judge by. Short
// histories are asked about too; one without items is an error, as the student has nothing to read.
func (c *Corpus) Next(users []dataset.User) (List, error) {
	if !c.texts.has(KindSequential) {
		return List{}, c.lacks(KindSequential)
	}
	list := List{Kind: KindSequential}
	for _, user := range users {
		if len(user.Items) == 0 {
			return List{}, fmt.Errorf("dataset %q: user %d has no items to go on from", c.name, user.ID)
		}
		history := user.Items[max(0, len(user.Items)-maxSegment+1):]
		list.Examples = append(list.Examples, c.ranked(Example{Task: Sequential, User: user.ID, Items: history}, last(c.texts.sequential)))
	}
	return list, nil
}

// Pair is a user and an item.
type Pair struct{ User, Item int }

// Why asks, for each pair, why the user would choose the item.
func (c *Corpus) Why(pairs []Pair) (List, error) {
	if !c.texts.has(KindExplanation) {
		return List{}, c.lacks(KindExplanation)
	}
	list := List{Kind: KindExplanation, wide: !c.settings.Protocol.MaskCross}
	for _, pair := range pairs {
		record := dataset.Explanation{User: pair.User, Item: pair.Item}
		list.Examples = append(list.Examples, c.explain(record, last(c.texts.explanation)))
	}
	return list, nil
}

func (c *Corpus) lacks(kind Kind) error {
	return fmt.Errorf("method %q has no %s examples: template family %q lacks them", c.settings.Method.Name, kind, c.family.Name)
}

// Texts are what the student reads when it is asked to explain an item to a user, and for what comes after a history.
func (f Family) Texts(pair Pair, history []int) (explain, next string, err error) {
	texts, err := f.compile()
	if err != nil {
		return "", "", err
	}
	explain = last(texts.explanation).fill(slots{user: pair.User, item: pair.Item})
	next = last(texts.sequential).fill(slots{user: pair.User, items: history, separator: f.Separator})
	return explain, next, nil
}
