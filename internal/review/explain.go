package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"rdrec/internal/spec"
)

// Causes for which a review has no explanation.
const (
	causeNoText     = "no text"
	causeNoSentence = "no sentence of a usable length"
	causeNoFeature  = "no sentence with a feature"
)

// When the language is not set and the lists of the default find few explanations, the language is
// detected.
const (
	fewExplained  = 0.2  // the share of reviews with text below which explanations are few
	fewestTexts   = 20   // reviews with text below which nothing is detected
	leastStops    = 0.15 // the least share of stop words in texts of a language
	detectedTexts = 20_000
)

// extract finds the explanation of every review of the sequences.
func (r *run) extract(ctx context.Context) error {
	if r.Options.Extractor == spec.NoExtractor {
		return nil
	}
	r.sum.Language = cmp.Or(r.Options.Language, languages()[0].name)
	if err := r.explain(ctx, "explain", r.sum.Language); err != nil {
		return err
	}
	few := r.sum.Texts >= fewestTexts && float64(r.sum.Explanations) < fewExplained*float64(r.sum.Texts)
	if r.Options.Language != "" || !few {
		return nil
	}
	detected, err := r.detectLanguage(ctx)
	if err != nil || detected == r.sum.Language {
		return err
	}
	if err := r.db.exec(ctx, `DROP TABLE explained`); err != nil {
		return err
	}
	r.sum.Language = detected
	return r.explain(ctx, "explain_again", detected)
}

// detectLanguage returns the language with most stop words in the training reviews, or
// [spec.OtherLanguage] if no language has enough.
func (r *run) detectLanguage(ctx context.Context) (string, error) {
	stop := make([]map[string]bool, 0, len(languages()))
	for _, l := range languages() {
		stop = append(stop, l.words("stop"))
	}
	clean := newCleaner()
	err := r.db.function("stop_counts", 1, func(args []string) string { return stopCounts(clean, stop, args[0]) })
	if err != nil {
		return "", err
	}
	sums, counts := make([]string, 1+len(stop)), make([]int, 1+len(stop))
	into := make([]*int, len(counts))
	for i := range sums {
		sums[i] = fmt.Sprintf(`sum(CAST(split_part(counts, ' ', %d) AS BIGINT))`, i+1)
		into[i] = &counts[i]
	}
	err = r.db.count(ctx, fmt.Sprintf(`SELECT %s FROM (SELECT stop_counts(coalesce("text", '') || '. ' || coalesce(summary, ''))
		AS counts FROM sequence JOIN source USING (row) WHERE split = 'train' ORDER BY row LIMIT %d)`,
		strings.Join(sums, ", "), detectedTexts), into...)
	if err != nil {
		return "", err
	}
	best, most := spec.OtherLanguage, int(leastStops*float64(counts[0]))
	for i, l := range languages() {
		if counts[1+i] > most {
			best, most = l.name, counts[1+i]
		}
	}
	return best, nil
}

// explain runs the extractor with the word lists of a language, inside DuckDB, so that the texts do
// not accumulate in memory. It counts what it finds.
func (r *run) explain(ctx context.Context, function, in string) error {
	lexicon, err := r.lexicon(ctx, in)
	if err != nil {
		return err
	}
	r.sum.Features = len(lexicon)
	extractor, err := NewExtractor(r.Options.Extractor, in, lexicon)
	if err != nil {
		return err
	}
	clean, headlines := newCleaner(), r.Options.Extractor == "summary"
	err = r.db.function(function, 2, func(args []string) string {
		explanation, feature, ok := extractor.Extract(args[0], args[1])
		if !ok {
			if headlines {
				args[0] = args[1]
			}
			return cause(clean, args[0])
		}
		return feature + "\t" + explanation
	})
	if err != nil {
		return err
	}
	for _, step := range []string{
		fmt.Sprintf(`CREATE TABLE extracted AS SELECT split, sequence."user", sequence.item, pos,
				%s(coalesce("text", ''), coalesce(summary, '')) AS explanation
			FROM sequence JOIN source USING (row)`, function),
		`CREATE TABLE explained AS SELECT * FROM extracted WHERE contains(explanation, chr(9))
			ORDER BY split, "user", pos`,
	} {
		if err := r.db.exec(ctx, step); err != nil {
			return err
		}
	}
	return errors.Join(r.countCauses(ctx), r.db.exec(ctx, `DROP TABLE extracted`),
		r.db.count(ctx, `SELECT count(*), count(*) FILTER (split = 'train'), count(*) FILTER (split = 'val'),
			count(*) FILTER (split = 'test') FROM explained`,
			&r.sum.Explanations, &r.sum.Train, &r.sum.Val, &r.sum.Test),
		r.db.count(ctx, `SELECT count(*) FROM explained WHERE split <> 'train' AND EXISTS
			(SELECT 1 FROM explained AS t WHERE t.split = 'train' AND t."user" = explained."user"
				AND hash(t.explanation) = hash(explained.explanation))`, &r.sum.Repeated),
	)
}

// cause returns why a text gave no explanation.
func cause(clean cleaner, text string) string {
	list := sentences(clean.text(text))
	if len(list) == 0 {
		return causeNoText
	}
	for _, s := range list {
		if _, size := units(s); size >= minWords && size <= maxWords && len(s) <= maxBytes {
			return causeNoFeature
		}
	}
	return causeNoSentence
}

// countCauses counts the reviews without an explanation by cause.
func (r *run) countCauses(ctx context.Context) error {
	r.sum.Unexplained = map[string]int{}
	query := `SELECT explanation, count(*) FROM extracted WHERE NOT contains(explanation, chr(9))
		GROUP BY explanation ORDER BY explanation`
	for entry, err := range rows(ctx, r.db, scanWord, query) {
		if err != nil {
			return err
		}
		r.sum.Unexplained[entry.word] = entry.n
	}
	if err := r.db.count(ctx, `SELECT count(*) FROM extracted`, &r.sum.Texts); err != nil {
		return err
	}
	r.sum.Texts -= r.sum.Unexplained[causeNoText]
	return nil
}
