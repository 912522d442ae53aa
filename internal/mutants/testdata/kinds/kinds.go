// Command kinds has a function for each kind of mutation; print.go prints what each returns.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"time"
)

func less(a, b int) bool { return a < b }

func lessEqual(a, b float32) bool { return a <= b }

func greater(a, b string) bool { return a > b }

func greaterEqual[T cmp.Ordered](a, b T) bool { return a >= b }

func equal(a, b any) bool { return a == b }

func isNil(p *int) bool {
	if p != nil {
		return false
	}
	return true
}

func and(a, b func() bool) bool { return a() && b() }

func or(a, b func() bool) bool { return a() || b() }

func condition(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func negated(yes bool) string {
	if !yes {
		return "no"
	}
	return "yes"
}

func add(a, b int) int { return a + b }

func subtract(a, b uint8) uint8 { return a - b }

func multiply(a int) time.Duration { return time.Duration(a) * time.Second }

func divide(a, b float64) float64 { return a / b }

func remainder(a, b int64) int64 { return a % b }

func minus(a int) int { return -a }

func nested(a, b, c int) int { return (a + b) * c }

func longer(a, b int) bool {
	return a+
		1 < // a comment within
		b
}

func smallest(a, b int) int { return min(a, b) }

func largest(a float64) float64 { return max(a, 0.5, 1) }

func addTo(a, b int) int {
	a += b
	return a
}

func takeFrom(a, b time.Duration) time.Duration {
	a -= b
	return a
}

func first(list []int) int { return list[0] }

func until(list []int, k int) int { return len(list[:k]) }

func from(list []int) int { return len(list[1:]) }

func nothing() int64 { return 0 }

func start() int {
	sum := 5
	return sum
}

func limited(a int) int { return max(a, 3) }

func failure(err error) error { return err }

func failureOf(err error) (int, error) {
	return 0, err
}

func yes() bool { return true }

func opposite(ok func() bool) bool { return ok() }

func compare(a, b int) int { return cmp.Compare(a, b) }

func compareBytes(a, b string) int { return bytes.Compare([]byte(a), []byte(b)) }

func assigned() string {
	text := "before"
	text = "after"
	return text
}

func counted() (n int) {
	n++
	return n
}

func removed() int {
	ages := map[string]int{"a": 1}
	delete(ages, "a")
	return len(ages)
}

func deferred() (text string) {
	defer func() { text = "deferred" }()
	return "returned"
}

func inCase(a int) (text string) {
	switch a {
	case 1:
		text = "one"
	}
	return text
}

func stops() (n int) {
	for _, stop := range []bool{false, true, false} {
		if stop {
			break
		}
		n++
	}
	return n
}

func goesOn() (n int) {
outer:
	for range 3 {
		for range 2 {
			continue outer
		}
	}
	return n
}

var table = map[string]func(int) int{
	"twice": func(a int) int { return 2 * a },
}

var errTest = errors.New("test")
