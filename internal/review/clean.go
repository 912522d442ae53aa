package review

import (
	"html"
	"regexp"
	"strings"
	"unicode"
)

// cleaner removes the shop's markup from a text.
type cleaner struct{ media *regexp.Regexp }

func newCleaner() cleaner {
	return cleaner{media: regexp.MustCompile(`\[\[(?:VIDEOID|ASIN):\s*[0-9A-Za-z]*([^\]]*)\]\]`)}
}

// maxTagLength is the most bytes of a tag; a "<" without a ">" within them is text ("5 < 6", "<3").
const maxTagLength = 500

// untag replaces tags that end a line by a newline and the others by a space.
func untag(s string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '<')
		if at < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:at])
		s = s[at:]
		end, gap := tag(s[:min(len(s), maxTagLength)])
		b.WriteString(gap)
		s = s[end:]
	}
}

// tag returns the length of the tag at the start of s and its replacement; a "<" that starts no tag
// stays.
func tag(s string) (end int, gap string) {
	if strings.HasPrefix(s, "<!--") {
		if end := strings.Index(s, "-->"); end >= 0 {
			return end + len("-->"), " "
		}
		return 1, "<"
	}
	name := strings.TrimPrefix(s[1:], "/")
	if name == "" || !isLetter(name[0]) {
		return 1, "<"
	}
	end = 1 + strings.IndexAny(s[1:], "<>")
	if end == 0 || s[end] == '<' {
		return 1, "<"
	}
	name = strings.ToLower(name[:strings.IndexAny(name, " />\t\r\n")])
	switch name {
	case "br", "p", "div", "li", "ul", "ol", "tr", "h1", "h2", "h3", "h4", "h5", "h6":
		return end + 1, "\n"
	default:
		return end + 1, " "
	}
}

func isLetter(c byte) bool { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') }

// text returns the plain text: entities decoded (some dumps encode them twice), tags removed,
// paragraphs as newlines, runs of white space as one space, no control characters.
func (c cleaner) text(raw string) string {
	s := html.UnescapeString(html.UnescapeString(raw))
	if strings.ContainsRune(s, '<') {
		s = untag(s)
	}
	if strings.Contains(s, "[[") {
		s = c.media.ReplaceAllString(s, " $1 ")
	}
	var b strings.Builder
	b.Grow(len(s))
	gap := rune(0) // white space to write before the next visible character
	for _, r := range s {
		if class := blank(r); class != 0 {
			gap = max(gap, class)
			continue
		}
		if gap != 0 && b.Len() > 0 {
			b.WriteByte(" \n"[gap-1])
		}
		gap = 0
		b.WriteRune(r)
	}
	return b.String()
}

// title returns an item's title on one line, at most 200 characters; "" for the scripts of pages
// that 2018's metadata has in place of titles.
func (c cleaner) title(raw string) string {
	const most = 200
	if strings.Contains(raw, "getTime") || strings.Contains(raw, "var aPageStart") {
		return ""
	}
	runes := []rune(strings.ReplaceAll(c.text(raw), "\n", " "))
	if len(runes) > most {
		runes = append(runes[:most-1], '…')
	}
	return string(runes)
}

// blank returns 2 for a character that ends a line, 1 for another invisible one, 0 for a visible
// one.
func blank(r rune) rune {
	switch {
	case r > ' ' && r < 0x7f:
		return 0
	case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
		return 2
	case unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u200b' || r == '\ufeff':
		return 1
	default:
		return 0
	}
}
