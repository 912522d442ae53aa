package review

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// A word is a feature if it is used like a noun in enough of the training reviews, and in enough of
// the reviews that contain the word.
const (
	lexiconSample  = 200_000 // training reviews that are counted, sampled evenly over the users
	lexiconShare   = 0.001   // least fraction of the counted reviews that use a word like a noun
	lexiconFewest  = 3       // least number of such reviews
	lexiconNouns   = 0.25    // least fraction of the word's reviews that use it like a noun
	lexiconLongest = 5000    // most words of a lexicon
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

// lexicon counts the words of the training reviews; validation and test reviews are not read.
func (r *run) lexicon(ctx context.Context) (Lexicon, error) {
	counter := newScorer(nil)
	err := r.db.function("feature_words", 1, func(args []string) string {
		return strings.Join(counter.featureWords(args[0]), " ")
	})
	if err != nil {
		return nil, err
	}
	var train int
	if err := r.db.count(ctx, `SELECT count(*) FROM sequence WHERE split = 'train'`, &train); err != nil {
		return nil, err
	}
	every := max(1, train/lexiconSample)
	if err := r.db.exec(ctx, fmt.Sprintf(`CREATE TABLE wordlist AS SELECT feature_words(coalesce("text", '')) AS words
		FROM sequence JOIN source USING (row) WHERE split = 'train' AND sequence."user" %% %d = 0`, every)); err != nil {
		return nil, err
	}
	if err := r.db.exec(ctx, `CREATE TABLE word AS SELECT word, count(*) AS n
		FROM (SELECT unnest(string_split(words, ' ')) AS word FROM wordlist) GROUP BY word`); err != nil {
		return nil, err
	}
	fewest := max(lexiconFewest, int(lexiconShare*float64(train/every)))
	lexicon := Lexicon{}
	query := `SELECT w.word, noun.n FROM word AS w JOIN word AS noun ON noun.word = '+' || w.word
		WHERE noun.n >= ? AND noun.n >= ? * w.n ORDER BY noun.n DESC, w.word LIMIT ?`
	for entry, err := range rows(ctx, r.db, scanWord, query, fewest, lexiconNouns, lexiconLongest) {
		if err != nil {
			return nil, err
		}
		lexicon[entry.word] = entry.n
	}
	return lexicon, r.db.exec(ctx, `DROP TABLE wordlist; DROP TABLE word`)
}

type wordCount struct {
	word string
	n    int
}

func scanWord(row *sql.Rows) (w wordCount, err error) { return w, row.Scan(&w.word, &w.n) }

// function registers a Go function of texts in SQL; DuckDB calls it from its own threads.
func (s *store) function(name string, args int, do func([]string) string) error {
	text, err := duckdb.NewTypeInfo(duckdb.TYPE_VARCHAR)
	if err != nil {
		return err
	}
	inputs := make([]duckdb.TypeInfo, args)
	for i := range inputs {
		inputs[i] = text
	}
	config := duckdb.ScalarFuncConfig{InputTypeInfos: inputs, ResultTypeInfo: text}
	return duckdb.RegisterScalarUDF(s.conn, name, &function{config, do})
}

// function implements [duckdb.ScalarFunc].
type function struct {
	config duckdb.ScalarFuncConfig
	do     func([]string) string
}

// Config returns the types of the arguments and the result.
func (f *function) Config() duckdb.ScalarFuncConfig { return f.config }

// Executor returns the function that DuckDB calls for each row.
func (f *function) Executor() duckdb.ScalarFuncExecutor {
	return duckdb.ScalarFuncExecutor{RowExecutor: func(values []driver.Value) (any, error) {
		texts := make([]string, len(values))
		for i, v := range values {
			text, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("want text, got %T", v)
			}
			texts[i] = text
		}
		return f.do(texts), nil
	}}
}
