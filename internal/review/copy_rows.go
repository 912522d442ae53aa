package review

import (
	"context"
	"fmt"
	"strings"

	"rdrec/internal/spec"
)

// plainParquet are the options of files of reviews in the bucket. They are not compressed, so that
// forgetting a user finds those that name the user.
const plainParquet = "(FORMAT parquet, COMPRESSION uncompressed)"

// copyRows writes the rows to Copy.
func (r *run) copyRows(ctx context.Context) error {
	if r.Copy == "" {
		return nil
	}
	names := r.Options.ForCopy().Columns
	var columns, nulls []string
	for _, name := range spec.Columns() {
		as := name
		if own, ok := names[name]; ok {
			as = own
		}
		columns = append(columns, identifier(name)+" AS "+identifier(as))
		nulls = append(nulls, "NULL")
	}
	var unread int
	if err := r.db.count(ctx, `SELECT count(*) FROM bad b ANTI JOIN source s ON s.row = b.row`, &unread); err != nil {
		return err
	}
	return r.db.exec(ctx, fmt.Sprintf(`COPY (SELECT * FROM (SELECT %s FROM source ORDER BY row)
		UNION ALL SELECT %s FROM range(%d)) TO %s %s`,
		strings.Join(columns, ", "), strings.Join(nulls, ", "), unread, quoted(r.Copy), plainParquet))
}
