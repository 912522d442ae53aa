package main

import (
	_ "embed"
	"strings"
)

// schemaName is the file that an overlay adds to a rewritten package.
const schemaName = "mutants_schema.go"

// schemaImports are the packages that the file imports.
var schemaImports = []string{"cmp", "os", "strconv", "sync"}

//go:embed schema.tmpl
var schemaText string

// schema returns the file with the functions that the rewritten sites call.
func (s *source) schema() string {
	return strings.Replace(schemaText, "package schema", "package "+s.name, 1)
}
