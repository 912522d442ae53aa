package review

import (
	"html"
	"regexp"
	"strings"
	"unicode"
)

// cleaner takes the shop's markup out of a text.
type cleaner struct {
	breaks, tags, media *regexp.Regexp
}

func newCleaner() cleaner {
	return cleaner{
		breaks: regexp.MustCompile(`(?i)</?(br|p|div|li|ul|ol|h[1-6])\b[^<>]{0,200}>`),
		tags:   regexp.MustCompile(`</?[a-zA-Z][^<>]{0,500}>|<!--.{0,500}?-->`),
		media:  regexp.MustCompile(`\[\[(?:VIDEOID|ASIN):\s*[0-9A-Za-z]*([^\]]{0,300})\]\]`),
	}
}

// text gives what a person reads: entities resolved (some dumps hold them twice), tags gone, paragraphs as newlines, runs of blanks as
// one blank, no control characters.
func (c cleaner) text(raw string) string {
	s := html.UnescapeString(html.UnescapeString(raw))
	if strings.ContainsRune(s, '<') {
		s = c.breaks.ReplaceAllString(s, "\n")
		s = c.tags.ReplaceAllString(s, " ")
	}
	if strings.Contains(s, "[[") {
		s = c.media.ReplaceAllString(s, " $1 ")
	}
	var b strings.Builder
	b.Grow(len(s))
	gap := rune(0) // the blank to write before the next visible character
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			gap = '\n'
		case unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u200b' || r == '\ufeff':
			if gap == 0 {
				gap = ' '
			}
		default:
			if gap != 0 && b.Len() > 0 {
				b.WriteRune(gap)
			}
			gap = 0
			b.WriteRune(r)
		}
	}
	return b.String()
}

// title gives an item's title on one line; pages saved by mistake (2018's metadata holds their scripts) give none.
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
