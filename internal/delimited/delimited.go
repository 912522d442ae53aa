// Package delimited reads delimited text (CSV, TSV and their relatives) in the dialects that people
// bring. In: physical lines and a [Dialect]; out: records, each with the number of its first line,
// or the reason why it cannot be read. [SniffDelimiter] and [SniffQuote] find a dialect from the
// beginning of a file. A quote that is never closed costs one record: a record does not swallow
// lines that are rows of their own.
package delimited

import (
	"fmt"
	"strings"
)

// Dialect is the way in which fields are separated and quoted.
type Dialect struct {
	// Delimiter separates fields: one or more characters. A space stands for any run of spaces and
	// tabs.
	Delimiter string
	// Quote encloses fields that contain delimiters or newlines, and is doubled within them; 0 if
	// quotes are plain characters.
	Quote byte
	// Escape makes the next character plain, within quotes or, without a Quote, anywhere (then \t
	// and \n are a tab and a newline); 0 if there is none.
	Escape byte
}

// Whitespace is the delimiter that stands for any run of spaces and tabs.
const Whitespace = " "

// String returns the dialect in words.
func (d Dialect) String() string {
	quotes := "no quotes"
	if d.Quote != 0 {
		quotes = fmt.Sprintf("quotes %c", d.Quote)
	}
	if d.Escape != 0 {
		quotes += fmt.Sprintf(" escaped by %c", d.Escape)
	}
	return fmt.Sprintf("delimiter %s, %s", DelimiterName(d.Delimiter), quotes)
}

// DelimiterName returns the name of a delimiter for people.
func DelimiterName(delimiter string) string {
	switch delimiter {
	case "\t":
		return "tab"
	case Whitespace:
		return "space"
	case ",":
		return "comma"
	case "\x01":
		return `\x01`
	default:
		return delimiter
	}
}

// scanner splits the lines of one record into fields.
type scanner struct {
	Dialect
	fields []string
	field  []byte
	state  state
	// doubled is set once a doubled quote, enclosed once an enclosed field was seen.
	doubled, enclosed bool
	malformed         bool
}

// state is the scanner's place in a field.
type state int

const (
	atStart state = iota
	inPlain
	inQuotes
	afterQuote
)

func (s *scanner) reset() {
	s.fields, s.field, s.state = s.fields[:0], s.field[:0], atStart
	s.doubled, s.enclosed, s.malformed = false, false, false
}

// simple splits a line without quotes and escapes.
func (s *scanner) simple(line string) {
	if s.Delimiter == Whitespace {
		for field := range strings.FieldsSeq(line) {
			s.add(field)
		}
		return
	}
	for {
		field, rest, found := strings.Cut(line, s.Delimiter)
		s.add(field)
		if !found || len(s.fields) > maxFields {
			return
		}
		line = rest
	}
}

// isSimple reports whether a line has neither quotes nor escapes.
func (s *scanner) isSimple(line string) bool {
	return s.Delimiter == Whitespace ||
		(s.Quote == 0 || strings.IndexByte(line, s.Quote) < 0) &&
			(s.Escape == 0 || strings.IndexByte(line, s.Escape) < 0)
}

// line reads one line; more reports whether the record continues on the next one.
func (s *scanner) line(line string) (more bool) {
	if s.state == atStart && s.isSimple(line) {
		s.simple(line)
		return false
	}
	if s.state == inQuotes {
		s.field = append(s.field, '\n')
	}
	for i := 0; i < len(line); {
		i += s.next(line[i:])
	}
	if s.state == inQuotes {
		return true
	}
	s.endField()
	return false
}

// next reads the next character, or several, and returns their length.
func (s *scanner) next(rest string) int {
	switch s.state {
	case inQuotes:
		return s.quoted(rest)
	case atStart:
		if blank := len(rest) - len(strings.TrimLeft(rest, " ")); s.Quote != 0 && blank < len(rest) &&
			rest[blank] == s.Quote {
			s.state = inQuotes
			return blank + 1
		}
		s.state = inPlain
		return 0
	default:
		return s.unquoted(rest)
	}
}

// unquoted reads the next character outside of quotes.
func (s *scanner) unquoted(rest string) int {
	switch {
	case strings.HasPrefix(rest, s.Delimiter):
		s.endField()
		return len(s.Delimiter)
	case s.state == afterQuote:
		s.malformed = true
		s.state = inPlain
		s.field = append(s.field, s.Quote)
		return 0
	case s.Quote == 0 && s.Escape != 0 && rest[0] == s.Escape && len(rest) > 1:
		s.field = append(s.field, plain(rest[1]))
		return 2
	default:
		s.field = append(s.field, rest[0])
		return 1
	}
}

// plain returns the character that an escape without quotes stands for.
func plain(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	default:
		return c
	}
}

// quoted reads the next character within quotes.
func (s *scanner) quoted(rest string) int {
	c := rest[0]
	switch {
	case s.Escape != 0 && c == s.Escape && len(rest) > 1 && (rest[1] == s.Quote || rest[1] == s.Escape):
		s.field = append(s.field, rest[1])
		return 2
	case c == s.Quote && len(rest) > 1 && rest[1] == s.Quote:
		s.doubled = true
		s.field = append(s.field, c)
		return 2
	case c == s.Quote:
		s.state = afterQuote
		s.enclosed = true
		return 1
	default:
		s.field = append(s.field, c)
		return 1
	}
}

// maxFields bounds the fields of a record: one of nothing but delimiters takes 16 bytes for each.
const maxFields = 1 << 16

// add adds a field; those beyond the maximum make the number of fields wrong.
func (s *scanner) add(field string) {
	if len(s.fields) <= maxFields {
		s.fields = append(s.fields, field)
	}
}

func (s *scanner) endField() {
	s.add(string(s.field))
	s.field, s.state = s.field[:0], atStart
}
