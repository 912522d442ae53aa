package review

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// checkRowsSQL creates a table of the source's rows with the columns that decide whether to keep
// each. With pseudonyms, the values of an unreadable row are not shown: a shifted row has the
// user's id in another column.
func checkRowsSQL(format string, pseudonyms bool) string {
	shown, snippet := shownSQL, `left(
			concat_ws(' ', 'user=' || "user", 'item=' || item, 'time=' || "time", 'rating=' || rating), 500)`
	if pseudonyms {
		shown, snippet = lengthSQL, `NULL`
	}
	return `
	CREATE TABLE checked AS
	WITH trimmed AS (
		SELECT row, nullif(trim("user"), '') AS "user", nullif(trim(item), '') AS item,
			nullif(trim("time"), '') AS "time", nullif(trim(rating), '') AS rating
		FROM source
	), numbered AS (
		SELECT *, try_cast(CASE WHEN regexp_full_match(rating, '[0-9]+,[0-9]+') THEN replace(rating, ',', '.')
			ELSE rating END AS DOUBLE) AS stars, ` + numberSQL + `
		FROM trimmed
	), timed AS (
		SELECT numbered.*, coalesce(` + timeSQL(format) + `, written.unix) AS sec
		FROM numbered LEFT JOIN written ON spelling = "time"
	)
	SELECT row, "user", item, sec, stars,
		CASE
			WHEN "user" IS NULL THEN 'user is missing'
			WHEN item IS NULL THEN 'item is missing'
			WHEN "time" IS NULL THEN 'time is missing'
			WHEN sec IS NULL OR abs(sec) >= 1099511627776 THEN 'time ' || ` + shown(`"time"`) + ` || ' is not a time'
			WHEN rating IS NOT NULL AND NOT coalesce(isfinite(stars), false)
				THEN 'rating ' || ` + shown(`rating`) + ` || ' is not a number'
		END AS reason,
		reason IS NULL AND wanted(sec, stars) AS keep,
		CASE WHEN reason IS NOT NULL THEN ` + snippet + ` END AS snippet
	FROM timed`
}

// keepSQL creates the condition of the rows to keep: from a second until another, and the least
// rating.
const keepSQL = `CREATE MACRO wanted(sec, stars) AS
	sec >= %[1]d AND sec < %[2]d AND (%[3]g <= 0 OR coalesce(stars, 0) >= %[3]g)`

// shownSQL returns the SQL of a value in a message. A value with a word is described instead: in a
// file whose columns are swapped it is a customer's review.
func shownSQL(value string) string {
	return fmt.Sprintf(`CASE WHEN regexp_matches(%[1]s, '\pL{4}') THEN %[2]s ELSE '"' || left(%[1]s, 60) || '"' END`,
		value, lengthSQL(value))
}

// lengthSQL returns the SQL of a description of a value.
func lengthSQL(value string) string { return `'of ' || length(` + value + `) || ' characters'` }

// checkRows moves rows without a user, an item or a time to table bad, and filters by day and
// rating.
func (r *run) checkRows(ctx context.Context) error {
	from, until, err := r.window()
	if err != nil {
		return err
	}
	if err := r.readTimes(ctx); err != nil {
		return err
	}
	for _, step := range []string{
		fmt.Sprintf(keepSQL, from, until, r.Options.MinRating),
		checkRowsSQL(r.Options.TimeFormat, !r.UserKey.IsZero()),
		`DROP TABLE written`,
	} {
		if err := r.db.exec(ctx, step); err != nil {
			return err
		}
	}
	moveBad := `INSERT INTO bad SELECT row, reason, snippet FROM checked WHERE reason IS NOT NULL`
	if err := r.db.exec(ctx, moveBad); err != nil {
		return err
	}
	if err := r.countOddTimes(ctx); err != nil {
		return err
	}
	if err := r.checkLeastRating(ctx); err != nil {
		return err
	}
	var good int
	countGood := `SELECT count(*) FILTER (reason IS NULL), count(*) FILTER (reason IS NULL AND NOT keep) FROM checked`
	if err := r.db.count(ctx, countGood, &good, &r.sum.Filtered); err != nil {
		return err
	}
	if err := r.db.count(ctx, `SELECT count(*) FROM bad`, &r.sum.Bad); err != nil {
		return err
	}
	r.sum.Rows = good + r.sum.Bad
	return nil
}

