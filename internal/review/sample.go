package review

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"rdrec/internal/dataset"
)

// sampleRows is the number of rows that Importer.Sample receives.
const sampleRows = 10

// sample passes the first good rows to Importer.Sample.
func (r *run) sample(ctx context.Context) error {
	if r.Sample == nil {
		return nil
	}
	scan := func(row *sql.Rows) (shown dataset.ImportedRow, err error) {
		var at, seconds int64
		var rating sql.NullFloat64
		err = row.Scan(&at, &shown.User, &shown.Item, &seconds, &rating, &shown.Text, &shown.Summary)
		shown.File, shown.Line = r.location(at)
		shown.Time = time.Unix(seconds, 0).UTC().Format(time.RFC3339)
		if rating.Valid {
			shown.Rating = &rating.Float64
		}
		return shown, err
	}
	query := `SELECT c.row, c."user", c.item, c.sec, c.stars, coalesce(s."text", ''), coalesce(s.summary, '')
		FROM (SELECT * FROM checked WHERE reason IS NULL ORDER BY row LIMIT %d) c JOIN source s ON s.row = c.row
		ORDER BY c.row`
	for shown, err := range rows(ctx, r.db, scan, fmt.Sprintf(query, sampleRows)) {
		if err != nil {
			return err
		}
		r.Sample(shown)
	}
	return nil
}
