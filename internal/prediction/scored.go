package prediction

import "rdrec/internal/metric"

// Lists returns the predictions as package metric scores them.
func Lists(predictions []Prediction) []metric.List {
	lists := make([]metric.List, len(predictions))
	for i, p := range predictions {
		lists[i] = metric.List{Items: p.Items, Truth: []int{p.Truth}}
	}
	return lists
}

// Words returns the texts as package metric scores them.
func Words(texts []Text) []metric.Text {
	words := make([]metric.Text, len(texts))
	for i, t := range texts {
		words[i] = metric.Text{Reference: metric.Words(t.Reference), Generated: metric.Words(t.Generated)}
	}
	return words
}
