// Package dataset holds what every later step reads: who interacted with what, in order, and why
// they said so. In: a folder in the format of RDRec, POD and P5 (sequential.txt, datamaps.json, and
// where there are any negative.txt, explanation.json, explanation_rationale.json, titles.json,
// times.txt; plain or .gz). Out: a [Dataset], and the same folder again. Steps: read every file,
// name every fault by file and line, check the files against each other, fill in missing negatives.
// It knows neither reviews nor tensors.
package dataset

// Dataset is interactions, explanations and the names behind the numbers. It is read-only once
// read, but for FillNegatives and Renumber.
type Dataset struct {
	// Name is for people and error messages.
	Name string
	// Users are in the order of sequential.txt, which is the order of every task that walks over
	// users.
	Users []User
	// Items is how many items there are; their ids are 1 to Items.
	Items int
	// UserIDs and ItemIDs are the shop's own ids; index id-1.
	UserIDs, ItemIDs []string
	// Titles are words for people about each item ("" where unknown); index id-1; nil when there
	// are none.
	Titles []string
	// Explanations are what users said about items; all nil when the folder has none.
	Explanations Splits
	// Negatives are items that a user has not seen, to rank beside the true one; nil until read or
	// filled.
	Negatives map[int][]int
	// Indent is how many spaces a level the folder's JSON is indented by, so that writing gives the
	// bytes that were read; 0 means 1.
	Indent int
}

// User is one user's items, oldest first.
type User struct {
	// ID is 1 to the number of users.
	ID int
	// Items are item ids; the last is for testing and the one before it for validation (see Train,
	// Valid and Test).
	Items []int
	// Times are the interactions' Unix seconds, one an item; nil when unknown.
	Times []int64
}

// MinItems is the shortest sequence that leave-one-out can split: one item to learn from, one to
// validate on, one to test on.
const MinItems = 3

// TrainItems is what may be learnt from: all items but the last two.
func (u User) TrainItems() []int { return u.Items[:max(0, len(u.Items)-2)] }

// ValidationItem is the validation item, the last but one; 0 when the sequence is shorter than
// MinItems.
func (u User) ValidationItem() int {
	if len(u.Items) < MinItems {
		return 0
	}
	return u.Items[len(u.Items)-2]
}

// TestItem is the test item, the last; 0 when the sequence is shorter than MinItems.
func (u User) TestItem() int {
	if len(u.Items) < MinItems {
		return 0
	}
	return u.Items[len(u.Items)-1]
}

// Splits are explanations for training, validation and testing, in the file's order.
type Splits struct{ Train, Val, Test []Explanation }

// Explanation is what one user said about one item, and what a teacher made of it.
type Explanation struct {
	// User and Item are ids of the dataset.
	User, Item int
	// Explanation is the sentence, Feature the word of it that names what it is about.
	Explanation, Feature string
	// Preference and Attribution are the rationale: what the user prefers, and what the item is
	// like; empty when not distilled.
	Preference, Attribution string
	// Rating is as the file writes it ("5" or "5.0"); empty when it has none.
	Rating string
}

// HasRationale says whether a teacher's rationale is there; the reference's parser may leave one
// half of it empty.
func (e Explanation) HasRationale() bool { return e.Preference != "" || e.Attribution != "" }

// HasExplanations says whether there is anything to learn the explanation task from.
func (d *Dataset) HasExplanations() bool {
	return len(d.Explanations.Train)+len(d.Explanations.Val)+len(d.Explanations.Test) > 0
}

// HasRationales says whether at least one training explanation has a rationale.
func (d *Dataset) HasRationales() bool {
	for _, e := range d.Explanations.Train {
		if e.HasRationale() {
			return true
		}
	}
	return false
}

// Title is what people may read for an item: its title, else the shop's id, else nothing.
func (d *Dataset) Title(item int) string {
	if item < 1 || item > d.Items {
		return ""
	}
	if item <= len(d.Titles) && d.Titles[item-1] != "" {
		return d.Titles[item-1]
	}
	if item <= len(d.ItemIDs) {
		return d.ItemIDs[item-1]
	}
	return ""
}

// all walks the three splits under their names in the file.
func (s Splits) all() []namedSplit {
	return []namedSplit{{"train", s.Train}, {"val", s.Val}, {"test", s.Test}}
}

type namedSplit struct {
	name string
	list []Explanation
}
