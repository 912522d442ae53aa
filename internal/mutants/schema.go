package main

import (
	_ "embed"
	"strconv"
	"strings"
)

// schemaName is the file that an overlay adds to a rewritten package.
const schemaName = "mutants_schema.go"

// schemaImports are the packages that the file imports.
var schemaImports = []string{"cmp", "os", "strconv", "syscall"}

//go:embed schema.tmpl
var schemaText string

// schema returns the file with the functions that the rewritten sites call.
func (s *source) schema() string {
	size := strconv.Itoa(s.largest() + 1)
	return strings.NewReplacer("package schema", "package "+s.name, "MUTANTS", size).Replace(schemaText)
}

// largest returns the largest id; ids begin at 1.
func (s *source) largest() int {
	largest := 0
	for _, c := range s.candidates() {
		largest = max(largest, c.ID)
	}
	return largest
}
