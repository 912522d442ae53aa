package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rdrec/internal/dataset"
	"rdrec/internal/fileset"
	"rdrec/internal/spec"
)

// parquetTable is a file, or a folder of files, of a dataset as Parquet tables (docs/formats.md).
type parquetTable struct {
	name string
	// columns are the columns that it has, each with its type; optional ones are NULL where they
	// are missing.
	columns, optional []string
	// order sorts its rows.
	order string
}

// parquetTables are the tables of a dataset. The last is optional.
var parquetTables = []parquetTable{
	{"users", []string{"num::INTEGER", "id::VARCHAR"}, nil, "num"},
	{"items", []string{"num::INTEGER", "id::VARCHAR"}, []string{"title::VARCHAR"}, "num"},
	{
		spec.SequenceTable,
		[]string{"user::INTEGER", "item::INTEGER", "pos::BIGINT"},
		[]string{"time::BIGINT"},
		`"user", pos`,
	},
	{
		"explanations",
		[]string{"user::INTEGER", "item::INTEGER", "feature::VARCHAR", "explanation::VARCHAR"},
		[]string{"split::VARCHAR", "preference::VARCHAR", "attribution::VARCHAR", "rating::VARCHAR"},
		`"user", item`,
	},
}

// Tables converts a folder of Parquet tables, which other programs made, to a dataset folder. It
// checks what the tables must have in common; [dataset.Read] checks the rest.
type Tables struct {
	// Folder is the folder to read, Dir the one to write.
	Folder, Dir string
	Resources   Resources
	// Progress may be nil.
	Progress func(Progress)
}

// tablesRun is a running conversion.
type tablesRun struct {
	Tables
	db           *store
	users, items int
	events       int
	explained    bool
	titled       bool
}

// Run converts the tables. Unusable tables give an error that is [ErrData].
func (t Tables) Run(ctx context.Context) (err error) {
	if err := os.MkdirAll(t.Dir, 0o755); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(t.Dir, ".tables-")
	if err != nil {
		return err
	}
	defer func() { err = diskFull(errors.Join(err, os.RemoveAll(scratch))) }()
	db, err := openStore(ctx, scratch, t.Resources)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	c := &tablesRun{Tables: t, db: db}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{{"load", c.load}, {"check tables", c.check}, {"write", c.write}} {
		if t.Progress != nil {
			t.Progress(Progress{Step: step.name})
		}
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("read tables %q: %s: %w", t.Folder, step.name, err)
		}
	}
	return nil
}

// load copies the tables into the database, sorted.
func (c *tablesRun) load(ctx context.Context) error {
	var all []string
	files := map[string][]string{}
	for _, t := range parquetTables {
		found, _, err := fileset.Find(filepath.Join(c.Folder, t.name+".parquet"))
		if err != nil && t.name != "explanations" {
			return fmt.Errorf("%w: %w", ErrData, err)
		}
		for i, name := range found {
			if found[i], err = plainName(name, c.db.dir); err != nil {
				return err
			}
			all = append(all, name, found[i])
		}
		files[t.name] = found
	}
	if err := c.db.confine(ctx, all...); err != nil {
		return err
	}
	for _, t := range parquetTables {
		if len(files[t.name]) == 0 {
			continue
		}
		if err := c.loadTable(ctx, t, "read_parquet(["+quotedList(files[t.name])+"])"); err != nil {
			return err
		}
	}
	c.explained = len(files["explanations"]) > 0
	return nil
}

// loadTable copies a table.
func (c *tablesRun) loadTable(ctx context.Context, t parquetTable, from string) error {
	names, _, err := c.db.columnsOf(ctx, from)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrData, t.name, err)
	}
	var columns []string
	for _, column := range slices.Concat(t.columns, t.optional) {
		name, as, _ := strings.Cut(column, "::")
		value := identifier(name)
		if !slices.Contains(names, name) {
			if slices.Contains(t.columns, column) {
				return fmt.Errorf("%w: %s has no column %q, but %s", ErrData, t.name, name, strings.Join(names, ", "))
			}
			value = "NULL"
		}
		c.titled = c.titled || name == "title" && value != "NULL"
		columns = append(columns, fmt.Sprintf("%s::%s AS %s", value, as, identifier(name)))
	}
	query := fmt.Sprintf("CREATE TABLE %s AS SELECT %s FROM %s ORDER BY %s", t.name, strings.Join(columns, ", "), from,
		t.order)
	if err := c.db.exec(ctx, query); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrData, t.name, err)
	}
	return nil
}

