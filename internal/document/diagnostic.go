// Package document reads strict YAML documents into structs: specs and the dev server's settings.
// In: a text, overrides such as "train.epochs=2", and a struct that holds the defaults; out: the
// filled struct, or all diagnostics at once, each with its file, line, key and a hint. The steps
// are [Read] (syntax, keys, types), [Document.Set] (overrides), [Document.Check] (the struct's
// validate tags), the caller's own rules through [Document.AddDiagnostic], and [Document.Err].
package document

import (
	"fmt"
	"regexp"
	"strings"
)

// Diagnostic is one problem of a document.
type Diagnostic struct {
	// File is the document's name, or "--set key=value" for a problem of an override, with
	// passwords removed by [Redact].
	File string `json:"file"`
	// Line counts from 1; 0 means that the problem has no line.
	Line int `json:"line,omitempty"`
	// Key is the dotted path of the value; empty for a problem of the whole document.
	Key string `json:"key,omitempty"`
	// Reason describes the problem.
	Reason string `json:"reason"`
	// Hint describes how to fix it; it may be empty.
	Hint string `json:"hint,omitempty"`
}

// String returns the diagnostic without its hint.
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

// Error contains all diagnostics of a document.
type Error struct{ Diagnostics []Diagnostic }

// Error returns one line per diagnostic, each with its hint.
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

// userinfo matches the part of a URL before the @: up to the fragment, which may contain an @
// itself. For unescaped passwords it also matches everything after a colon that is not followed by
// a port's digit.
var userinfo = regexp.MustCompile(`://([^\s#]*|[^\s/]*:[^\s/0-9]\S*)@`)

// query matches the parameters of a URL, which may be keys or signatures.
var query = regexp.MustCompile(`(://[^\s?"']*\?)[^\s"'=]+=[^\s"']*`)

// Redact removes users, passwords and parameters from the URLs in a text for people:
// "http://ada:secret@host/?key=7" becomes "http://***@host/?***".
func Redact(text string) string {
	return query.ReplaceAllString(userinfo.ReplaceAllString(text, "://***@"), "${1}***")
}

// Suggest returns a hint with the closest of the choices, or with all of them if none is close.
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

// distance returns the Levenshtein distance of two words: the minimum number of insertions,
// deletions and substitutions of bytes.
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
