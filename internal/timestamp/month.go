package timestamp

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// months has the names of the months in English, German, French, Spanish, Portuguese, Italian and
// Dutch.
var months = [13]string{
	1:  "january januar jänner janvier enero janeiro gennaio januari",
	2:  "february februar février febrero fevereiro febbraio februari",
	3:  "march märz maerz mars marzo março marco maart mrt",
	4:  "april avril abril aprile",
	5:  "may mai mayo maio maggio mei",
	6:  "june juni juin junio junho giugno",
	7:  "july juli juillet julio julho luglio",
	8:  "august août agosto augustus",
	9:  "september septembre septiembre setembro settembre sept",
	10: "october oktober octobre octubre outubro ottobre",
	11: "november novembre noviembre novembro",
	12: "december dezember décembre diciembre dezembro dicembre",
}

// shortestMonth is the number of letters of the shortest abbreviation.
const shortestMonth = 3

// monthOf returns the number of the month that a word of lower-case letters names, whole or
// abbreviated; 0 if there is none, or more than one.
func monthOf(w string) int {
	if utf8.RuneCountInString(w) < shortestMonth {
		return 0
	}
	found := 0
	for month, names := range months {
		if !slices.ContainsFunc(strings.Fields(names), func(name string) bool { return strings.HasPrefix(name, w) }) {
			continue
		}
		if found != 0 {
			return 0
		}
		found = month
	}
	return found
}

// fillers are the words that go with dates: days of the week as prefixes of their names, and what
// shops write before a date.
var fillers = []string{
	"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
	"montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag",
	"lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
	"posted", "reviewed", "written", "published", "updated", "on", "at", "of", "de", "del", "the", "le", "um", "uhr",
}

// shortestDay is the number of letters of the shortest abbreviation of a day of the week.
const shortestDay = 2

func isFiller(w string) bool {
	return slices.Contains(fillers, w) || utf8.RuneCountInString(w) >= shortestDay &&
		slices.ContainsFunc(fillers[:21], func(day string) bool { return strings.HasPrefix(day, w) })
}
