package jinja

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// kind is the kind of a token.
type kind int

const (
	textToken   kind = iota // text outside of tags
	openOutput              // {{
	closeOutput             // }}
	openBlock               // {%
	closeBlock              // %}
	nameToken
	stringToken
	numberToken
	operatorToken
	endToken
)

type lexeme struct {
	kind kind
	text string
}

var (
	tagOpen   = regexp.MustCompile(`\{\{|\{%|\{#`)
	lineStart = regexp.MustCompile(`\n[ \t]*$`)
	inTag     = regexp.MustCompile(`^(?:([A-Za-z_]\w*)|(\d+(?:\.\d+)?)|` +
		`('(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*")|(==|!=|<=|>=|//|\*\*|[-+*/%~<>=|.,:()\[\]{}]))`)
	tagEnd = regexp.MustCompile(`^[-+]?[}%]\}`)
)

// lex splits a template into tokens. A tag with - trims the whitespace beside it. A block is also
// without the blanks before it on its line and the line break after it.
func lex(text string) ([]lexeme, error) {
	var out []lexeme
	trim := func(s string) string { return s }
	for {
		at := tagOpen.FindStringIndex(text)
		if at == nil {
			return append(out, lexeme{textToken, trim(text)}, lexeme{endToken, ""}), nil
		}
		before, tag := text[:at[0]], text[at[0]:at[1]]
		text = text[at[1]:]
		alone := lineStart.MatchString(before) || len(out) == 0 && strings.Trim(before, " \t") == ""
		before = trim(before)
		switch {
		case strings.HasPrefix(text, "-"):
			before, text = strings.TrimRight(before, " \t\r\n"), text[1:]
		case strings.HasPrefix(text, "+"):
			text = text[1:]
		case tag != "{{" && alone:
			before = strings.TrimRight(before, " \t")
		}
		out = append(out, lexeme{textToken, before})
		var err error
		if tag == "{#" {
			text, trim, err = skipComment(text)
		} else {
			out, text, trim, err = lexTag(out, text, tag)
		}
		if err != nil {
			return nil, err
		}
	}
}

func skipComment(text string) (string, func(string) string, error) {
	comment, rest, closed := strings.Cut(text, "#}")
	if !closed {
		return "", nil, fmt.Errorf("a comment has no end")
	}
	return rest, trimmer(strings.HasSuffix(comment, "-"), true), nil
}

// trimmer returns the function that trims the text after a tag.
func trimmer(all, line bool) func(string) string {
	return func(text string) string {
		switch {
		case all:
			return strings.TrimLeft(text, " \t\r\n")
		case line:
			return strings.TrimPrefix(strings.TrimPrefix(text, "\r"), "\n")
		default:
			return text
		}
	}
}

// lexTag appends the tokens of a tag. It returns the text after the tag, and how to trim that.
func lexTag(out []lexeme, text, tag string) ([]lexeme, string, func(string) string, error) {
	open, closing, ending := openOutput, closeOutput, "}}"
	if tag == "{%" {
		open, closing, ending = openBlock, closeBlock, "%}"
	}
	out = append(out, lexeme{open, tag})
	depth := 0
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if end := tagEnd.FindString(text); depth == 0 && strings.HasSuffix(end, ending) {
			trim := trimmer(end[0] == '-', tag == "{%" && end[0] != '+')
			return append(out, lexeme{closing, ""}), text[len(end):], trim, nil
		}
		found := inTag.FindStringSubmatch(text)
		if found == nil {
			char, _ := utf8.DecodeRuneInString(text)
			return nil, "", nil, fmt.Errorf("chat template: unexpected %q in a tag", char)
		}
		text = text[len(found[0]):]
		for i, k := range []kind{nameToken, numberToken, stringToken, operatorToken} {
			if found[i+1] != "" {
				out = append(out, lexeme{k, found[i+1]})
			}
		}
		switch found[4] {
		case "{", "(", "[":
			depth++
		case "}", ")", "]":
			depth--
		}
	}
}

// unquote returns the value of a quoted string.
func unquote(text string) string {
	var out strings.Builder
	text = text[1 : len(text)-1]
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			out.WriteByte(text[at])
			continue
		}
		at++
		switch text[at] {
		case 'n':
			out.WriteByte('\n')
		case 't':
			out.WriteByte('\t')
		case 'r':
			out.WriteByte('\r')
		case '\\', '\'', '"':
			out.WriteByte(text[at])
		default:
			out.WriteString(text[at-1 : at+1])
		}
	}
	return out.String()
}
