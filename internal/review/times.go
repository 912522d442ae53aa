package review

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/timestamp"
)

// isoTime matches the beginning of an ISO 8601 date or timestamp.
const isoTime = `^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([ T].*)?$`

// timeSQL returns the SQL of a time's Unix seconds where no other reading is possible: Unix
// seconds, milliseconds, microseconds or nanoseconds (distinguished by size: seconds reach 1e11 in
// the year 5138, milliseconds did in 1973), digits that are a date of the years 1900 to 2099
// (20140115, 201401150930, 20140115093000), an ISO 8601 date or timestamp (UTC where it names no
// zone), or "09 1, 2016" as in the dumps. It is NULL for all others. Numbers near the ends of 64
// bits are pandas' NaT and its like.
func timeSQL(format string) string {
	const digits = `
		WHEN whole BETWEEN 19000000 AND 20999999 THEN epoch(try_strptime(CAST(whole AS VARCHAR), '%Y%m%d'))
		WHEN whole BETWEEN 190000000000 AND 209999999999 AND regexp_full_match(CAST(whole AS VARCHAR), ` + digitsTime + `)
			THEN epoch(try_strptime(CAST(whole AS VARCHAR), '%Y%m%d%H%M'))
		WHEN whole BETWEEN 19000000000000 AND 20999999999999
			THEN epoch(try_strptime(CAST(whole AS VARCHAR), '%Y%m%d%H%M%S'))`
	const iso = `WHEN regexp_full_match("time", '` + isoTime + `') THEN floor(epoch(try_cast("time" AS TIMESTAMPTZ)))`
	dates := digits
	switch {
	case format == spec.UnixTime:
		dates = ""
	case strings.Contains(format, "%"):
		pattern := quoted(format)
		return `try_cast(floor(epoch(try_strptime("time", ` + pattern + `))) AS BIGINT)`
	}
	return `try_cast(CASE
		WHEN abs(whole) > 9200000000000000000 THEN NULL` + dates + `
		WHEN abs(whole) >= 100000000000000000 THEN whole // 1000000000
		WHEN abs(whole) >= 100000000000000 THEN whole // 1000000
		WHEN abs(whole) >= 100000000000 THEN whole // 1000
		WHEN whole IS NOT NULL THEN whole
		WHEN number IS NOT NULL THEN NULL
		` + iso + `
		ELSE epoch(try_strptime("time", '%m %d, %Y'))
	END AS BIGINT)`
}

// digitsTime matches the digits of a date with hour and minute.
const digitsTime = `'(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([01][0-9]|2[0-3])[0-5][0-9]'`

// numberSQL returns the SQL of "time" as a number and, where it is whole and fits into 64 bits, as
// an integer.
const numberSQL = `try_cast("time" AS DOUBLE) AS number,
	CASE WHEN regexp_full_match("time", '-?[0-9]+') THEN
			CASE WHEN try_cast("time" AS HUGEINT) > -9223372036854775808 THEN try_cast("time" AS BIGINT) END
		WHEN isfinite(number) AND abs(number) < 9e18 THEN CAST(floor(number) AS BIGINT) END AS whole`

// looksLikeTime reports whether a text may be a time.
func looksLikeTime(text string) bool {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return true
	}
	if regexp.MustCompile(isoTime).MatchString(text) {
		return true
	}
	_, ok := timestamp.Parse(text, timestamp.DayFirst)
	if !ok {
		_, ok = timestamp.Parse(text, timestamp.MonthFirst)
	}
	return ok
}

// readTimes creates the table "written" of the times that are written for people, with their
// seconds. The order of day and month is that of the dates which leave no doubt, unless the spec
// names it; a source in which all dates leave doubt is an error.
func (r *run) readTimes(ctx context.Context) error {
	for _, step := range []string{
		`CREATE TABLE written (spelling VARCHAR, unix BIGINT)`,
		`CREATE TABLE odd AS WITH trimmed AS (SELECT nullif(trim("time"), '') AS "time" FROM source),
			numbered AS (SELECT "time", ` + numberSQL + ` FROM trimmed)
			SELECT "time", count(*) AS n, row_number() OVER () AS num FROM numbered WHERE "time" IS NOT NULL AND number IS NULL AND
			` + timeSQL(r.Options.TimeFormat) + ` IS NULL GROUP BY "time"`,
	} {
		if err := r.db.exec(ctx, step); err != nil {
			return err
		}
	}
	order, err := r.dateOrder(ctx)
	if err != nil {
		return err
	}
	if err := r.writeTimes(ctx, order); err != nil {
		return err
	}
	return r.db.exec(ctx, `DROP TABLE odd`)
}

