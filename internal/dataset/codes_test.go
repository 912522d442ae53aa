package dataset_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

func coded() *dataset.Dataset {
	return &dataset.Dataset{
		UserIDs: []string{"ann"}, ItemIDs: []string{"soap", "comb", "oil"}, Items: 3,
		Users: []dataset.User{{ID: 1, Items: []int{1, 2, 3}}},
		Codes: &dataset.Codes{Widths: []int{2, 3, 2}, Items: [][]int{{0, 2, 1}, {1}, {0, 0}}},
	}
}

func TestItemTokensCountThroughTheLevels(t *testing.T) {
	codes := coded().Codes
	got := [][]int{codes.ItemTokens(1), codes.ItemTokens(2), codes.ItemTokens(3)}
	if diff := cmp.Diff([][]int{{0, 4, 6}, {1}, {0, 2}}, got); diff != "" || codes.Tokens() != 7 {
		t.Errorf("%d tokens (-want +got):\n%s", codes.Tokens(), diff)
	}
}

func TestCodesFollowTheirItems(t *testing.T) {
	d, dir := coded(), t.TempDir()
	if err := d.Reindex([]int{3, 1, 2}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]int{{1}, {0, 0}, {0, 2, 1}}, d.Codes.Items); diff != "" {
		t.Errorf("reindexed (-want +got):\n%s", diff)
	}
	if err := dataset.Write(dir, d); err != nil {
		t.Fatal(err)
	}
	got, err := dataset.Read(os.DirFS(dir), "coded")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Codes, got.Codes); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

func TestInvalidCodesAreReported(t *testing.T) {
	dir := t.TempDir()
	if err := dataset.Write(dir, coded()); err != nil {
		t.Fatal(err)
	}
	many := `{"widths": [` + strings.Repeat("2,", 99) + `2], "items": [[0],[1],[2]]}`
	for text, want := range map[string]string{
		`{"widths": [2], "items": [[0],[1]]}`:           "codes of 2 items, but there are 3",
		`{"widths": [2], "items": [[0],[1],[]]}`:        "item 3 has 0 codes, want 1 to 1",
		`{"widths": [2], "items": [[0],[1,0],[1]]}`:     "item 2 has 2 codes, want 1 to 1",
		`{"widths": [9000000], "items": [[0],[1],[2]]}`: "level 1 has 9000000 different codes, at most 65536",
		many: "100 levels, at most 64 are possible",
		`{"widths": [3,1], "items": [[0],[1],[3]]}`:  "item 3: code 3 of level 1 is not below 3",
		`{"widths": [3,1], "items": [[0],[-1],[2]]}`: "item 2: code -1 of level 1 is not below 3",
		`{"widths": [2,1], "items": [[1,0],[0],[1]]}`: "the codes of item 3 are the beginning of those of " +
			"item 1",
		`{"widths": [2], "items": [[0],[1],[0]]}`: "the codes of item 1 are the beginning of those of item 3",
		"{\n\"widths\" 2}":                        "codes.json:2: invalid character '2' after object key",
	} {
		if err := os.WriteFile(filepath.Join(dir, "codes.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.Read(os.DirFS(dir), "coded"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
