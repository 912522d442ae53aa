package main

import (
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// TestExitCodesAreListedInOrder checks that the help lists each exit code once, in ascending order.
func TestExitCodesAreListedInOrder(t *testing.T) {
	var codes []int
	for _, found := range regexp.MustCompile(`(?:Exit codes: |, )(\d+) `).FindAllStringSubmatch(exitHelp(), -1) {
		code, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	if len(codes) < 13 || !slices.IsSorted(codes) || len(slices.Compact(slices.Clone(codes))) != len(codes) {
		t.Errorf("codes %v in %q", codes, exitHelp())
	}
}
