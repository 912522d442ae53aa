package task

import (
	"fmt"
	"strconv"
	"strings"

	"rdrec/internal/token"
)

// TemplateSet is a set of input texts for the tasks. Training samples one text of a list;
// validation and testing use the last. In a text, `{user}` and `{item}` are replaced by an id,
// `{items}` by the history or the candidates joined by Separator, and `{chain}` by the same joined
// by arrows. To add a template, add a line.
type TemplateSet struct {
	Name                          string
	Explanation, Sequential, TopN []string
	// Preference and Attribute are the two halves of a rationale; a set without them has no
	// rationales.
	Preference, Attribute string
	// Separator separates the items of a list.
	Separator string
	// Words is the rule for whole words.
	Words token.WordRule
}

// ItemTemplates is the name of the set of students with item tokens, whatever their method.
const ItemTemplates = "items"

// target returns the target text of an item.
func (f TemplateSet) target(item int) string {
	if f.Name == ItemTemplates {
		return itemToken(item)
	}
	return strconv.Itoa(item)
}

// TemplateSets is the table of template sets: POD's templates, which RDRec shares, and texts in the
// style of P5's (lists of plain numbers, blanks around punctuation) for the tasks that P5 has in
// common with them. The last set is for students with item tokens, which are written <item_12>: a
// history needs no words around it.
func TemplateSets() []TemplateSet { //nolint:funlen // a table of texts
	return []TemplateSet{
		{
			Name: "pod", Separator: " item_", Words: token.IDWords,
			Explanation: []string{
				"Generate an explanation for user_{user} about this product: item_{item}",
				"Can you help generate an explanation of user_{user} for item_{item}?",
				"Help user_{user} generate an explanation about this product: item_{item}",
				"Generate user_{user}'s purchase explanation about item_{item}",
				"Help user_{user} generate an explanation for item_{item}",
				"Can you help generate an explanation for user_{user} about the product: item_{item}",
				"Write an explanation for user_{user} about item_{item}",
				"Generate an explanation for user_{user} about item_{item}",
				"user_{user} item_{item}",
			},
			Sequential: []string{
				"Given the following purchase history of user_{user}: item_{items}, predict next possible item to " +
					"be purchased by the user.",
				"I find the purchase history list of user_{user}: item_{items}. I wonder what is the next item to " +
					"recommend to the user. Can you help me decide?",
				"Here is the purchase history list of user_{user}: item_{items}. Try to recommend " +
					"next item to the user.",
				"Given the following purchase history of user_{user}: item_{items}, predict next possible item for " +
					"the user.",
				"Based on the purchase history of user_{user}: item_{items}, can you decide the next item likely to " +
					"be purchased by the user?",
				"Here is the purchase history of user_{user}: item_{items}. What to recommend next for the user?",
				"According to the purchase history of user_{user}: item_{items}, can you recommend the next " +
					"possible item to the user?",
				"user_{user} item_{items}",
			},
			TopN: []string{
				"Which item of the following to recommend for user_{user}? item_{items}",
				"Choose the best item from the candidates to recommend for user_{user}? item_{items}",
				"Pick the most suitable item from the following list and recommend to user_{user}: item_{items}",
				"We want to make recommendation for user_{user}. Select the best item from these candidates: " +
					"item_{items}",
				"user_{user} item_{items}",
			},
			Preference: "Generate user_{user}'s preference",
			Attribute:  "Generate item_{item}'s attributions",
		},
		{
			Name: "p5", Separator: " , ", Words: token.BlankWords,
			Explanation: []string{
				"Explain why user_{user} picked item_{item} .",
				"What would user_{user} say about item_{item} ?",
				"Give the reason of user_{user} for buying item_{item} .",
				"Put into words how user_{user} finds the product item_{item}",
				"Explain the purchase of item_{item} by user_{user}",
			},
			Sequential: []string{
				"user_{user} bought these items in this order : {items} . Which item comes next ?",
				"Look at the purchases of user_{user} : {chain} . Name the item that will be bought next .",
				"The history of user_{user} is {chain} . Tell the item that follows .",
				"Knowing that user_{user} purchased {items} , which item should be suggested now ?",
				"Purchases so far : {chain} . What will user_{user} want next ?",
				"Continue the purchases of user_{user} : {items}",
			},
			TopN: []string{
				"From the candidates {items} , which one suits user_{user} ?",
				"These items may be shown to user_{user} : {items} . Pick the one to show .",
				"One of the following is right for user_{user} : {items} . Which one ?",
				"Select the item for user_{user} among : {items}",
			},
		},
		{
			Name: ItemTemplates, Separator: "> <item_", Words: token.IDWords,
			Explanation: []string{
				"Generate an explanation for user_{user} about <item_{item}>",
				"Explain to user_{user} why to buy <item_{item}>",
				"user_{user} <item_{item}>",
			},
			Sequential: []string{"<item_{items}>"},
			TopN:       []string{"user_{user} <item_{items}>"},
			Preference: "Generate user_{user}'s preference",
			Attribute:  "Generate the attributions of <item_{item}>",
		},
	}
}

// TemplateSetNamed returns the template set of that name.
func TemplateSetNamed(name string) (TemplateSet, error) {
	var known []string
	for _, set := range TemplateSets() {
		if set.Name == name {
			return set, nil
		}
		known = append(known, set.Name)
	}
	return TemplateSet{}, fmt.Errorf("no template set %q; known are %s", name, strings.Join(known, ", "))
}
