package docs_test

import (
	"strings"
	"testing"

	"github.com/golangci/misspell"
)

// TestSpelling looks for common misspellings and British spellings on the pages. The glossary lists
// retired words; "cancelled" is the word of the exit codes, and Sentires the name of a tool.
func TestSpelling(t *testing.T) {
	t.Parallel()
	spelling := misspell.New()
	spelling.AddRuleList(misspell.DictAmerican)
	spelling.RemoveRule([]string{"cancelled", "sentires"})
	spelling.Compile()
	if _, found := spelling.Replace("the occ" + "ured error"); len(found) != 1 {
		t.Errorf("a misspelled word gives %v", found)
	}
	for page, text := range pages(t) {
		if page == "glossary.md" {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			_, found := spelling.Replace(line)
			for _, word := range found {
				t.Errorf("%s:%d: %q is spelled %q", page, i+1, word.Original, word.Corrected)
			}
		}
	}
}