// check counts the rows, and those that fit no other table.
func (c *tablesRun) check(ctx context.Context) error {
	if err := c.db.count(ctx, `SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM items),
		(SELECT count(*) FROM sequences)`, &c.users, &c.items, &c.events); err != nil {
		return err
	}
	checks := []struct{ problem, query string }{
		{"users: num is not 1, 2, ... without a gap", numbered("users")},
		{"items: num is not 1, 2, ... without a gap", numbered("items")},
		{"users: rows without an id", "SELECT count(*) FROM users WHERE id IS NULL OR id = ''"},
		{"items: rows without an id", "SELECT count(*) FROM items WHERE id IS NULL OR id = ''"},
		{"sequences: rows whose user, item or pos is missing or in no other table", `SELECT count(*) FROM sequences s
			LEFT JOIN users u ON u.num = s."user" LEFT JOIN items i ON i.num = s.item
			WHERE u.num IS NULL OR i.num IS NULL OR s.pos IS NULL`},
		{"sequences: a user and a pos twice", `SELECT count(*) FROM (SELECT 1 FROM sequences GROUP BY "user", pos
			HAVING count(*) > 1)`},
	}
	if c.explained {
		checks = append(checks, struct{ problem, query string }{
			"explanations: rows without a text or feature, of no sequence, or of a split beside train, val and test",
			`SELECT count(*) FROM explanations e LEFT JOIN (SELECT DISTINCT "user", item FROM sequences) s
				ON s."user" = e."user" AND s.item = e.item WHERE s.item IS NULL OR coalesce(e.explanation, '') = ''
				OR coalesce(e.feature, '') = '' OR e.split NOT IN ('train', 'val', 'test')`,
		})
	}
	for _, check := range checks {
		bad := 0
		if err := c.db.count(ctx, check.query, &bad); err != nil {
			return err
		}
		if bad > 0 {
			return fmt.Errorf("%w: %s (%d)", ErrData, check.problem, bad)
		}
	}
	return nil
}

// numbered counts the rows of a table whose numbers are not 1, 2, ...
func numbered(name string) string {
	return "SELECT count(*) FROM (SELECT num, row_number() OVER (ORDER BY num) AS want FROM " + name +
		") WHERE num IS DISTINCT FROM want"
}

// write streams the dataset out of the database.
func (c *tablesRun) write(ctx context.Context) error {
	id := func(row *sql.Rows) (id string, err error) { return id, row.Scan(&id) }
	source := dataset.Source{
		UserIDs: pages(ctx, c.db, id, [2]int{c.users, pageRows},
			"SELECT id FROM users WHERE num BETWEEN ? AND ? ORDER BY num"),
		ItemIDs: pages(ctx, c.db, id, [2]int{c.items, pageRows},
			"SELECT id FROM items WHERE num BETWEEN ? AND ? ORDER BY num"),
		Users: c.sequences(ctx),
	}
	timeless := 0
	if err := c.db.count(ctx, "SELECT count(*) FROM sequences WHERE time IS NULL", &timeless); err != nil {
		return err
	}
	if timeless == 0 {
		source.Times = c.sequences(ctx)
	}
	if c.explained {
		source.Train, source.Val, source.Test = c.split(ctx, "train"), c.split(ctx, "val"), c.split(ctx, "test")
		rationales := 0
		err := c.db.count(ctx, `SELECT count(*) FROM explanations
			WHERE coalesce(preference, '') <> '' OR coalesce(attribution, '') <> ''`, &rationales)
		if err != nil {
			return err
		}
		source.Rationales = rationales > 0
	}
	if c.titled {
		title := func(row *sql.Rows) (pair [2]string, err error) { return pair, row.Scan(&pair[0], &pair[1]) }
		source.Titles = pages(ctx, c.db, title, [2]int{c.items, pageRows},
			"SELECT id, title FROM items WHERE num BETWEEN ? AND ? AND coalesce(title, '') <> '' ORDER BY num")
	}
	return dataset.Stream(c.Dir, source)
}

// usersAPage returns the number of users whose interactions make about a page.
func (c *tablesRun) usersAPage() int { return pageRows * c.users / max(c.events, 1) }

// sequences streams the users with their items and times.
func (c *tablesRun) sequences(ctx context.Context) iter.Seq2[dataset.User, error] {
	scan := func(row *sql.Rows) (e event, err error) { return e, row.Scan(&e.user, &e.item, &e.sec) }
	return byUser(pages(ctx, c.db, scan, [2]int{c.users, c.usersAPage()}, `SELECT "user", item, coalesce(time, 0)
		FROM sequences WHERE "user" BETWEEN ? AND ? ORDER BY "user", pos`))
}

// split streams the explanations of a split. Where the table has none, a user's last item is for
// testing and the one before it for validation.
func (c *tablesRun) split(ctx context.Context, split string) iter.Seq2[dataset.Explanation, error] {
	scan := func(row *sql.Rows) (e dataset.Explanation, err error) {
		return e, row.Scan(&e.User, &e.Item, &e.Feature, &e.Explanation, &e.Preference, &e.Attribution, &e.Rating)
	}
	return pages(ctx, c.db, scan, [2]int{c.users, c.usersAPage()}, `SELECT e."user", e.item, feature, explanation,
		coalesce(preference, ''), coalesce(attribution, ''), coalesce(rating, '')
		FROM explanations e JOIN (SELECT "user", item, min(pos) AS pos, min(place) AS place FROM
			(SELECT *, row_number() OVER (PARTITION BY "user" ORDER BY pos DESC) AS place FROM sequences
			WHERE "user" BETWEEN $1 AND $2) GROUP BY "user", item) s ON s."user" = e."user" AND s.item = e.item
		WHERE coalesce(split, CASE place WHEN 1 THEN 'test' WHEN 2 THEN 'val' ELSE 'train' END) = `+quoted(split)+`
		ORDER BY e."user", s.pos`)
}
