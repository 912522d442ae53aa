package main

import (
	_ "embed" // examples.txt
	"strings"

	"github.com/alecthomas/kong"
)

// exampleLines has a command's full name on each line, followed by its examples, indented.
//
//go:embed examples.txt
var exampleLines string

// examples returns the examples of each command, by its full name.
func examples() map[string][]string {
	all, command := map[string][]string{}, ""
	for line := range strings.Lines(exampleLines) {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(line, " ") {
			all[command] = append(all[command], text)
		} else {
			command = text
		}
	}
	return all
}

// addExamples adds the examples to the help of each command that has them here.
func addExamples(model *kong.Application) {
	all := examples()
	for _, command := range model.Leaves(true) {
		if lines := all[command.FullPath()]; len(lines) > 0 {
			command.Detail = strings.TrimSpace(command.Detail + "\n\nExamples:\n\n    " + strings.Join(lines, "\n    "))
		}
	}
}
