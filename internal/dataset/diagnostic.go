package dataset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Diagnostic is one problem of one file. [Read] returns all of them joined (the first
// maxDiagnostics, and the number of the others).
type Diagnostic struct { //nolint:errname // a finding about a file, and an error only as returned by Read
	// File is the file's name in the folder, including .gz.
	File string
	// Line counts from 1; 0 means the file as a whole.
	Line int
	// Reason describes the problem and quotes the offending value.
	Reason string
}

// Error returns "file:line: reason".
func (f Diagnostic) Error() string {
	if f.Line == 0 {
		return f.File + ": " + f.Reason
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Reason)
}

// maxDiagnostics limits the list that a person has to read.
const maxDiagnostics = 20

// diagnostics collects the problems of all files: it keeps the first maxDiagnostics and counts the
// rest.
type diagnostics struct {
	list  []error
	count int
}

func (f *diagnostics) add(file string, line int, format string, args ...any) {
	f.count++
	if f.count <= maxDiagnostics {
		f.list = append(f.list, Diagnostic{File: file, Line: line, Reason: fmt.Sprintf(format, args...)})
	}
}

// addFirst adds a problem that may be the cause of others.
func (f *diagnostics) addFirst(file string, line int, format string, args ...any) {
	f.count++
	f.list = slices.Insert(f.list, 0, error(Diagnostic{File: file, Line: line, Reason: fmt.Sprintf(format, args...)}))
	f.list = f.list[:min(len(f.list), maxDiagnostics)]
}

func (f *diagnostics) err() error {
	switch {
	case f.count == 0:
		return nil
	case f.count <= maxDiagnostics:
		return errors.Join(f.list...)
	default:
		return errors.Join(append(f.list, fmt.Errorf("and %d more problems", f.count-maxDiagnostics))...)
	}
}

// quote truncates and quotes an id for a message. A text with words, as in a file of another
// format, is described instead: it may be a customer's review.
func quote(text string) string {
	if strings.ContainsFunc(text, unicode.IsSpace) && strings.ContainsFunc(text, unicode.IsLetter) {
		return describe(text)
	}
	const limit = 60
	shown := text[:min(len(text), utf8.UTFMax*(limit+1))] // a text may have gigabytes
	runes := []rune(strings.ToValidUTF8(shown, "\uFFFD"))
	if len(runes) > limit {
		return fmt.Sprintf("%q...", string(runes[:limit]))
	}
	return fmt.Sprintf("%q", string(runes))
}

// quoteNumber quotes what should be a number, unless it contains a word.
func quoteNumber(text string) string {
	const word = 4 // letters
	letters := 0
	for _, r := range text {
		if letters++; !unicode.IsLetter(r) {
			letters = 0
		}
		if letters == word {
			return describe(text)
		}
	}
	return quote(text)
}

func describe(text string) string {
	return fmt.Sprintf("a text of %d characters", utf8.RuneCountInString(text))
}
