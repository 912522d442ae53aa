package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"rdrec/internal/progress"
)

// figure formats a score as in the paper's tables.
func figure(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }

// percent formats a share.
func percent(x float64) string {
	if x > 0 && x < 0.0995 {
		return strconv.FormatFloat(100*x, 'f', 1, 64) + "%"
	}
	return strconv.FormatFloat(100*x, 'f', 0, 64) + "%"
}

// pValue formats a p-value, never as 0.
func pValue(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return strconv.FormatFloat(p, 'f', 3, 64)
}

// thousands formats an integer with separators.
func thousands(n int) string { return humanize.Comma(int64(n)) }

// Duration formats seconds for people; see [progress.Duration].
func Duration(seconds float64) string {
	return progress.Duration(time.Duration(max(0, seconds) * float64(time.Second)))
}

// listed joins words as in a sentence: "a, b and c".
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// joined joins clauses that have commas of their own.
func joined(clauses []string) string { return strings.Join(clauses, "; ") }

// plurals counts a noun with an irregular plural.
func plurals(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// capital returns text with an upper-case first letter.
func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// short returns the first 12 characters of a digest.
func short(digest string) string { return digest[:min(12, len(digest))] }
