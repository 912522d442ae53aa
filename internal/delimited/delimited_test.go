package delimited_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/delimited"
)

// lines returns the lines of a text.
func lines(text string) delimited.Lines {
	rest := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return func() ([]byte, bool, error) {
		if len(rest) == 0 {
			return nil, false, io.EOF
		}
		line := rest[0]
		rest = rest[1:]
		return []byte(line), false, nil
	}
}

// isRow is true of fields whose third is a number.
func isRow(fields []string) bool {
	var n int
	_, err := fmt.Sscanf(fields[2], "%d", &n)
	return err == nil
}

// read returns the records of a text: the fields joined by "/", or the reason, each with its line.
func read(t *testing.T, text string, d delimited.Dialect) (all []string) {
	t.Helper()
	reader := delimited.NewReader(lines(text), d)
	reader.IsRow = isRow
	for {
		record, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			return append(all, err.Error())
		case record.Reason != "":
			all = append(all, fmt.Sprintf("%d: %s", record.Line, record.Reason))
		default:
			all = append(all, fmt.Sprintf("%d: %s", record.Line, strings.Join(record.Fields, "/")))
		}
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	csv := delimited.Dialect{Delimiter: ",", Quote: '"'}
	for _, c := range []struct {
		name, text string
		dialect    delimited.Dialect
		want       []string
	}{
		{"plain", "u,i,t\na,x,1\n\nb,y,2\n", csv, []string{"1: u/i/t", "2: a/x/1", "4: b/y/2"}},
		{"quoted", "u,i,t\na,\"x, \"\"z\"\"\",1\n\"\",\"\",2\n", csv, []string{"1: u/i/t", `2: a/x, "z"/1`, "3: //2"}},
		{
			"lines within quotes", "u,i,t\na,\"x\n\ny\",1\nb,y,2\n", csv,
			[]string{"1: u/i/t", "2: a/x\n\ny/1", "5: b/y/2"},
		},
		{
			"an escape at the end", "u,i,t,x\na,x,1,z\\,\\\n",
			delimited.Dialect{Delimiter: ",", Escape: '\\'},
			[]string{"1: u/i/t/x", `2: a/x/1/z,\`},
		},
		{"blank before a quote", "u,i,t\na, \"x, y\",1\n", csv, []string{"1: u/i/t", "2: a/x, y/1"}},
		{"plain quotes within a field", "u,i,t\na,5\" screen,1\n", csv, []string{"1: u/i/t", `2: a/5" screen/1`}},
		{
			"text after a quote", "u,i,t\na,\"x\" y,1\nb,y,2\n", csv,
			[]string{"1: u/i/t", `2: extraneous or missing " in quoted-field`, "3: b/y/2"},
		},
		{
			"fields", "u,i,t\na,1\na,x,1,2\na,x,1,\n", csv,
			[]string{"1: u/i/t", "2: wrong number of fields", "3: wrong number of fields", "4: a/x/1"},
		},
		{
			"a quote does not swallow rows", "u,i,t\na,\"x,1\nb,y,2\nc,z\",3\n", csv,
			[]string{
				"1: u/i/t", "2: a quote opened here is not closed before line 3, which is a row of its own",
				"3: b/y/2", `4: c/z"/3`,
			},
		},
		{
			"nor rows behind other lines", "u,i,t\na,\"x,1\nhello, you\nb,y,2\n", csv,
			[]string{
				"1: u/i/t", "2: a quote opened here is not closed before line 4, which is a row of its own",
				"3: wrong number of fields", "4: b/y/2",
			},
		},
		{"never closed", "u,i,t\na,\"x,y\nhello\n", csv, []string{
			"1: u/i/t", "a quote opened here is never closed (1 lines searched): are quotes plain characters " +
				"(quote: none)?",
		}},
		{"not closed on the last line", "u,i,t\na,\"x,1\n", csv, []string{
			"1: u/i/t", `2: extraneous or missing " in quoted-field`,
		}},
		{
			"no quotes", "u\ti\tt\na\t\"x\t1\nb\ty\"\t2\n",
			delimited.Dialect{Delimiter: "\t"},
			[]string{"1: u/i/t", `2: a/"x/1`, `3: b/y"/2`},
		},
		{
			"backslashes", `u,i,t` + "\n" + `a,"x \"y\", \\ \n",1` + "\n",
			delimited.Dialect{
				Delimiter: ",", Quote: '"', Escape: '\\',
			},
			[]string{"1: u/i/t", `2: a/x "y", \ \n/1`},
		},
		{
			"backslashes without quotes", `a	x\ty\nz\\	1` + "\n",
			delimited.Dialect{
				Delimiter: "\t", Escape: '\\',
			},
			[]string{"1: a/x\ty\nz\\/1"},
		},
		{
			"two characters", "a::x::1\nb::y:z::2\n",
			delimited.Dialect{Delimiter: "::"},
			[]string{"1: a/x/1", "2: b/y:z/2"},
		},
		{"spaces", "a  x 1\n b y\t2\n", delimited.Dialect{Delimiter: " "}, []string{"1: a/x/1", "2: b/y/2"}},
		{"other quotes", "a;'x;''y''';1\n", delimited.Dialect{Delimiter: ";", Quote: '\''}, []string{"1: a/x;'y'/1"}},
	} {
		if diff := cmp.Diff(c.want, read(t, c.text, c.dialect)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestSwallowedLinesAreCounted(t *testing.T) {
	t.Parallel()
	reader := delimited.NewReader(lines("a,\"x\ny\nz\",1\nb,y,2\n"), delimited.Dialect{Delimiter: ",", Quote: '"'})
	for {
		if _, err := reader.Read(); err != nil {
			break
		}
	}
	if reader.Swallowed != 2 {
		t.Errorf("%d lines swallowed, want 2", reader.Swallowed)
	}
}

func TestSniffDelimiter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"u,i,t\na,b,1\n":       ",",
		"u\ti\tt\n":            "\t",
		"u;i;t\na;b,c,d,e;1\n": ";",
		"u|i|t":                "|",
		"1::2::3\n4::5::6\n":   "::",
		"u\x01i\x01t\n":        "\x01",
		"1 2 3\n4 5 6\n":       " ",
		"u\n":                  ",",
		"":                     ",",
		"a\tgood, nice, fine, so, so\nb\tno\nc\tyes": "\t",
		"u,i,text\na,b,\"x;y;z;w\"\nc,d,\"p,q\"\n":   ",",
		"\"a;b\",c\n\"d;e\",f\n":                     ",",
	} {
		if got := delimited.SniffDelimiter([]byte(text)); got != want {
			t.Errorf("%q has the delimiter %q, want %q", text, got, want)
		}
	}
}

func TestSniffQuote(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, delimiter string
		quote, escape         byte
	}{
		{"csv", "u,i,t\na,b,1\n", ",", '"', 0},
		{"tabs", "u\ti\tt\na\tb\t1\n", "\t", 0, 0},
		{"tabs and single quotes", "u\ti\tt\na\t\"b\t1\nc\td\"\t2\n", "\t", 0, 0},
		{"tabs and doubled quotes", "u\ti\tt\na\t\"b \"\"c\"\"\"\t1\n", "\t", '"', 0},
		{"tabs and a quoted header", "\"u\"\t\"i\"\t\"t\"\n\"a\"\t\"b\"\t1\n", "\t", '"', 0},
		{"tabs and lines within quotes", "u\ti\tt\na\t\"b\nc\"\t1\nd\t\"e\nf\ng\"\t2\n", "\t", '"', 0},
		{"csv, plain quotes", "u,i,t\na,\"b,1\nc,d\",2\ne,\"f\" g,3\n", ",", 0, 0},
		{"csv, one bad quote", "u,i,t\na,\"b, c\",1\nc,\"d\" e,2\ne,\"f, g\",3\n", ",", '"', 0},
		{"csv, enclosed", "u,i,t\na,\"b\",1\nc,\"d\",2\n", ",", '"', 0},
		{"backslash", "u,i,t\na,\"b \\\"x, y\\\" z\",1\n", ",", '"', '\\'},
		{"apostrophes", "'u','i','t'\n'a','b, c',1\n", ",", '\'', 0},
		{"spaces", "a \"b 1\n", " ", 0, 0},
	} {
		quote, escape := delimited.SniffQuote([]byte(c.text), c.delimiter, 3, isRow)
		if quote != c.quote || escape != c.escape {
			t.Errorf("%s: quote %q, escape %q, want %q, %q", c.name, quote, escape, c.quote, c.escape)
		}
	}
}

// FuzzRead: no text panics, and lines increase.
func FuzzRead(f *testing.F) {
	f.Add("u,i,t\na,\"b\nc\",1\n", byte('"'), byte(0))
	f.Add("a\\\t\"\n\"\"", byte('"'), byte('\\'))
	f.Fuzz(func(t *testing.T, text string, quote, escape byte) {
		delimiter := delimited.SniffDelimiter([]byte(text))
		delimited.SniffQuote([]byte(text), delimiter, 3, isRow)
		reader := delimited.NewReader(
			lines(text), delimited.Dialect{Delimiter: delimiter, Quote: quote, Escape: escape},
		)
		for last := int64(0); ; {
			record, err := reader.Read()
			if err != nil {
				return
			}
			if record.Line <= last {
				t.Fatalf("line %d after %d", record.Line, last)
			}
			last = record.Line
		}
	})
}
