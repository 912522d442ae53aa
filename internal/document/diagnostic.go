// Package document reads strict YAML documents into structs: a spec, the dev server's settings. In:
// text, overrides such as "train.epochs=2", and a struct holding the defaults; out: the struct
// filled in, or every fault at once, each with its file, line, key and a hint. The steps are [Read]
// (syntax, keys, types), [Document.Set] (overrides), [Document.Check] (the struct's validate tags),
// the caller's own rules through [Document.AddDiagnostic], and [Document.Err].
package document

import (
	"fmt"
	"regexp"
	"strings"
)

// AddDiagnostic is one thing that is wrong with a document.
type Diagnostic struct {
	// File is the document's name, or "--set key=value" for a fault of an override, in which
	// [Redact] leaves no password.
	File string `json:"file"`
	// Line counts from 1; 0 means that no line is to blame.
	Line int `json:"line,omitempty"`
	// Key is the dotted path of the value; empty for a fault of the whole document.
	Key string `json:"key,omitempty"`
	// Reason says what is wrong.
	Reason string `json:"reason"`
	// Hint says what to do; it may be empty.
	Hint string `json:"hint,omitempty"`
}

// String returns the fault without its hint.
func (f Diagnostic) String() string {
	prefix := f.File
	if f.Line > 0 {
		prefix = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	if f.Key == "" {
		return prefix + ": " + f.Reason
	}
	return prefix + ": " + f.Key + ": " + f.Reason
}

// Error is all that is wrong with a document.
type Error struct{ Diagnostics []Diagnostic }

// Error returns one line a fault, each with its hint.
func (e Error) Error() string {
	var b strings.Builder
	for i, f := range e.Diagnostics {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.String())
		if f.Hint != "" {
			fmt.Fprintf(&b, " (%s)", f.Hint)
		}
	}
	return b.String()
}

// userinfo is what stands before the @ of an address in a text: up to the fragment, in which an @
// may stand, or, where a password was not escaped, whatever follows a colon that no port's digit
// follows.
var userinfo = regexp.MustCompile(`://([^\s#]*|[^\s/]*:[^\s/0-9]\S*)@`)

// Redact takes users and passwords out of the addresses in a text that people will see:
// "http://ada:secret@host/" is "http://***@host/".
func Redact(text string) string { return userinfo.ReplaceAllString(text, "://***@") }

// Suggest returns a hint naming the closest of the choices, or all of them where none is close.
func Suggest(word string, choices []string) string {
	best, bestDistance := "", len(word)/3+2
	for _, choice := range choices {
		if d := distance(strings.ToLower(word), strings.ToLower(choice)); d < bestDistance {
			best, bestDistance = choice, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "known are " + strings.Join(choices, ", ")
}

// distance is Levenshtein's: the fewest insertions, deletions and substitutions of bytes between
// two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
