// Package verdicts has mutants of which the verdict is known: verdicts_test.go kills some of them.
package verdicts

// Larger has an equivalent mutant: of two equal numbers either is the larger.
func Larger(a, b int) int {
	if a > b {
		return a
	}
	return b
}

// Positive is tested away from its bound.
func Positive(a int) bool { return a > 0 }

// Until never ends without its statement.
func Until(n int) int {
	var i int
	for i < n {
		i++
	}
	return i
}

// Forgotten has no test.
func Forgotten(err error) error { return err }
