package train_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/dataset"
	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// TestStudentKeepsItsOwnTokenizer trains a student whose vocabulary is Chinese on English texts:
// its folder has its tokenizer, and notices count the tokens that it does not know.
func TestStudentKeepsItsOwnTokenizer(t *testing.T) {
	theirs := config(t, 0)
	theirs.Prompts = 0
	pretrained, err := t5.New(theirs, 11, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer pretrained.Free()
	j := quick(t)
	j.Spec.Student.Pretrained = t.TempDir()
	if err := pretrained.Save(j.Spec.Student.Pretrained); err != nil {
		t.Fatal(err)
	}
	pieces, err := os.ReadFile("../token/testdata/zh/spiece.model")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(j.Spec.Student.Pretrained, "spiece.model"), pieces, 0o600); err != nil {
		t.Fatal(err)
	}
	result := run(t, j)
	kept, err := os.ReadFile(filepath.Join(result.Dir, "spiece.model"))
	if err != nil || !bytes.Equal(pieces, kept) {
		t.Errorf("the trained student has another tokenizer: %v", err)
	}
	notices := strings.Join(result.Notices, "\n")
	for _, texts := range []string{"explanations", "rationales"} {
		if want := "% of the tokens of " + texts + " are unknown"; !strings.Contains(notices, want) {
			t.Errorf("notices %q, want one with %q", notices, want)
		}
	}
	if _, err := os.Stat(filepath.Join(run(t, quick(t)).Dir, "spiece.model")); !os.IsNotExist(err) {
		t.Errorf("T5's own tokenizer is in a trained folder: %v", err)
	}
}

// TestChineseExplanations trains on explanations of which T5's vocabulary has the commas alone.
// make cases prints what it logs.
func TestChineseExplanations(t *testing.T) {
	j := quick(t)
	data, err := dataset.Read(os.DirFS("../../testdata/cases/30-chinese-explanations"), "cases")
	if err != nil {
		t.Fatal(err)
	}
	j.Data, j.Spec.Data.Negatives = data, 1
	// 60 explanations have 880 characters, 60 of them commas, and a blank is read before each.
	const right = "87.2% of the tokens of explanations are unknown to the student (820 of 940): " +
		"its vocabulary lacks their characters, and scores compare the texts without them"
	notices := run(t, j).Notices
	got := notices[len(notices)-1]
	t.Logf("case: explanations in Chinese, student T5 | %s | %s", right, got)
	if got != right {
		t.Errorf("got   %q\nright %q", got, right)
	}
}
