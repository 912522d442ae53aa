package train_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
