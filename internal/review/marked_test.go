package review_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/review"
	"rdrec/internal/spec"
)

// marked is a customer's review that must not be in an error.
const marked = "MARKED the case broke after two days, never again"

// TestErrorsQuoteNoReview imports files in which a review is where something else belongs.
func TestErrorsQuoteNoReview(t *testing.T) {
	t.Parallel()
	header := "user,item,time,rating,text\n"
	for name, text := range map[string]string{
		"time.csv":    header + fmt.Sprintf("a,x,%q,5,good\n", marked),
		"rating.csv":  header + fmt.Sprintf("a,x,1,%q,good\n", marked),
		"word.csv":    header + "a,x,1,MARKED,good\n",
		"quote.csv":   header + fmt.Sprintf("a,x,1,5,\"%s\"z\n", marked),
		"fields.csv":  header + fmt.Sprintf("a,x,1,5,%s,6\n", marked),
		"open.csv":    header + fmt.Sprintf("a,x,1,5,\"%s\n", marked),
		"header.csv":  fmt.Sprintf("%q,item\n1,2\n", marked),
		"line.json":   fmt.Sprintf("{\"user\": \"a\", \"text\": %q\n", marked),
		"types.json":  fmt.Sprintf("{\"user\": [%q], \"item\": \"x\", \"time\": 1}\n", marked),
		"plain.json":  marked + "\n",
		"nested.json": fmt.Sprintf("{\"user\": \"a\", \"item\": \"x\", \"time\": %q, \"rating\": 5}\n", marked),
	} {
		opts := options(writeFile(t, name, text))
		opts.MaxBad = 0
		_, err := review.Import(context.Background(), opts, 1, t.TempDir())
		if err == nil || strings.Contains(err.Error(), "MARKED") || strings.Contains(err.Error(), "broke") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIngestErrorsQuoteNoReview ingests sources whose rows DuckDB cannot read; its own messages
// quote them.
func TestIngestErrorsQuoteNoReview(t *testing.T) {
	t.Parallel()
	rows := strings.Repeat("1,good\n", 30_000)
	for name, c := range map[string]struct{ text, watermark string }{
		"types.csv":  {"loaded,text\n" + rows + fmt.Sprintf("%q,good\n", marked), ""},
		"fields.csv": {"loaded,text\n" + rows + fmt.Sprintf("2,%s,3,4\n", marked), ""},
		"quote.csv":  {"loaded,text\n" + rows + fmt.Sprintf("2,\"%s\n", marked), ""},
		"line.json":  {"{\"loaded\": 1}\n" + fmt.Sprintf("{\"loaded\": %s\n", marked), ""},
		"after.csv":  {"loaded,text\n" + rows, marked},
	} {
		source := spec.Source{Path: writeFile(t, name, c.text), Watermark: "loaded"}
		_, err := review.IngestSource(t.Context(), source, c.watermark, filepath.Join(t.TempDir(), "out.parquet"),
			review.Resources{})
		if err == nil {
			t.Logf("%s: no error", name)
			continue
		}
		found := strings.Contains(err.Error(), "MARKED") || strings.Contains(err.Error(), "broke")
		if c.watermark == "" && found {
			t.Errorf("%s: %v", name, err)
		}
	}
}
