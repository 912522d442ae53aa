package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/spec"
)

// Drawn is what was new in a source.
type Drawn struct {
	Rows int
	// Unmarked rows have no watermark: they are never drawn.
	Unmarked int
	// Watermark is the greatest value that was drawn, as text; empty where nothing was.
	Watermark string
}

// Draw writes the rows of a source above a watermark (all, where it is empty) into a Parquet file, if there are any. The same rows give
// the same file. A source that cannot be read as it says is [ErrSettings].
func Draw(ctx context.Context, from spec.Source, after, file string) (out Drawn, err error) {
	scratch, err := os.MkdirTemp(filepath.Dir(file), ".draw-")
	if err != nil {
		return out, fmt.Errorf("draw from %q: %w", from.Path, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	db, err := openStore(ctx, scratch, defaultMemoryMB)
	if err != nil {
		return out, fmt.Errorf("draw from %q: %w", from.Path, err)
	}
	defer func() { err = errors.Join(err, db.close()) }()
	d := &drawing{db: db, column: identifier(from.Watermark)}
	if err := d.open(ctx, from, after); err != nil {
		return out, fmt.Errorf("draw from %q by %q: %w: %w", from.Path, from.Watermark, ErrSettings, err)
	}
	if err := d.draw(ctx, file); err != nil {
		return d.Drawn, fmt.Errorf("draw from %q by %q: %w", from.Path, from.Watermark, diskFull(err))
	}
	return d.Drawn, nil
}

// drawing is a running [Draw].
type drawing struct {
	Drawn
	db *store
	// column is the watermark's, bounds the condition that holds for what is new.
	column, bounds string
}

// open makes the source the view "source" and finds what of it is new: up to the greatest watermark that it has now, so that rows which
// come in meanwhile are the next night's.
func (d *drawing) open(ctx context.Context, from spec.Source, after string) error {
	table := quoted(from.Path) // DuckDB knows the kind of a file by its name
	if from.IsDatabase() {
		if _, err := os.Stat(from.Path); err != nil {
			return err
		}
		if err := d.db.exec(ctx, "ATTACH "+quoted(from.Path)+" AS shop (READ_ONLY)"); err != nil {
			return err
		}
		table = "shop." + identifier(from.Table)
	}
	if err := d.db.exec(ctx, "CREATE VIEW source AS SELECT * FROM "+table); err != nil {
		return err
	}
	var kind string
	var greatest sql.NullString
	look := fmt.Sprintf("SELECT any_value(typeof(%[1]s)), CAST(max(%[1]s) AS VARCHAR) FROM source", d.column)
	if err := d.db.conn.QueryRowContext(ctx, look).Scan(&kind, &greatest); err != nil {
		return err
	}
	if !greatest.Valid {
		d.bounds = "false"
		return nil
	}
	d.Watermark = greatest.String
	d.bounds = fmt.Sprintf("%s <= CAST(%s AS %s)", d.column, quoted(d.Watermark), kind)
	if after != "" {
		d.bounds += fmt.Sprintf(" AND %s > CAST(%s AS %s)", d.column, quoted(after), kind)
	}
	return nil
}

func (d *drawing) draw(ctx context.Context, file string) error {
	count := fmt.Sprintf("SELECT count(*) FILTER (%s), count(*) FILTER (%s IS NULL) FROM source", d.bounds, d.column)
	if err := d.db.count(ctx, count, &d.Rows, &d.Unmarked); err != nil || d.Rows == 0 {
		d.Watermark = ""
		return err
	}
	return d.db.exec(ctx, fmt.Sprintf("COPY (SELECT * FROM source WHERE %s ORDER BY ALL) TO %s (FORMAT parquet)", d.bounds, quoted(file)))
}
