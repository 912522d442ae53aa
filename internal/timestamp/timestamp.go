// Package timestamp reads the times that shops and dumps write for people: "14-01-2014 12:00",
// "01/14/2014", "January 14, 2014 9:30 PM", "Tue, 14 Jan 2014 12:00:00 GMT", "Fri Jan 14 12:34:56
// -0700 2014". In: a text, and the order of day and month where both are numbers; out: Unix
// seconds. A time without a zone is UTC.
package timestamp

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Order is the order of day and month in a date of numbers.
type Order int

// The orders. Of a text, Either means that both are possible, None that the question does not
// arise.
const (
	None Order = iota
	DayFirst
	MonthFirst
	Either
)

var (
	clock = regexp.MustCompile(`(?i)(?:^|[ T,:])(\d{1,2})(?:[:h.](\d{2})(?:[:.](\d{2})(?:[.,]\d+)?)?)?` +
		`\s*([ap])\.?\s?m\b\.?|(?:^|[ T,:])(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?`)
	zone = regexp.MustCompile(
		`(?i)(?:^|\s|\b(?:utc|gmt|z))([+-]\d{2}):?(\d{2})\b|\b(utc|gmt|z|est|edt|cst|cdt|mst|mdt|pst|pdt|cet|cest)\b`,
	)
	yearLast = regexp.MustCompile(`^(\d{1,2})([-/. ])(\d{1,2})[-/. ](\d{4}|\d{2})$`)
	basic    = regexp.MustCompile(`^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})?Z?)?\b`)
	isoDate  = regexp.MustCompile(`^(\d{4})[-/. ](\d{1,2})[-/. ](\d{1,2})$`)
	cjkDate  = regexp.MustCompile(`^(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일]?$`)
	ordinal  = regexp.MustCompile(`(?i)\b(\d{1,2})(?:st|nd|rd|th|er|º|ª)\b`)
	word     = regexp.MustCompile(`[\pL]+|\d+`)
)

// maxLength is the length of the longest text that may be a time.
const maxLength = 64

// Parse returns the Unix seconds of a text. order decides the order of day and month in a date of
// numbers; where it is Either or None, only a date that has one reading is a time.
func Parse(text string, order Order) (seconds int64, ok bool) {
	p, ok := split(text)
	if !ok {
		return 0, false
	}
	return p.seconds(order)
}

// OrderOf returns the order of day and month in a text.
func OrderOf(text string) Order {
	p, ok := split(text)
	if !ok {
		return None
	}
	return p.order()
}

// parts are the parts of a time.
type parts struct {
	// year, first and second are the numbers of the date; ordered dates have the month in first
	// and the day in second, others in the order in which they are written.
	year, first, second int
	ordered             bool
	dots                bool
	hour, minute, sec   int
	offset              int // seconds east of UTC
}

// split finds the parts of a text.
func split(text string) (p parts, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) > maxLength || !strings.ContainsAny(text, "0123456789") {
		return p, false
	}
	if m := basic.FindStringSubmatch(text); m != nil { // ISO's basic form
		text = m[1] + "-" + m[2] + "-" + m[3] + text[len(m[0]):]
		if m[4] != "" {
			text += " " + m[4] + ":" + m[5] + ":" + cmp.Or(m[6], "00")
		}
	}
	if text, ok = p.clock(text); !ok {
		return p, false
	}
	text = strings.TrimSpace(strings.TrimRight(strings.TrimSpace(text), ",T"))
	return p, p.date(text)
}

// clock takes the time of day and the zone out of a text and returns the rest.
func (p *parts) clock(text string) (rest string, ok bool) {
	at := clock.FindStringSubmatchIndex(text)
	if at == nil {
		return text, true
	}
	number := func(group int) int {
		if at[2*group] < 0 {
			return 0
		}
		n, err := strconv.Atoi(text[at[2*group]:at[2*group+1]])
		if err != nil {
			return -1
		}
		return n
	}
	if half := at[8]; half >= 0 {
		p.hour, p.minute, p.sec = number(1), number(2), number(3)
		if p.hour < 1 || p.hour > 12 {
			return "", false
		}
		p.hour %= 12
		if text[half] == 'p' || text[half] == 'P' {
			p.hour += 12
		}
	} else {
		p.hour, p.minute, p.sec = number(5), number(6), number(7)
	}
	before, after := text[:at[0]], text[at[1]:]
	after = p.zone(after)
	valid := p.hour < 24 && p.minute < 60 && p.sec < 61
	return before + " " + after, valid
}

