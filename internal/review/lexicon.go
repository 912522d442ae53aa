package review

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// A word is a feature if it is used like a noun in enough of the training reviews, and in enough of
// the reviews that contain the word.
const (
	lexiconSample  = 200_000 // training reviews that are counted, sampled evenly over the users
	lexiconShare   = 0.001   // least fraction of the counted reviews that use a word like a noun
	lexiconFewest  = 3       // least number of such reviews
	lexiconNouns   = 0.25    // least fraction of the word's reviews that use it like a noun
	lexiconLongest = 5000    // most words of a lexicon
	// itemWordShare is the greatest fraction of the counted reviews that have an item word, where
	// no word lists tell nouns from other words: more frequent words are of every review.
	itemWordShare = 0.3
)

// lexicon counts the words of the training reviews that may name features in a language; validation
// and test reviews are not read.
func (r *run) lexicon(ctx context.Context, in string) (Lexicon, error) {
	words, query := newCleaner().itemWords, itemWordQuery
	lists, hasLists := findLanguage(in)
	if hasLists {
		words, query = newScorer(lists, nil).featureWords, featureQuery
	}
	function := "feature_words_" + in
	err := r.db.function(function, 1, func(args []string) string { return strings.Join(words(args[0]), " ") })
	if err != nil {
		return nil, err
	}
	var train int
	if err := r.db.count(ctx, `SELECT count(*) FROM sequence WHERE split = 'train'`, &train); err != nil {
		return nil, err
	}
	every := max(1, train/lexiconSample)
	if err := r.db.exec(ctx, fmt.Sprintf(`CREATE TABLE wordlist AS SELECT %s(coalesce("text", '')) AS words
		FROM sequence JOIN source USING (row) WHERE split = 'train' AND sequence."user" %% %d = 0`,
		function, every)); err != nil {
		return nil, err
	}
	if err := r.db.exec(ctx, `CREATE TABLE word AS SELECT word, count(*) AS n
		FROM (SELECT unnest(string_split(words, ' ')) AS word FROM wordlist) GROUP BY word`); err != nil {
		return nil, err
	}
	fewest, bound := max(lexiconFewest, int(lexiconShare*float64(train/every))), lexiconNouns
	if !hasLists {
		bound = itemWordShare * float64(train/every)
	}
	lexicon := Lexicon{}
	for entry, err := range rows(ctx, r.db, scanWord, query, fewest, bound, lexiconLongest) {
		if err != nil {
			return nil, err
		}
		lexicon[entry.word] = entry.n
	}
	return lexicon, r.db.exec(ctx, `DROP TABLE wordlist; DROP TABLE word`)
}

// The queries of the words of a lexicon: those that are used like nouns, and those that are neither
// rare nor in every review.
const (
	featureQuery = `SELECT w.word, noun.n FROM word AS w JOIN word AS noun ON noun.word = '+' || w.word
		WHERE noun.n >= ? AND noun.n >= ? * w.n ORDER BY noun.n DESC, w.word LIMIT ?`
	itemWordQuery = `SELECT word, n FROM word WHERE n >= ? AND n <= ? AND word <> '' ORDER BY n DESC, word LIMIT ?`
)

type wordCount struct {
	word string
	n    int
}

func scanWord(row *sql.Rows) (w wordCount, err error) { return w, row.Scan(&w.word, &w.n) }
