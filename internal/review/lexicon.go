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

// What makes a word a feature: it stands in enough of the training reviews, and often enough as a
// noun does.
const (
	lexiconSample  = 200_000 // training reviews that are counted, spread over all users
	lexiconShare   = 0.001   // of the counted reviews must hold a word as a noun
	lexiconFewest  = 3
	lexiconNouns   = 0.25 // of a word's reviews must hold it as a noun
	lexiconLongest = 5000
)

// extract runs the extractor over every review of the sequences, inside DuckDB, so that texts never
// gather in memory.
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
		`CREATE TABLE told AS SELECT split, sequence."user", sequence.item, pos, explain(coalesce("text", ''), coalesce(summary, '')) AS said
			FROM sequence JOIN source USING (row)`,
		`CREATE TABLE said AS SELECT * FROM told WHERE said <> '' ORDER BY split, "user", pos`,
		`DROP TABLE told`,
	} {
		if err := r.db.exec(ctx, step); err != nil {
			return err
		}
	}
	return errors.Join(
		r.db.count(ctx, `SELECT count(*), count(*) FILTER (split = 'train'), count(*) FILTER (split = 'val'),
			count(*) FILTER (split = 'test') FROM said`, &r.sum.Explanations, &r.sum.Train, &r.sum.Val, &r.sum.Test),
		r.db.count(ctx, `SELECT count(*) FROM said WHERE split <> 'train' AND EXISTS
			(SELECT 1 FROM said AS t WHERE t.split = 'train' AND t."user" = said."user" AND hash(t.said) = hash(said.said))`, &r.sum.Repeated),
	)
}

// lexicon counts the training reviews' words (those of validation and test stay unseen).
func (r *run) lexicon(ctx context.Context) (Lexicon, error) {
	counter := newScorer(nil)
	if err := r.db.function("evidence", 1, func(args []string) string { return strings.Join(counter.featureWords(args[0]), " ") }); err != nil {
		return nil, err
	}
	var train int
	if err := r.db.count(ctx, `SELECT count(*) FROM sequence WHERE split = 'train'`, &train); err != nil {
		return nil, err
	}
	every := max(1, train/lexiconSample)
	if err := r.db.exec(ctx, fmt.Sprintf(`CREATE TABLE evidence AS SELECT evidence(coalesce("text", '')) AS words
		FROM sequence JOIN source USING (row) WHERE split = 'train' AND sequence."user" %% %d = 0`, every)); err != nil {
		return nil, err
	}
	if err := r.db.exec(ctx, `CREATE TABLE word AS SELECT word, count(*) AS n
		FROM (SELECT unnest(string_split(words, ' ')) AS word FROM evidence) GROUP BY word`); err != nil {
		return nil, err
	}
	fewest := max(lexiconFewest, int(lexiconShare*float64(train/every)))
	lexicon := Lexicon{}
	for entry, err := range rows(ctx, r.db, scanWord, `SELECT w.word, noun.n FROM word AS w JOIN word AS noun ON noun.word = '+' || w.word
		WHERE noun.n >= ? AND noun.n >= ? * w.n ORDER BY noun.n DESC, w.word LIMIT ?`, fewest, lexiconNouns, lexiconLongest) {
		if err != nil {
			return nil, err
		}
		lexicon[entry.word] = entry.n
	}
	return lexicon, r.db.exec(ctx, `DROP TABLE evidence; DROP TABLE word`)
}

type wordCount struct {
	word string
	n    int
}

func scanWord(row *sql.Rows) (w wordCount, err error) { return w, row.Scan(&w.word, &w.n) }

// function makes a Go function of texts callable from SQL; DuckDB calls it from its own threads.
func (s *store) function(name string, args int, do func([]string) string) error {
	text, err := duckdb.NewTypeInfo(duckdb.TYPE_VARCHAR)
	if err != nil {
		return err
	}
	inputs := make([]duckdb.TypeInfo, args)
	for i := range inputs {
		inputs[i] = text
	}
	return duckdb.RegisterScalarUDF(s.conn, name, &function{duckdb.ScalarFuncConfig{InputTypeInfos: inputs, ResultTypeInfo: text}, do})
}

// function is one of ours as DuckDB wants it.
type function struct {
	config duckdb.ScalarFuncConfig
	do     func([]string) string
}

// Config says the types.
func (f *function) Config() duckdb.ScalarFuncConfig { return f.config }

// Executor calls the function for one row.
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
