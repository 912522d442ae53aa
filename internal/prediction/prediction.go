// Package prediction holds the records that training and evaluation produce and that reports read:
// what a student recommended ([Prediction]), what it wrote ([Text]) and how it was trained
// ([TrainingRecord]). It links no libtorch, so every layer uses these types as they are. [Merge]
// and [Complete] put the rows of an evaluation's shards back into the order of the data.
package prediction

import "slices"

// Prediction is what a student or a baseline recommended to one user.
type Prediction struct {
	// Index is the user's position, from 0, among all users of the evaluation. A complete file is
	// in this order and omits it.
	Index int `json:"index,omitempty"`
	User  int `json:"user"`
	// Truth is the item that the user chose.
	Truth int `json:"truth"`
	// Items are item ids, best first. In protocol paper they may repeat and need not exist.
	Items []int `json:"items"`
	// Texts and Scores are the generated texts and their scores, best first, before any were
	// dropped.
	Texts  []string  `json:"texts,omitempty"`
	Scores []float64 `json:"scores,omitempty"`
	// Replaced counts the texts that are not a number; protocol paper replaces them by random
	// items.
	Replaced int `json:"replaced,omitempty"`
	// Seen counts the texts that were dropped because they are items of the user's history
	// (protocol paper).
	Seen int `json:"seen,omitempty"`
}

// Text is an explanation that a student generated, and the user's own.
type Text struct {
	// Index is the record's position among all records of the evaluation, see [Prediction].
	Index int `json:"index,omitempty"`
	User  int `json:"user"`
	Item  int `json:"item"`
	// Reference and Generated are words separated by single spaces, as BLEU and ROUGE read them;
	// Reference is truncated as [rdrec/internal/spec.Evaluate] says.
	Reference string `json:"reference"`
	Generated string `json:"generated"`
}

// Row is a [Prediction] or a [Text].
type Row[R any] interface {
	index() int
	withoutIndex() R
}

func (p Prediction) index() int { return p.Index }

func (p Prediction) withoutIndex() Prediction {
	p.Index = 0
	return p
}

func (t Text) index() int { return t.Index }

func (t Text) withoutIndex() Text {
	t.Index = 0
	return t
}

// Merge returns the rows of all shards in the order of the data.
func Merge[R Row[R]](shards ...[]R) []R {
	all := slices.Concat(shards...)
	slices.SortStableFunc(all, func(a, b R) int { return a.index() - b.index() })
	return all
}

// Complete returns the rows of all shards in the order of the data, without their indices.
func Complete[R Row[R]](shards ...[]R) []R {
	all := Merge(shards...)
	for i := range all {
		all[i] = all[i].withoutIndex()
	}
	return all
}