// zones are the offsets of the zones' names, in hours.
var zones = map[string]int{
	"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "cet": 1, "cest": 2,
}

// zone takes the zone out of the text after the time of day.
func (p *parts) zone(text string) string {
	at := zone.FindStringSubmatchIndex(text)
	if at == nil {
		return text
	}
	if at[2] >= 0 {
		hours, err := strconv.Atoi(text[at[2]:at[3]])
		minutes, err2 := strconv.Atoi(text[at[4]:at[5]])
		if err != nil || err2 != nil {
			return text
		}
		if text[at[2]] == '-' {
			minutes = -minutes
		}
		p.offset = hours*3600 + minutes*60
	} else {
		p.offset = zones[strings.ToLower(text[at[6]:at[7]])] * 3600
	}
	return text[:at[0]] + " " + text[at[1]:]
}

// date reads a date.
func (p *parts) date(text string) bool {
	if m := isoDate.FindStringSubmatch(text); m != nil {
		p.ordered = true
		return p.set(m[1], m[2], m[3])
	}
	if m := cjkDate.FindStringSubmatch(text); m != nil {
		p.ordered = true
		return p.set(m[1], m[2], m[3])
	}
	if m := yearLast.FindStringSubmatch(text); m != nil {
		p.dots = m[2] == "."
		return p.set(m[4], m[1], m[3])
	}
	return p.words(text)
}

// set sets the numbers of the date. A year of two digits is from 1969 to 2068, as in POSIX.
func (p *parts) set(year, first, second string) bool {
	for _, part := range []struct {
		text string
		to   *int
	}{{year, &p.year}, {first, &p.first}, {second, &p.second}} {
		n, err := strconv.Atoi(part.text)
		if err != nil {
			return false
		}
		*part.to = n
	}
	if len(year) == 2 {
		p.year += 1900
		if p.year < 1969 {
			p.year += 100
		}
	}
	return true
}

// words reads a date with the name of a month: "January 14, 2014", "14 Jan 2014", "Tue Jan 14
// 2014". Other words must be among those that go with dates.
func (p *parts) words(text string) bool {
	text = ordinal.ReplaceAllString(text, "$1")
	var numbers []string
	for _, w := range word.FindAllString(text, -1) {
		w = strings.ToLower(w)
		switch {
		case w[0] >= '0' && w[0] <= '9':
			numbers = append(numbers, w)
		case monthOf(w) > 0 && p.first == 0:
			p.first = monthOf(w)
		case !isFiller(w):
			return false
		}
	}
	return p.first != 0 && len(numbers) == 2 && p.dayAndYear(numbers[0], numbers[1])
}

// dayAndYear sets the day and the year of a date with the name of a month; a number of four digits
// is the year.
func (p *parts) dayAndYear(day, year string) bool {
	if len(day) == 4 {
		day, year = year, day
	}
	if len(day) > 2 || len(year) != 4 && len(year) != 2 {
		return false
	}
	p.ordered = true
	return p.set(year, strconv.Itoa(p.first), day)
}

// order returns the order of day and month.
func (p parts) order() Order {
	switch {
	case p.ordered:
		return None
	case p.first > 12 && p.second <= 12:
		return DayFirst
	case p.second > 12 && p.first <= 12:
		return MonthFirst
	case p.first > 12:
		return None
	case p.dots:
		return DayFirst
	default:
		return Either
	}
}

// monthAndDay returns the month and the day; ok is false if both readings of a date are possible.
func (p parts) monthAndDay(order Order) (month, day int, ok bool) {
	own := p.order()
	if own == Either || p.dots && (order == DayFirst || order == MonthFirst) {
		own = order
	}
	switch {
	case p.ordered || own == MonthFirst:
		return p.first, p.second, true
	case own == DayFirst:
		return p.second, p.first, true
	default:
		return p.first, p.second, p.first == p.second
	}
}

// seconds returns the Unix seconds of the parts.
func (p parts) seconds(order Order) (int64, bool) {
	month, day, ok := p.monthAndDay(order)
	if !ok || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	midnight := time.Date(p.year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if midnight.Day() != day {
		return 0, false
	}
	return midnight.Unix() + int64(p.hour*3600+p.minute*60+p.sec-p.offset), true
}
