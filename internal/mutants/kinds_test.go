package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mutated is a candidate and the result of its function when it is switched on.
type mutated struct{ Function, Kind, Mutation, Value string }

var kinds = []mutated{
	{"less", "comparison", "a < b -> a <= b", "[true true false]"},
	{"less", "comparison", "a < b -> a >= b", "[false true true]"},
	{"lessEqual", "comparison", "a <= b -> a < b", "[true false false]"},
	{"lessEqual", "comparison", "a <= b -> a > b", "[false false true]"},
	{"greater", "comparison", "a > b -> a >= b", "[false true true]"},
	{"greater", "comparison", "a > b -> a <= b", "[true true false]"},
	{"greaterEqual", "comparison", "a >= b -> a > b", "[false false true]"},
	{"greaterEqual", "comparison", "a >= b -> a < b", "[true false false]"},
	{"equal", "comparison", "a == b -> a != b", "false"},
	{"isNil", "comparison", "p != nil -> p == nil", "[false true]"},
	{"isNil", "boolean", "return false -> return true", "[true true]"},
	{"isNil", "boolean", "return true -> return false", "[false false]"},
	{"and", "logic", "a() && b() -> a() || b()", "false(ab) true(ab) true(a) true(a)"},
	{"and", "logic", "a() && b() -> b()", "false(ab) true(ab) false(ab) true(ab)"},
	{"and", "logic", "a() && b() -> a()", "false(a) false(a) true(ab) true(ab)"},
	{"or", "logic", "a() || b() -> a() && b()", "false(a) false(a) false(ab) true(ab)"},
	{"or", "logic", "a() || b() -> b()", "false(ab) true(ab) false(ab) true(ab)"},
	{"or", "logic", "a() || b() -> a()", "false(ab) false(ab) true(a) true(a)"},
	{"condition", "condition", "yes -> !yes", "no"},
	{"negated", "boolean", "!yes -> yes", "no"},
	{"add", "arithmetic", "a + b -> a - b", "2"},
	{"subtract", "arithmetic", "a - b -> a + b", "8"},
	{"multiply", "arithmetic", "time.Duration(a) * time.Second -> time.Duration(a) / time.Second", "0s"},
	{"divide", "arithmetic", "a / b -> a * b", "12"},
	{"remainder", "arithmetic", "a % b -> a * b", "21"},
	{"minus", "arithmetic", "-a -> a", "4"},
	{"nested", "arithmetic", "(a + b) * c -> (a + b) / c", "6"},
	{"nested", "arithmetic", "a + b -> a - b", "12"},
	{"longer", "comparison", "a+ 1 < // a comment within b -> a+ 1 <= b", "[true true false]"},
	{"longer", "comparison", "a+ 1 < // a comment within b -> a+ 1 >= b", "[false true true]"},
	{"longer", "arithmetic", "a+ 1 -> a - 1", "[true true true]"},
	{"smallest", "arithmetic", "min(a, b) -> max(a, b)", "2"},
	{"largest", "arithmetic", "max(a, 0.5, 1) -> min(a, 0.5, 1)", "0.5"},
	{"addTo", "statement", "a += b -> (dropped)", "5"},
	{"addTo", "arithmetic", "a += b -> a -= b", "2"},
	{"takeFrom", "statement", "a -= b -> (dropped)", "5s"},
	{"takeFrom", "arithmetic", "a -= b -> a += b", "8s"},
	{"first", "boundary", "list[0] -> list[0+1]", "20"},
	{"until", "boundary", "list[:k] -> list[:k-1]", "[0 1]"},
	{"from", "boundary", "list[1:] -> list[1+1:]", "1"},
	{"nothing", "boundary", "return 0 -> return 0+1", "1"},
	{"start", "boundary", "sum := 5 -> sum := 5+1", "6"},
	{"limited", "arithmetic", "max(a, 3) -> min(a, 3)", "1"},
	{"limited", "boundary", "max(a, 3) -> max(a, 3+1)", "4"},
	{"failure", "error", "return err -> return nil", "<nil>"},
	{"failureOf", "error", "return 0, err -> return 0, nil", "[0 <nil>]"},
	{"yes", "boolean", "return true -> return false", "false"},
	{"opposite", "boolean", "return ok() -> return !ok()", "false"},
	{"compare", "order", "cmp.Compare(a, b) -> 0", "0"},
	{"compare", "order", "cmp.Compare(a, b) -> -cmp.Compare(a, b)", "1"},
	{"compareBytes", "order", "bytes.Compare([]byte(a), []byte(b)) -> 0", "0"},
	{"compareBytes", "order", "bytes.Compare([]byte(a), []byte(b)) -> -bytes.Compare([]byte(a), []byte(b))", "-1"},
	{"assigned", "statement", `text = "after" -> (dropped)`, "before"},
	{"counted", "statement", "n++ -> (dropped)", "0"},
	{"removed", "statement", `delete(ages, "a") -> (dropped)`, "1"},
	{"deferred", "statement", `defer func() { text = "deferred" }() -> (dropped)`, "returned"},
	{"deferred", "statement", `text = "deferred" -> (dropped)`, "returned"},
	{"inCase", "statement", `text = "one" -> (dropped)`, ""},
	{"stops", "boolean", "false -> true", "0"},
	{"stops", "boolean", "true -> false", "3"},
	{"stops", "boolean", "false -> true", "1"},
	{"stops", "condition", "stop -> !stop", "0"},
	{"stops", "loop", "break -> continue", "2"},
	{"stops", "statement", "n++ -> (dropped)", "0"},
	{"goesOn", "loop", "continue outer -> break outer", "0"},
	{"table", "arithmetic", "2 * a -> 2 / a", "0"},
	{"endless", "condition", "next() -> !next()", ""}, // the only one of skipped.go
}

// TestKinds builds the package of all kinds once and switches on one mutation after the other: the
// mutated function returns the table's value, and the results of all other functions stay.
func TestKinds(t *testing.T) {
	t.Parallel()
	sources, err := load(t.Context(), []string{"testdata/kinds"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay, err := sources[0].overlay(dir)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "kinds")
	args := []string{"build", "-buildvcs=false", "-overlay", overlay, "-o", program, "./testdata/kinds"}
	if _, err := output(exec.CommandContext(t.Context(), "go", args...)); err != nil {
		t.Fatal(err)
	}
	unmutated := values(t, program, 0)
	var got []mutated
	for _, c := range sources[0].candidates() {
		row := mutated{c.Function, c.Kind, c.Before + " -> " + c.After, unmutated[c.Function]}
		for function, value := range values(t, program, c.ID) {
			if value == unmutated[function] {
				continue
			}
			if function != c.Function {
				t.Errorf("%s changes %s", c, function)
			}
			row.Value = value
		}
		got = append(got, row)
	}
	if diff := cmp.Diff(kinds, got); diff != "" {
		t.Errorf("mutations (-want +got):\n%s", diff)
	}
}

// values runs the program with a mutant switched on and returns the result of each function.
func values(t *testing.T, program string, id int) map[string]string {
	t.Helper()
	c := exec.CommandContext(t.Context(), program)
	c.Env = append(os.Environ(), fmt.Sprintf("RDREC_MUTANT=%d", id))
	out, err := output(c)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(out)) {
		function, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		values[function] = value
	}
	return values
}
