// Code generated so that nothing in this file is mutated. DO NOT EDIT.

package main

import (
	"fmt"
	"strings"
	"time"
)

// called returns a function that notes its call, so that what is not evaluated is seen.
func called(calls *[]string, name string, value bool) func() bool {
	return func() bool {
		*calls = append(*calls, name)
		return value
	}
}

// logical returns a function's value for all values of two operands, with the operands that were
// evaluated.
func logical(f func(a, b func() bool) bool) string {
	var all []string
	for _, pair := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
		var calls []string
		value := f(called(&calls, "a", pair[0]), called(&calls, "b", pair[1]))
		all = append(all, fmt.Sprintf("%t(%s)", value, strings.Join(calls, "")))
	}
	return strings.Join(all, " ")
}

func main() {
	n := 1
	list := []int{10, 20, 30}
	value, err := failureOf(errTest)
	rows := []any{
		"less", []bool{less(1, 2), less(2, 2), less(3, 2)},
		"lessEqual", []bool{lessEqual(1, 2), lessEqual(2, 2), lessEqual(3, 2)},
		"greater", []bool{greater("1", "2"), greater("2", "2"), greater("3", "2")},
		"greaterEqual", []bool{greaterEqual(1, 2), greaterEqual(2, 2), greaterEqual(3, 2)},
		"equal", equal("a", "a"),
		"isNil", []bool{isNil(nil), isNil(&n)},
		"and", logical(and),
		"or", logical(or),
		"condition", condition(true),
		"negated", negated(true),
		"add", add(5, 3),
		"subtract", subtract(5, 3),
		"multiply", multiply(2).String(),
		"divide", divide(6, 2),
		"remainder", remainder(7, 3),
		"minus", minus(4),
		"nested", nested(9, 3, 2),
		"longer", []bool{longer(1, 3), longer(2, 3), longer(3, 3)},
		"smallest", smallest(1, 2),
		"largest", largest(2),
		"addTo", addTo(5, 3),
		"takeFrom", takeFrom(5*time.Second, 3*time.Second).String(),
		"first", first(list),
		"until", []int{until(list, 0), until(list, 2)},
		"from", from(list),
		"nothing", nothing(),
		"start", start(),
		"limited", limited(1),
		"failure", failure(errTest),
		"failureOf", []any{value, err},
		"yes", yes(),
		"opposite", opposite(func() bool { return true }),
		"compare", compare(1, 2),
		"compareBytes", compareBytes("b", "a"),
		"assigned", assigned(),
		"counted", counted(),
		"removed", removed(),
		"deferred", deferred(),
		"inCase", inCase(1),
		"stops", stops(),
		"goesOn", goesOn(),
		"table", table["twice"](4),
	}
	for i := 0; i < len(rows); i += 2 {
		fmt.Printf("%v\t%v\n", rows[i], rows[i+1])
	}
}
