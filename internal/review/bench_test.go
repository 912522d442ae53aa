package review_test

import (
	"strings"
	"testing"

	"rdrec/internal/review"
)

// BenchmarkExtract extracts from one review of 500 bytes, about the mean length in the shops'
// dumps.
func BenchmarkExtract(b *testing.B) {
	text := strings.Repeat("I bought this for my sister last year, and she loves it. "+
		"The scent is lovely &amp; fresh!<br />My hair feels soft. ", 5)
	x, err := review.NewExtractor("sentence", "", review.Lexicon{"scent": 90, "hair": 120, "price": 200, "lid": 4})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, _, ok := x.Extract(text, ""); !ok {
			b.Fatal("no sentence")
		}
	}
}
