package main

import (
	"flag"
	"io"
	"testing"

	"rdrec/internal/clireference"
)

var update = flag.Bool("update", false, "write the reference of the commands")

// TestReferenceOfCommands compares docs/reference-cli.md with the commands.
func TestReferenceOfCommands(t *testing.T) {
	t.Parallel()
	parser, err := newParser(&cli{}, io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	clireference.Check(t, parser.Model, *update)
}
