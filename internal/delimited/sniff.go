package delimited

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// consistent is the share of the lines with as many fields as the first from which on a delimiter
// is believed.
const consistent = 0.8

// delimiters are the delimiters that SniffDelimiter looks for, in order of preference.
func delimiters() []string { return []string{",", "\t", ";", "|", "::", "\x01"} }

// SniffDelimiter returns the delimiter of a sample: the most frequent one of the first line,
// preferably one that makes the same number of fields on most lines; the comma in a tie; a space
// only if the first line has none of the others.
func SniffDelimiter(sample []byte) string {
	lines := linesOf(sample)
	if len(lines) == 0 {
		return ","
	}
	best, most, believed := ",", 0, false
	for _, delimiter := range delimiters() {
		n := strings.Count(lines[0], delimiter)
		if n == 0 {
			continue
		}
		steady := steadiness(lines, delimiter) >= consistent
		if steady && !believed || steady == believed && n > most {
			best, most, believed = delimiter, n, steady
		}
	}
	if most == 0 && strings.Contains(lines[0], Whitespace) {
		return Whitespace
	}
	return best
}

// steadiness returns the share of the lines with as many fields as the first.
func steadiness(lines []string, delimiter string) float64 {
	s := scanner{Dialect: Dialect{Delimiter: delimiter, Quote: '"'}}
	fields := func(line string) int {
		s.reset()
		if s.line(line) || s.malformed {
			return 1 + strings.Count(line, delimiter)
		}
		return len(s.fields)
	}
	want, same := fields(lines[0]), 0
	for _, line := range lines {
		if fields(line) == want {
			same++
		}
	}
	return float64(same) / float64(len(lines))
}

// linesOf returns the lines of a sample that are not blank. The last one may be incomplete.
func linesOf(sample []byte) []string {
	var lines []string
	for line := range bytes.Lines(sample) {
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			lines = append(lines, text)
		}
	}
	return lines
}

// SniffQuote returns the quote and the escape of a sample: those with which the fewest lines are
// lost. Of equally good ones it prefers double quotes, but for tabs and other marks that texts do
// not contain, no quotes, unless a quote is doubled or the first line is quoted.
func SniffQuote(sample []byte, delimiter string, fields int, isRow func([]string) bool) (quote, escape byte) {
	if delimiter == Whitespace {
		return 0, 0
	}
	candidates := []Dialect{{Quote: '"'}}
	first, _, _ := bytes.Cut(sample, []byte{'\n'})
	if bytes.HasPrefix(first, []byte{'\''}) {
		candidates = slices.Insert(candidates, 0, Dialect{Quote: '\''})
	}
	if bytes.Contains(sample, []byte(`\"`)) {
		candidates = append(candidates, Dialect{Quote: '"', Escape: '\\'})
	}
	if rare := delimiter != "," && delimiter != ";" && delimiter != "|"; rare && !evident(sample, delimiter) {
		candidates = slices.Insert(candidates, 0, Dialect{})
	} else {
		candidates = append(candidates, Dialect{})
	}
	best, least := Dialect{}, -1
	for _, candidate := range candidates {
		candidate.Delimiter = delimiter
		if cost := lost(sample, candidate, fields, isRow); least < 0 || cost < least {
			best, least = candidate, cost
		}
	}
	return best.Quote, best.Escape
}

// evident reports whether a sample certainly has quoted fields: one with a doubled quote, or one on
// the first line.
func evident(sample []byte, delimiter string) bool {
	s := scanner{Dialect: Dialect{Delimiter: delimiter, Quote: '"'}}
	for i, line := range linesOf(sample) {
		s.reset()
		if closed := !s.line(line) && !s.malformed; closed && s.enclosed && (s.doubled || i == 0) {
			return true
		}
	}
	return false
}

// lost returns the number of records of a sample that a dialect cannot read. Without quotes, an
// enclosed field counts as lost, too, where quotes are usual.
func lost(sample []byte, dialect Dialect, fields int, isRow func([]string) bool) int {
	lines := linesOf(sample)
	reader := NewReader(func() ([]byte, bool, error) {
		if len(lines) == 0 {
			return nil, false, io.EOF
		}
		text := lines[0]
		lines = lines[1:]
		return []byte(text), false, nil
	}, dialect)
	reader.Fields, reader.IsRow = fields, isRow
	quotesUsual := dialect.Delimiter == "," || dialect.Delimiter == ";" || dialect.Delimiter == "|"
	cost := 0
	for {
		record, err := reader.Read()
		if err != nil {
			return cost
		}
		enclosed := dialect.Quote == 0 && quotesUsual && slices.ContainsFunc(record.Fields, isEnclosed)
		if record.Reason != "" || enclosed {
			cost++
		}
	}
}

func isEnclosed(field string) bool {
	return len(field) > 1 && field[0] == '"' && field[len(field)-1] == '"'
}
