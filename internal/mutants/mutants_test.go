package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const verdictsReport = `
survived   testdata/verdicts/verdicts.go:13:36: comparison: a > 0 -> a >= 0  # reached by TestPositive, TestPositiveAgain
           key: testdata/verdicts/verdicts.go: Positive: comparison: a > 0 -> a >= 0
survived   testdata/verdicts/verdicts.go:25:35: error: return err -> return nil  # not reached by any test
           key: testdata/verdicts/verdicts.go: Forgotten: error: return err -> return nil
stale      testdata/verdicts/verdicts.go: Larger: comparison: a > c -> a >= c  # listed as equivalent, but no candidate

            package  killed  (by time)  survived  equivalent  share killed
  testdata/verdicts       5          1         2           1         71.4%
                all       5          1         2           1         71.4%
`

func TestVerdicts(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	err := run(t.Context(), []string{
		"-packages", "testdata/verdicts", "-n", "0", "-equivalents", "testdata/verdicts/equivalents.txt",
		"-grace", "1s", "-min", "0.75",
	}, &stdout, &stderr)
	if diff := cmp.Diff(verdictsReport, "\n"+stdout.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if got := fmt.Sprint(err); got != "71.4% of the mutants are killed, less than 75.0%" {
		t.Errorf("error %q", got)
	}
	want := "warning: testdata/verdicts: TestBroken fails with nothing mutated: it does not count\n"
	if !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("stderr %q does not begin with %q", stderr.String(), want)
	}
}

func TestOnlyALine(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	args := []string{
		"-only", "testdata/verdicts/verdicts.go:6", "-equivalents", "testdata/verdicts/equivalents.txt", "-v",
	}
	if err := run(t.Context(), args, &stdout, &stderr); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"equivalent testdata/verdicts/verdicts.go:6:5: comparison: a > b -> a >= b" +
			"  # either of two equal numbers is the larger\n",
		"killed     testdata/verdicts/verdicts.go:6:5: comparison: a > b -> a <= b  # --- FAIL: TestLarger\n",
	} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr %q lacks %q", stderr.String(), want)
		}
	}
	if !strings.Contains(stdout.String(), "all       1          0         0           1        100.0%") {
		t.Errorf("report:\n%s", stdout.String())
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-jobs 0":                               "-jobs 0 is less than 1",
		"more":                                  `unknown argument "more"`,
		"-only kind":                            `-only "kind" is not file:line`,
		"-only testdata/verdicts/verdicts.go:1": `-only "testdata/verdicts/verdicts.go:1" has no mutants`,
		"-packages testdata/none":               "",
		"-packages testdata/verdicts -run *":    "error parsing regexp: missing argument to repetition operator: `*`",
		"-equivalents testdata -packages testdata/verdicts": "read testdata: is a directory",
	} {
		err := run(t.Context(), strings.Fields(args), &strings.Builder{}, &strings.Builder{})
		if err == nil || want != "" && err.Error() != want {
			t.Errorf("%s: error %v, want %s", args, err, want)
		}
	}
}

// lines returns three candidates on line 1 and one on each of the lines 2 to 41.
func lines() []*Candidate {
	all := []*Candidate{{ID: 1, File: "a.go", Line: 1}, {ID: 2, File: "a.go", Line: 1}, {ID: 3, File: "a.go", Line: 1}}
	for line := 2; line <= 41; line++ {
		all = append(all, &Candidate{ID: line + 2, File: "a.go", Line: line})
	}
	return all
}

func ids(list []*Candidate) []int {
	var all []int
	for _, c := range list {
		all = append(all, c.ID)
	}
	return all
}

func TestSample(t *testing.T) {
	t.Parallel()
	one := ids(sample(lines(), 10, 1))
	if diff := cmp.Diff(one, ids(sample(lines(), 10, 1))); diff != "" {
		t.Errorf("the same seed gives another sample: %s", diff)
	}
	if cmp.Equal(one, ids(sample(lines(), 10, 2))) {
		t.Error("another seed gives the same sample")
	}
	if len(one) != 10 || !slices.IsSorted(one) {
		t.Errorf("sample %v", one)
	}
	all := ids(sample(lines(), 1000, 1))
	if len(all) != 41 || all[0] > 3 || all[1] != 4 {
		t.Errorf("one candidate of each line: %v", all)
	}
	first := 0
	for seed := range uint64(1000) {
		if ids(sample(lines(), 1, seed))[0] <= 3 {
			first++
		}
	}
	if first < 45 || first > 95 { // 3 of 43: 70 are expected, with a standard deviation of 8
		t.Errorf("%d of 1000 samples have line 1", first)
	}
}

func TestKeysOfEqualMutationsDiffer(t *testing.T) {
	t.Parallel()
	c := Candidate{File: "p/a.go", Function: "T.F", Kind: "statement", Before: "n++", After: "(dropped)"}
	one, two, other := c, c, c
	one.Line, two.Line, other.Function = 3, 4, "T.G"
	number([]*Candidate{&one, &two, &other})
	want := []string{
		"p/a.go: T.F: statement: n++ -> (dropped)",
		"p/a.go: T.F: statement: n++ -> (dropped) (2)",
		"p/a.go: T.G: statement: n++ -> (dropped)",
	}
	if diff := cmp.Diff(want, []string{one.Key(), two.Key(), other.Key()}); diff != "" {
		t.Error(diff)
	}
}

func TestListOfEquivalents(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "list.txt")
	noReason := `:1: no reason: want "file: function: kind: before -> after  # reason"`
	for text, want := range map[string]string{
		"a.go: F: boolean: x -> !x\n":                        noReason,
		"# note\n\na: b  # one\na: b  # two\n":               ":4: listed twice: a: b",
		"a.go: F: statement: x -> (dropped) (2)  # as # 1\n": "",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := readEquivalents(name)
		switch {
		case want == "" && (err != nil || list["a.go: F: statement: x -> (dropped) (2)"] != "as # 1"):
			t.Errorf("%q: %v, %v", text, list, err)
		case want != "" && (err == nil || err.Error() != name+want):
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

func TestQuickTestsComeFirst(t *testing.T) {
	t.Parallel()
	took := func(name string, seconds float64) *test {
		return &test{Name: name, Time: time.Duration(seconds * float64(time.Second))}
	}
	tests := []*test{
		took("slow", 20), took("a", 0.5), took("c", 1.5), took("b", 0.4), took("d", 1.5), took("slower", 90),
	}
	var got []string
	for _, batch := range batches(tests) {
		got = append(got, pattern(batch))
	}
	// 0.4 + 0.5 s of at most 2; 1.5 + 1.5 of at most 8; 20 of at most 32; the rest.
	if diff := cmp.Diff([]string{"^(b|a)$", "^(c|d)$", "^(slow)$", "^(slower)$"}, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}