// oddTime is a text of the column of times, and how often it occurs.
type oddTime struct {
	text string
	n    int
}

// oddTimes passes the texts that may be times written for people to visit, page by page.
func (r *run) oddTimes(ctx context.Context, visit func([]oddTime) error) error {
	var all int
	if err := r.db.count(ctx, `SELECT count(*) FROM odd`, &all); err != nil {
		return err
	}
	scan := func(row *sql.Rows) (t oddTime, err error) { return t, row.Scan(&t.text, &t.n) }
	for from := 1; from <= all; from += pageRows {
		var page []oddTime
		for t, err := range rows(
			ctx, r.db, scan, `SELECT "time", n FROM odd WHERE num BETWEEN ? AND ?`, from, from+pageRows-1,
		) {
			if err != nil {
				return err
			}
			page = append(page, t)
		}
		if err := visit(page); err != nil {
			return err
		}
	}
	return nil
}

// dateOrder returns the order of day and month.
func (r *run) dateOrder(ctx context.Context) (timestamp.Order, error) {
	counts, example := map[timestamp.Order]int{}, ""
	err := r.oddTimes(ctx, func(page []oddTime) error {
		for _, t := range page {
			order := timestamp.OrderOf(t.text)
			counts[order] += t.n
			if order == timestamp.Either && (example == "" || t.text < example) {
				example = t.text
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return timestamp.None, err
	case r.Options.TimeFormat == spec.DayFirst:
		return timestamp.DayFirst, nil
	case r.Options.TimeFormat == spec.MonthFirst:
		return timestamp.MonthFirst, nil
	default:
		return decideOrder(counts, example)
	}
}

// decideOrder returns the order of day and month in a source, by the number of times of each order.
func decideOrder(counts map[timestamp.Order]int, example string) (timestamp.Order, error) {
	day, month := counts[timestamp.DayFirst], counts[timestamp.MonthFirst]
	switch {
	case counts[timestamp.Either] == 0:
		return timestamp.None, nil
	case day == 0 && month == 0:
		return timestamp.None, fmt.Errorf("%w: time %q may begin with the day or with the month, and no other time "+
			"tells: "+
			"set data.reviews.time_format to %s or %s", ErrData, example, spec.DayFirst, spec.MonthFirst)
	case day > 0 && month > 0:
		return timestamp.None, fmt.Errorf("%w: %d times begin with the day and %d with the month: "+
			"set data.reviews.time_format to %s or %s", ErrData, day, month, spec.DayFirst, spec.MonthFirst)
	case day > 0:
		return timestamp.DayFirst, nil
	default:
		return timestamp.MonthFirst, nil
	}
}

// writeTimes fills the table "written".
func (r *run) writeTimes(ctx context.Context, order timestamp.Order) error {
	if strings.Contains(r.Options.TimeFormat, "%") {
		return nil // the pattern alone decides
	}
	return r.oddTimes(ctx, func(page []oddTime) error {
		return r.db.appendTo(ctx, func(tables []*duckdb.Appender) error {
			for _, t := range page {
				seconds, ok := timestamp.Parse(t.text, order)
				if !ok {
					continue
				}
				if err := tables[0].AppendRow(t.text, seconds); err != nil {
					return err
				}
			}
			return nil
		}, "written")
	})
}

// countOddTimes counts the rows outside the plausible years.
func (r *run) countOddTimes(ctx context.Context) error {
	return r.db.count(ctx, fmt.Sprintf(`SELECT count(*) FROM checked WHERE reason IS NULL AND
		(sec < epoch(DATE '%d-01-01') OR sec >= epoch(DATE '%d-01-01'))`, dataset.FirstYear, dataset.LastYear+1),
		&r.sum.OddTimes)
}
