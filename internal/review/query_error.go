package review

import (
	"fmt"
	"regexp"
	"strings"
)

// databaseError is an error of DuckDB. Its message has no values of the data, which may be the
// reviews of customers.
type databaseError struct {
	message string
	err     error
}

// Error returns DuckDB's message without values, and the query.
func (q *databaseError) Error() string { return q.message }

// Unwrap returns DuckDB's error.
func (q *databaseError) Unwrap() error { return q.err }

// queryError returns the error of a query.
func queryError(err error, query string) error {
	message := fmt.Sprintf("%s (in %s)", withoutValues(err.Error()), strings.Join(strings.Fields(query), " "))
	return &databaseError{message, err}
}

// Parts of DuckDB's messages that quote values: the line of a CSV file, a value that does not
// convert to a type, and any other quotation of several words.
var (
	csvLine    = regexp.MustCompile(`(?s)Original Line:.*?\n`)
	conversion = regexp.MustCompile(`(?s)((?:convert|cast|parse) (?:string|value) )(?:'.*?'|".*?")( to|$)`)
	quotation  = regexp.MustCompile(`'[^'/\n]*\s[^'/\n]*'|"[^"/\n]*\s[^"/\n]*"`)
)

// maxMessage is the length of the longest message of DuckDB in bytes.
const maxMessage = 2000

// withoutValues removes the values of the data from a message of DuckDB.
func withoutValues(message string) string {
	message = csvLine.ReplaceAllString(message, "")
	message = conversion.ReplaceAllString(message, "$1…$2")
	message = quotation.ReplaceAllString(message, "…")
	if len(message) > maxMessage { // it names the columns of a file
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	return message
}
