package dataset_test

import (
	"testing"

	"rdrec/internal/dataset"
)

func TestSequenceDigestCoversTheSequences(t *testing.T) {
	t.Parallel()
	digest := func(sequences ...[]int) string {
		d := &dataset.Dataset{Items: 9}
		for i, items := range sequences {
			d.Users = append(d.Users, dataset.User{ID: i + 1, Items: items})
		}
		return d.SequenceDigest()
	}
	// printf '1 2 3 \n2 4 \n' | sha256sum
	const want = "55e471"
	one := digest([]int{1, 2, 3}, []int{2, 4})
	if one[:6] != want {
		t.Errorf("digest %s, want %s...", one, want)
	}
	if other := digest([]int{7, 3, 1}, []int{3, 9}); other != one {
		t.Errorf("digest %s after reindexing, want %s", other, one)
	}
	for name, other := range map[string]string{
		"another order": digest([]int{2, 1, 3}, []int{2, 4}),
		"another item":  digest([]int{1, 2, 3}, []int{1, 4}),
		"other users":   digest([]int{1, 2, 3, 2, 4}),
		"users swapped": digest([]int{2, 4}, []int{1, 2, 3}),
	} {
		if other == one {
			t.Errorf("%s: the same digest", name)
		}
	}
}
