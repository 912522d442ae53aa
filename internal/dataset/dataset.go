// Package dataset contains what every later step reads: who interacted with what, in which order,
// and why. In: a folder in the format of RDRec, POD and P5 (sequential.txt, datamaps.json, and
// optionally negative.txt, explanation.json, explanation_rationale.json, titles.json, times.txt,
// codes.json; plain or .gz). Out: a [Dataset], and the same folder again. Steps: read every file,
// report every problem by file and line, check the files against each other, fill in missing
// negatives. It knows neither reviews nor tensors.
package dataset

// Dataset contains interactions, explanations and the names behind the ids. It is read-only once
// read, except by FillNegatives, Reindex and KeepIDs.
type Dataset struct {
	// Name appears in reports and error messages.
	Name string
	// Users are in the order of sequential.txt, which is the order of every task that iterates over
	// users.
	Users []User
	// Items is the number of items; their ids are 1 to Items.
	Items int
	// UserIDs and ItemIDs are the shop's own ids; index id-1.
	UserIDs, ItemIDs []string
	// Titles are names of the items for people ("" if unknown); index id-1; nil if there are none.
	Titles []string
	// Codes are the codes of the items; nil if items have only ids.
	Codes *Codes
	// Explanations are what users wrote about items; all nil if the folder has none.
	Explanations Splits
	// Negatives are unseen items of each user, ranked together with the true one; nil until read or
	// filled.
	Negatives map[int][]int
	// Indent is the number of spaces per level of the folder's JSON, so that writing reproduces the
	// bytes that were read; 0 means 1.
	Indent int
}

// User is a user's items, oldest first.
type User struct {
	// ID is 1 to the number of users.
	ID int
	// Items are item ids; the last is the test item and the one before it the validation item (see
	// TrainItems, ValidationItem and TestItem).
	Items []int
	// Times are the Unix seconds of the interactions, one per item; nil if unknown.
	Times []int64
}

// MinItems is the length of the shortest sequence that leave-one-out can split: one item each to
// train, validate and test on.
const MinItems = 3

// History returns the items that a test recommendation follows: all but the last.
func (u User) History() []int { return u.Items[:max(0, len(u.Items)-1)] }

// TrainItems returns the training items: all but the last two.
func (u User) TrainItems() []int { return u.Items[:max(0, len(u.Items)-2)] }

// MaxPaired is the number of a user's last training items whose pairs are counted: their number
// grows with the square of a history. The longest history of the paper's data has 553 items.
const MaxPaired = 1000

// PairedItems returns the user's last [MaxPaired] training items.
func (u User) PairedItems() []int {
	items := u.TrainItems()
	return items[max(0, len(items)-MaxPaired):]
}

// ValidationItem returns the validation item, the last but one; 0 if the sequence is shorter than
// MinItems.
func (u User) ValidationItem() int {
	if len(u.Items) < MinItems {
		return 0
	}
	return u.Items[len(u.Items)-2]
}

// TestItem returns the test item, the last; 0 if the sequence is shorter than MinItems.
func (u User) TestItem() int {
	if len(u.Items) < MinItems {
		return 0
	}
	return u.Items[len(u.Items)-1]
}

// Splits are explanations for training, validation and testing, in the file's order.
type Splits struct{ Train, Val, Test []Explanation }

// Explanation is what a user wrote about an item, and the rationale that a teacher generated for
// it.
type Explanation struct {
	// User and Item are ids of the dataset.
	User, Item int
	// Explanation is the sentence; Feature is the word in it that names its subject.
	Explanation, Feature string
	// Preference and Attribution are the rationale: what the user prefers, and what the item is
	// like; empty if not distilled.
	Preference, Attribution string
	// Rating is the rating as written in the file ("5" or "5.0"); empty if there is none.
	Rating string
}

// HasRationale reports whether there is a rationale; the reference's parser may leave one half of
// it empty.
func (e Explanation) HasRationale() bool { return e.Preference != "" || e.Attribution != "" }

// HasExplanations reports whether there is anything to train the explanation task on.
func (d *Dataset) HasExplanations() bool {
	return len(d.Explanations.Train)+len(d.Explanations.Val)+len(d.Explanations.Test) > 0
}

// HasRationales reports whether at least one training explanation has a rationale.
func (d *Dataset) HasRationales() bool {
	for _, e := range d.Explanations.Train {
		if e.HasRationale() {
			return true
		}
	}
	return false
}

// Title returns a name of an item for people: its title, otherwise the shop's id, otherwise "".
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

// all returns the three splits under their names in the file.
func (s Splits) all() []namedSplit {
	return []namedSplit{{"train", s.Train}, {"val", s.Val}, {"test", s.Test}}
}

type namedSplit struct {
	name string
	list []Explanation
}
