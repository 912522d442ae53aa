package dataset

import (
	"errors"
	"fmt"
	"strings"
)

// Diagnostic is one thing wrong with one file. [Read] returns all of them joined (the first
// maxDiagnostics, and how many there were).
type Diagnostic struct { //nolint:errname // a fault is a finding about a file first, and an error when Read returns it
	// File is the file's name in the folder, with .gz where it has it.
	File string
	// Line counts from 1; 0 is the file as a whole.
	Line int
	// Reason says what is wrong, with the offending value quoted.
	Reason string
}

// Error is "file:line: reason".
func (f Diagnostic) Error() string {
	if f.Line == 0 {
		return f.File + ": " + f.Reason
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Reason)
}

// maxDiagnostics bounds the list that a person has to read.
const maxDiagnostics = 20

// diagnostics collects what is wrong over all files; it keeps maxDiagnostics and counts the rest.
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

func (f *diagnostics) err() error {
	switch {
	case f.count == 0:
		return nil
	case f.count <= maxDiagnostics:
		return errors.Join(f.list...)
	default:
		return errors.Join(append(f.list, fmt.Errorf("and %d more faults", f.count-maxDiagnostics))...)
	}
}

// quote shortens and quotes a value for a message.
func quote(text string) string {
	const most = 60
	runes := []rune(strings.ToValidUTF8(text, "\uFFFD"))
	if len(runes) > most {
		return fmt.Sprintf("%q...", string(runes[:most]))
	}
	return fmt.Sprintf("%q", string(runes))
}
