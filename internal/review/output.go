package review

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"path/filepath"
	"strings"

	"rdrec/internal/dataset"
)

// The files that an import adds to the dataset's.
const (
	quarantineFile = "quarantine.jsonl"
	summaryFile    = "import.json"
	maxShownBad    = 5
)

// quarantine writes the bad rows, in the order of the files, and stops the import if there are too
// many. The file stays in both cases.
func (r *run) quarantine(ctx context.Context) error {
	sort := `CREATE TABLE sorted AS SELECT CAST(row_number() OVER (ORDER BY row) AS BIGINT) AS num, * FROM bad`
	if err := r.db.exec(ctx, sort); err != nil {
		return err
	}
	var first []Bad
	scan := func(row *sql.Rows) (Bad, error) {
		var at int64
		var bad Bad
		if err := row.Scan(&at, &bad.Reason, &bad.Text); err != nil {
			return bad, err
		}
		bad.File, bad.Line = r.location(at)
		return bad, nil
	}
	err := dataset.Create(filepath.Join(r.Dir, quarantineFile), func(w *bufio.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		for bad, err := range pages(ctx, r.db, scan, [2]int{r.sum.Bad, pageRows},
			`SELECT row, reason, coalesce("text", '') FROM sorted WHERE num BETWEEN ? AND ? ORDER BY num`) {
			if err != nil {
				return err
			}
			if len(first) < maxShownBad {
				first = append(first, bad)
			}
			if err := encoder.Encode(bad); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if float64(r.sum.Bad) > r.Options.MaxBad*float64(r.sum.Rows) {
		return &TooManyBadError{
			Bad: r.sum.Bad, Rows: r.sum.Rows, Max: r.Options.MaxBad, First: first, Sources: r.sum.Sources,
		}
	}
	if float64(r.sum.Replaced) > r.Options.MaxBad*float64(r.sum.Rows) {
		return &NotUTF8Error{Replaced: r.sum.Replaced, Rows: r.sum.Rows}
	}
	return r.db.exec(ctx, `DROP TABLE sorted; DROP TABLE bad`)
}

// write streams the dataset out of DuckDB and writes the summary last.
func (r *run) write(ctx context.Context) error {
	source := dataset.Source{
		UserIDs: r.ids(ctx, "usernum", r.sum.Users),
		ItemIDs: r.ids(ctx, "itemnum", r.sum.Items),
		Users:   r.users(ctx),
		Times:   r.users(ctx),
	}
	if r.sum.Explanations > 0 {
		source.Train = r.explanations(ctx, "train")
		source.Val = r.explanations(ctx, "val")
		source.Test = r.explanations(ctx, "test")
	}
	if r.Options.Metadata != "" {
		source.Titles = r.titled(ctx)
	}
	if err := dataset.Stream(r.Dir, source); err != nil {
		return err
	}
	return dataset.Create(filepath.Join(r.Dir, summaryFile), func(w *bufio.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", " ")
		return encoder.Encode(r.sum)
	})
}

func (r *run) ids(ctx context.Context, table string, count int) iter.Seq2[string, error] {
	scan := func(row *sql.Rows) (id string, err error) { return id, row.Scan(&id) }
	query := `SELECT id FROM ` + table + ` WHERE num BETWEEN ? AND ? ORDER BY num`
	return pages(ctx, r.db, scan, [2]int{count, pageRows}, query)
}

// usersAPage returns the number of users whose interactions make about a page.
func (r *run) usersAPage() int { return pageRows * r.sum.Users / r.sum.Interactions }

// users streams the users with their sequences.
func (r *run) users(ctx context.Context) iter.Seq2[dataset.User, error] {
	scan := func(row *sql.Rows) (e event, err error) { return e, row.Scan(&e.user, &e.item, &e.sec) }
	return byUser(pages(ctx, r.db, scan, [2]int{r.sum.Users, r.usersAPage()},
		`SELECT "user", item, sec FROM sequence WHERE "user" BETWEEN ? AND ? ORDER BY "user", pos`))
}

// event is an item of a user's sequence, and its time.
type event struct {
	user, item int
	sec        int64
}

// byUser joins events, which are sorted by user, to sequences. Each is valid until the next one.
func byUser(events iter.Seq2[event, error]) iter.Seq2[dataset.User, error] {
	return func(yield func(dataset.User, error) bool) {
		var u dataset.User
		for e, err := range events {
			if err != nil {
				yield(u, err)
				return
			}
			if e.user != u.ID {
				if u.ID != 0 && !yield(u, nil) {
					return
				}
				u = dataset.User{ID: e.user, Items: u.Items[:0], Times: u.Times[:0]}
			}
			u.Items, u.Times = append(u.Items, e.item), append(u.Times, e.sec)
		}
		if u.ID != 0 {
			yield(u, nil)
		}
	}
}

// explanations streams the explanations of a split, by user.
func (r *run) explanations(ctx context.Context, split string) iter.Seq2[dataset.Explanation, error] {
	scan := func(row *sql.Rows) (e dataset.Explanation, err error) {
		var explanation string
		if err := row.Scan(&e.User, &e.Item, &explanation); err != nil {
			return e, err
		}
		var ok bool
		if e.Feature, e.Explanation, ok = strings.Cut(explanation, "\t"); !ok {
			return e, fmt.Errorf("explanation of user %d and item %d has no feature column", e.User, e.Item)
		}
		return e, nil
	}
	return pages(ctx, r.db, scan, [2]int{r.sum.Users, r.usersAPage()}, `SELECT "user", item, explanation FROM explained
		WHERE split = `+quoted(split)+` AND "user" BETWEEN ? AND ? ORDER BY "user", pos`)
}

// titled streams the items that have a title and counts them.
func (r *run) titled(ctx context.Context) iter.Seq2[[2]string, error] {
	cleaner := newCleaner()
	scan := func(row *sql.Rows) (pair [2]string, err error) { return pair, row.Scan(&pair[0], &pair[1]) }
	found := pages(ctx, r.db, scan, [2]int{r.sum.Items, pageRows},
		`SELECT item, title FROM title WHERE num BETWEEN ? AND ? ORDER BY num`)
	return func(yield func([2]string, error) bool) {
		for pair, err := range found {
			pair[1] = cleaner.title(pair[1])
			if err == nil && pair[1] == "" {
				continue
			}
			r.sum.Titles++
			if !yield(pair, err) || err != nil {
				return
			}
		}
	}
}
