// Command importbench shows that an import's memory does not grow with the number of reviews. In: a
// number of reviews; out: on stdout, one JSON object with the seconds of each step, the process's
// peak memory and the counts. Steps: write synthetic reviews to a Parquet file (users and items
// sampled from a power law, a few sentences of text each), import them, measure. The file is kept
// for the next run if -data names it.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the SQL driver

	"rdrec/internal/dataset"
	"rdrec/internal/review"
	"rdrec/internal/spec"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// settings are the command's flags.
type settings struct {
	reviews   int
	memory    int
	data, dir string
	limit     float64
}

// result is the output.
type result struct {
	Reviews   int                   `json:"reviews"`
	DataBytes int64                 `json:"data_bytes"`
	Generate  float64               `json:"generate_seconds"`
	Import    float64               `json:"import_seconds"`
	Steps     map[string]float64    `json:"step_seconds"`
	PeakGiB   float64               `json:"peak_rss_gib"`
	Summary   dataset.ImportSummary `json:"summary"`
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var s settings
	flags := flag.NewFlagSet("importbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.reviews, "n", 50_000_000, "number of reviews")
	flags.StringVar(&s.data, "data", "",
		"Parquet file of synthetic reviews; written if missing, and kept (default: a temporary file)")
	flags.StringVar(&s.dir, "dir", "",
		"work folder, which needs about 300 bytes of disk for each review (default: a temporary folder)")
	flags.IntVar(&s.memory, "memory", 0, "DuckDB's memory limit in megabytes (default: the importer's)")
	flags.Float64Var(&s.limit, "limit", 8, "fail if peak memory exceeds this many GiB")
	if err := flags.Parse(args); err != nil {
		return err
	}
	work, err := os.MkdirTemp(s.dir, "importbench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if s.data == "" {
		s.data = filepath.Join(work, "reviews.parquet")
	}
	got, err := measure(ctx, s, work)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(got); err != nil {
		return err
	}
	if got.PeakGiB > s.limit {
		return fmt.Errorf("peak memory is %.2f GiB, more than %g", got.PeakGiB, s.limit)
	}
	return nil
}

// measure writes the file if it is missing and imports it.
func measure(ctx context.Context, s settings, work string) (result, error) {
	got := result{Reviews: s.reviews, Steps: map[string]float64{}}
	origin := time.Now()
	clock := func() float64 { return time.Since(origin).Seconds() }
	start := clock()
	if _, err := os.Stat(s.data); errors.Is(err, os.ErrNotExist) {
		if err := generate(ctx, s.reviews, s.data, work); err != nil {
			return got, fmt.Errorf("generate: %w", err)
		}
		got.Generate = clock() - start
	}
	info, err := os.Stat(s.data)
	if err != nil {
		return got, err
	}
	got.DataBytes = info.Size()
	opts := spec.DefaultReviews()
	opts.Path = s.data
	start = clock()
	step, since := "", start
	importer := review.Importer{
		Options: opts, Seed: 1, Dir: filepath.Join(work, "out"), Resources: review.Resources{MemoryMB: s.memory},
	}
	importer.Progress = func(p review.Progress) {
		now := clock()
		if step != "" {
			got.Steps[step] += now - since
		}
		step, since = p.Step, now
		fmt.Fprintf(os.Stderr, "%7.1f s  %-12s %5.2f GiB peak\n", now-start, p.Step, peak())
	}
	got.Summary, err = importer.Run(ctx)
	got.Steps[step] += clock() - since
	got.Import, got.PeakGiB = clock()-start, peak()
	return got, err
}

// peak returns the process's peak resident memory, in GiB.
func peak() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Maxrss) / (1 << 20)
}

// generate writes n reviews over ten years, with two to four sentences each. Users and items follow
// power laws; there are at most n/10 users and n/50 items. A row is a function of its number, so
// the file is the same each time.
func generate(ctx context.Context, n int, name, work string) (err error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	const u = "(hash(i * 16 + %d) %% 1000003 / 1000003.0)"
	pick := func(salt int, words string) string {
		list := strings.Fields(words)
		return fmt.Sprintf("list_extract(['%s'], 1 + CAST(floor(%s * %d) AS INTEGER))",
			strings.Join(list, "','"), fmt.Sprintf(u, salt), len(list))
	}
	nouns := "scent skin hair texture price lid pump handle strap color " +
		"sound screen battery zipper fabric taste smell design grip brush"
	opinions := "great lovely terrible smooth cheap sturdy perfect awful " +
		"pleasant flimsy soft strong weak excellent poor nice"
	query := fmt.Sprintf(`COPY (SELECT
		'U' || CAST(floor(pow(%s, 1.6) * %d) AS BIGINT) AS "user", 'I' || CAST(floor(pow(%s, 2.2) * %d) AS BIGINT) AS item,
		1300000000 + CAST(floor(%s * 315000000) AS BIGINT) AS "time", 1 + CAST(floor(%s * 5) AS INTEGER) AS rating,
		'I bought number ' || i || ' last year. The ' || %s || ' is ' || %s || ' and I like it for the ' || %s || '. '
			|| CASE WHEN i %% 3 = 0 THEN 'My sister says it has a ' || %s || ' ' || %s || ', which is more than we hoped for! ' ELSE '' END
			|| CASE WHEN i %% 4 = 0 THEN 'Arrived on time. Would buy again?' ELSE 'No complaints about the ' || %s || '.' END AS "text",
		CASE WHEN i %% 2 = 0 THEN 'Five Stars' ELSE 'A ' || %s || ' ' || %s END AS summary
		FROM range(%d) AS r(i)) TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)`,
		fmt.Sprintf(u, 1), max(1, n/10), fmt.Sprintf(u, 2), max(1, n/50), fmt.Sprintf(u, 3), fmt.Sprintf(u, 4),
		pick(5, nouns), pick(6, opinions), pick(7, nouns), pick(8, opinions),
		pick(9, nouns), pick(10, nouns), pick(11, opinions), pick(12, nouns),
		n, strings.ReplaceAll(name, "'", "''"))
	for _, step := range []string{
		"SET memory_limit = '2GB'", "SET threads = 2", "SET preserve_insertion_order = false",
		"SET temp_directory = '" + strings.ReplaceAll(work, "'", "''") + "'", query,
	} {
		if _, err := db.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	return nil
}
