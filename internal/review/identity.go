package review

import (
	"regexp"
	"slices"
	"strings"

	"rdrec/internal/pseudonym"
)

// absent are what Python, pandas and databases write where there is no value.
var absent = []string{"NaN", "nan", "NaT", "None", "null", "NULL", "<NA>", `\N`}

// givenSQL returns the SQL of the macro of values that are not absent.
func givenSQL() string {
	return `CREATE MACRO given(value) AS CASE WHEN value IN (` + quotedList(absent) + `) THEN NULL ELSE value END`
}

// floatID matches an id that pandas made a float because some rows have none.
const floatID = `^(-?[0-9]+)[.]0+$`

// identitySQL creates the macro of ids.
const identitySQL = `CREATE MACRO identity(value) AS regexp_replace(trim(given(value)), '` + floatID + `', '\1')`

// userColumn is the index of the user's id among a row's values.
const userColumn = 0

var floatUser = regexp.MustCompile(floatID)

// userOf returns the pseudonym of a user's id as macro identity returns it, so that one user has
// one pseudonym in all files; the text itself without a key, if no user is given, or if it is a
// pseudonym: files that were imported in part have them.
func userOf(key pseudonym.Key, text string) string {
	if key.IsZero() || slices.Contains(absent, text) || pseudonym.Is(text) {
		return text
	}
	return key.Of(floatUser.ReplaceAllString(strings.Trim(text, " "), "$1"))
}
