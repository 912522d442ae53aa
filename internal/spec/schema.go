package spec

import (
	"bytes"
	_ "embed" // schema.json
)

// schema is made from this package's types, comments, tags and tables by TestSchema -update.
//
//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of a spec, by which editors complete and check specs. It has the
// rules of single values; those between values are checked when a spec is read.
func Schema() []byte { return bytes.Clone(schema) }
