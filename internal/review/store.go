package review

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// pageRows is the rows of one query: the driver keeps a whole result in memory.
const pageRows = 200_000

// Resources bound what DuckDB takes of a machine. They change no result. Zero values mean the
// defaults, 4 GB and two threads.
type Resources struct {
	// MemoryMB is DuckDB's memory limit in megabytes, beyond which it spills to disk. The rest of
	// an import stays below half a gigabyte.
	MemoryMB int
	Threads  int
}

// settings returns DuckDB's settings for the resources.
func (r Resources) settings() []string {
	return []string{
		fmt.Sprintf("SET memory_limit = '%dMB'", cmp.Or(r.MemoryMB, 4096)),
		fmt.Sprintf("SET threads = %d", cmp.Or(r.Threads, 2)),
	}
}

// store is a DuckDB file in a scratch folder, used through one connection.
type store struct {
	db   *sql.DB
	conn *sql.Conn
	dir  string
}

func openStore(ctx context.Context, dir string, resources Resources) (*store, error) {
	connector, err := duckdb.NewConnector(filepath.Join(dir, "reviews.duckdb"), nil)
	if err != nil {
		return nil, err
	}
	s := &store{db: sql.OpenDB(connector), dir: dir}
	s.conn, err = s.db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	for _, setting := range append(resources.settings(),
		"SET temp_directory = "+quoted(filepath.Join(dir, "spill")),
		"SET preserve_insertion_order = false",
		"SET TimeZone = 'UTC'",
		"PRAGMA disable_checkpoint_on_shutdown",
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
	) {
		if err := s.exec(ctx, setting); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// confine ends the access of later queries to everything outside the scratch folder and the given
// files: no other file, no address, no extension, no change of a setting. What is attached stays.
func (s *store) confine(ctx context.Context, files ...string) error {
	for _, setting := range []string{
		"SET allowed_directories = [" + quoted(s.dir) + "]",
		"SET allowed_paths = [" + quotedList(files) + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if err := s.exec(ctx, setting); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) close() error { return errors.Join(s.conn.Close(), s.db.Close()) }

func (s *store) exec(ctx context.Context, query string) error {
	if _, err := s.conn.ExecContext(ctx, query); err != nil {
		return queryError(err, query)
	}
	return nil
}

// count runs a query that returns one row of integers.
func (s *store) count(ctx context.Context, query string, into ...*int) error {
	cells := make([]any, len(into))
	for i := range into {
		cells[i] = into[i]
	}
	if err := s.conn.QueryRowContext(ctx, query).Scan(cells...); err != nil {
		return queryError(err, query)
	}
	return nil
}

// columnsOf returns the names and the types of a table's columns.
func (s *store) columnsOf(ctx context.Context, table string) (names, types []string, err error) {
	scan := func(row *sql.Rows) (pair [2]string, err error) {
		var ignored any
		return pair, row.Scan(&pair[0], &pair[1], &ignored, &ignored, &ignored, &ignored)
	}
	for pair, err := range rows(ctx, s, scan, "DESCRIBE SELECT * FROM "+table) {
		if err != nil {
			return nil, nil, err
		}
		names, types = append(names, pair[0]), append(types, pair[1])
	}
	return names, types, nil
}

// rows streams a query's rows, each read by scan.
func rows[T any](
	ctx context.Context,
	s *store,
	scan func(*sql.Rows) (T, error),
	query string,
	args ...any,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		found, err := s.conn.QueryContext(ctx, query, args...)
		if err != nil {
			yield(zero, queryError(err, query))
			return
		}
		stopped := false
		for !stopped && found.Next() {
			v, err := scan(found)
			stopped = !yield(v, err) || err != nil
		}
		if err := errors.Join(found.Err(), found.Close()); err != nil && !stopped {
			yield(zero, queryError(err, query))
		}
	}
}

// pages streams the rows of a query over the numbers 1 to bounds[0] in pages of bounds[1], because
// DuckDB's driver keeps a whole result in memory. The query has two parameters, the first and the
// last number of a page.
func pages[T any](
	ctx context.Context,
	s *store,
	scan func(*sql.Rows) (T, error),
	bounds [2]int,
	query string,
) iter.Seq2[T, error] {
	last, step := bounds[0], max(1, bounds[1])
	return func(yield func(T, error) bool) {
		for from := 1; from <= last; from += step {
			for v, err := range rows(ctx, s, scan, query, from, from+step-1) {
				if !yield(v, err) || err != nil {
					return
				}
			}
		}
	}
}

// appendTo fills tables through DuckDB's appender, in one transaction.
func (s *store) appendTo(ctx context.Context, fill func([]*duckdb.Appender) error, tables ...string) error {
	if err := s.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	err := s.conn.Raw(func(raw any) (err error) {
		conn, ok := raw.(driver.Conn)
		if !ok {
			return fmt.Errorf("%T is not a driver connection", raw)
		}
		appenders := make([]*duckdb.Appender, len(tables))
		for i, table := range tables {
			if appenders[i], err = duckdb.NewAppenderFromConn(conn, "", table); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, appenders[i].Close()) }()
		}
		return fill(appenders)
	})
	if err != nil {
		return errors.Join(err, s.exec(context.WithoutCancel(ctx), "ROLLBACK"))
	}
	return s.exec(ctx, "COMMIT")
}

// quoted returns text as an SQL string.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// quotedList returns texts as SQL strings with commas between them.
func quotedList(texts []string) string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = quoted(text)
	}
	return strings.Join(all, ", ")
}

// identifier returns name as an SQL identifier.
func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
