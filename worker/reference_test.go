package main

import (
	"flag"
	"testing"

	"github.com/alecthomas/kong"

	"rdrec/internal/clireference"
)

var update = flag.Bool("update", false, "write the reference of the commands")

// TestReferenceOfCommands compares docs/reference-cli.md with the commands.
func TestReferenceOfCommands(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&command{}, kong.Name("worker"), longHelp())
	if err != nil {
		t.Fatal(err)
	}
	clireference.Check(t, parser.Model, *update)
}