// checkLeastRating returns an error if the least rating to keep is above all ratings.
func (r *run) checkLeastRating(ctx context.Context) error {
	var greatest sql.NullFloat64
	query := `SELECT max(stars) FROM checked WHERE reason IS NULL`
	if r.Options.MinRating == 0 {
		return nil
	}
	if err := r.db.conn.QueryRowContext(ctx, query).Scan(&greatest); err != nil {
		return queryError(err, query)
	}
	if greatest.Valid && greatest.Float64 < r.Options.MinRating {
		return fmt.Errorf("%w: min_rating %g is above the greatest rating of the data, %g",
			ErrData, r.Options.MinRating, greatest.Float64)
	}
	return nil
}

// window returns the time range of the reviews to keep, in Unix seconds: from the first second of
// From until before the day after To.
func (r *run) window() (from, until int64, err error) {
	from, until = -1<<40, 1<<40
	if day := r.Options.From; day != "" {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return 0, 0, fmt.Errorf("from: %w", err)
		}
		from = at.Unix()
	}
	if day := r.Options.To; day != "" {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return 0, 0, fmt.Errorf("to: %w", err)
		}
		until = at.AddDate(0, 0, 1).Unix()
	}
	if from >= until {
		return 0, 0, fmt.Errorf("from %s is after to %s", r.Options.From, r.Options.To)
	}
	return from, until, nil
}

// deduplicate keeps a user's earliest review of an item, the first in the file of equal times. The
// earliest review is when the user first interacted with the item; a later one would move the item
// behind others that followed it. From here on, DuckDB's row numbers identify users and items, and
// the key of an event, by which events are sorted, combines the second and the row.
func (r *run) deduplicate(ctx context.Context) error {
	for _, step := range []string{
		`CREATE TABLE user0 AS SELECT "user" AS id, CAST(row_number() OVER () AS INTEGER) AS u
			FROM (SELECT DISTINCT "user" FROM checked WHERE keep)`,
		`CREATE TABLE item0 AS SELECT item AS id, CAST(row_number() OVER () AS INTEGER) AS i
			FROM (SELECT DISTINCT item FROM checked WHERE keep)`,
		`CREATE TABLE event AS SELECT u, i, min((CAST(sec AS HUGEINT) + 1099511627776) * 72057594037927936 + row) AS key
			FROM checked JOIN user0 ON user0.id = checked."user" JOIN item0 ON item0.id = checked.item
			WHERE keep GROUP BY u, i`,
		`DROP TABLE checked`,
	} {
		if err := r.db.exec(ctx, step); err != nil {
			return err
		}
	}
	if err := r.db.count(ctx, `SELECT count(*) FROM event`, &r.sum.Interactions); err != nil {
		return err
	}
	r.sum.Duplicates = r.sum.Rows - r.sum.Bad - r.sum.Filtered - r.sum.Interactions
	return nil
}

// core drops users and items with too few interactions until all others have enough (the k-core).
func (r *run) core(ctx context.Context) error {
	users := fmt.Sprintf(`SELECT u FROM event GROUP BY u HAVING count(*) < %d`, r.Options.UserCore)
	items := fmt.Sprintf(`SELECT i FROM event GROUP BY i HAVING count(*) < %d`, r.Options.ItemCore)
	before := r.sum.Interactions
	for {
		var sparse int
		query := `SELECT (SELECT count(*) FROM (` + users + `)) + (SELECT count(*) FROM (` + items + `))`
		if err := r.db.count(ctx, query, &sparse); err != nil {
			return err
		}
		if sparse == 0 {
			break
		}
		r.sum.Rounds++
		for _, step := range []string{
			`CREATE TABLE kept AS SELECT * FROM event WHERE u NOT IN (` + users + `) AND i NOT IN (` + items + `)`,
			`DROP TABLE event`,
			`ALTER TABLE kept RENAME TO event`,
		} {
			if err := r.db.exec(ctx, step); err != nil {
				return err
			}
		}
	}
	if err := r.db.count(ctx, `SELECT count(*), count(DISTINCT u), count(DISTINCT i) FROM event`,
		&r.sum.Interactions, &r.sum.Users, &r.sum.Items); err != nil {
		return err
	}
	r.sum.Sparse = before - r.sum.Interactions
	if r.sum.Interactions == 0 {
		return fmt.Errorf("%w: none of %d rows is left "+
			"(%d bad, %d filtered, %d duplicates, %d below user_core %d or item_core %d)",
			ErrData, r.sum.Rows, r.sum.Bad, r.sum.Filtered, r.sum.Duplicates,
			r.sum.Sparse, r.Options.UserCore, r.Options.ItemCore)
	}
	return nil
}
