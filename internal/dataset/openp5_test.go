package dataset_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// TestP5Names reads a folder with P5's names of files.
func TestP5Names(t *testing.T) {
	t.Parallel()
	d, err := dataset.Read(os.DirFS("../../testdata/cases/21-p5-folder"), "p5")
	if err != nil {
		t.Fatal(err)
	}
	want := dataset.User{ID: 2, Items: []int{2, 5, 8, 3, 6, 1}}
	if diff := cmp.Diff(want, d.Users[1]); diff != "" || len(d.Users) != 10 || d.Items != 8 {
		t.Errorf("%d users, %d items (-want +got):\n%s", len(d.Users), d.Items, diff)
	}
	if diff := cmp.Diff([]int{4, 7}, d.Negatives[2]); diff != "" || d.UserIDs[1] != "u001" {
		t.Errorf("user %q, negatives (-want +got):\n%s", d.UserIDs[1], diff)
	}
	t.Logf("case: P5's folder | 10 users, 8 items | %d users, %d items", len(d.Users), d.Items)
}

// TestOpenP5 reads OpenP5's sequences in the shop's ids.
func TestOpenP5(t *testing.T) {
	t.Parallel()
	read := func(text string) (*dataset.Dataset, error) {
		return dataset.Read(fstest.MapFS{
			"user_sequence.txt": &fstest.MapFile{Data: []byte(text)},
			"user_indexing.txt": &fstest.MapFile{Data: []byte("B 1\nA 2\n")},
		}, "openp5")
	}
	d, err := read("B z x y\nA x z w x\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []dataset.User{{ID: 2, Items: []int{4, 2, 3}}, {ID: 1, Items: []int{2, 4, 1, 2}}}
	if diff := cmp.Diff(want, d.Users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"A", "B"}, {"w", "x", "y", "z"}}, [][]string{d.UserIDs, d.ItemIDs}); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"A x y z\n\nB x\n":   `user_sequence.txt:2: want "user item item ..."`,
		"A x y z\nA x y z\n": `user_sequence.txt:2: user "A" already appears on line 1`,
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
