package review

import (
	"context"
	"errors"
)

// extract runs the extractor on every review of the sequences, inside DuckDB, so that the texts do
// not accumulate in memory.
func (r *run) extract(ctx context.Context) error {
	lexicon, err := r.lexicon(ctx)
	if err != nil {
		return err
	}
	r.sum.Features = len(lexicon)
	extractor, err := NewExtractor(r.Options.Extractor, lexicon)
	if err != nil {
		return err
	}
	err = r.db.function("explain", 2, func(args []string) string {
		explanation, feature, ok := extractor.Extract(args[0], args[1])
		if !ok {
			return ""
		}
		return feature + "\t" + explanation
	})
	if err != nil {
		return err
	}
	for _, step := range []string{
		`CREATE TABLE extracted AS SELECT split, sequence."user", sequence.item, pos,
				explain(coalesce("text", ''), coalesce(summary, '')) AS explanation
			FROM sequence JOIN source USING (row)`,
		`CREATE TABLE explained AS SELECT * FROM extracted WHERE explanation <> '' ORDER BY split, "user", pos`,
		`DROP TABLE extracted`,
	} {
		if err := r.db.exec(ctx, step); err != nil {
			return err
		}
	}
	return errors.Join(
		r.db.count(ctx, `SELECT count(*), count(*) FILTER (split = 'train'), count(*) FILTER (split = 'val'),
			count(*) FILTER (split = 'test') FROM explained`,
			&r.sum.Explanations, &r.sum.Train, &r.sum.Val, &r.sum.Test),
		r.db.count(ctx, `SELECT count(*) FROM explained WHERE split <> 'train' AND EXISTS
			(SELECT 1 FROM explained AS t WHERE t.split = 'train' AND t."user" = explained."user"
				AND hash(t.explanation) = hash(explained.explanation))`, &r.sum.Repeated),
	)
}
