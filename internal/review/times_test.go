package review_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/review"
	"rdrec/internal/spec"
)

// timesOf imports one user's reviews with these times and returns the times in ISO form, "bad" for
// quarantined ones.
func timesOf(t *testing.T, format string, times ...string) ([]string, error) {
	t.Helper()
	lines := "user,item,time\n"
	for i, text := range times {
		lines += fmt.Sprintf("a,i%02d,\"%s\"\n", i, text)
	}
	opts := options(writeFile(t, "t.csv", lines))
	opts.TimeFormat, opts.MaxBad = format, 1
	dir := t.TempDir()
	if _, err := review.Import(t.Context(), opts, 1, dir); err != nil {
		return nil, err
	}
	d := read(t, dir)
	got := make([]string, len(times))
	for i := range got {
		got[i] = "bad"
	}
	for i, item := range d.Users[0].Items {
		var n int
		if _, err := fmt.Sscanf(d.ItemIDs[item-1], "i%d", &n); err != nil {
			t.Fatal(err)
		}
		got[n] = time.Unix(d.Users[0].Times[i], 0).UTC().Format("2006-01-02 15:04:05")
	}
	return got, nil
}

func TestTimesOfEveryForm(t *testing.T) {
	t.Parallel()
	forms := [][2]string{ // the text and what it means
		{"20140115", "2014-01-15 00:00:00"},
		{"20140115.0", "2014-01-15 00:00:00"},
		{"201401150930", "2014-01-15 09:30:00"},
		{"20140115093000", "2014-01-15 09:30:00"},
		{"20140230", "bad"},
		{"20141301000000", "bad"},
		{"1389778200", "2014-01-15 09:30:00"},
		{"1389778200.75", "2014-01-15 09:30:00"},
		{"1.3897782e9", "2014-01-15 09:30:00"},
		{"1389778200000", "2014-01-15 09:30:00"},
		{"-9223372036854775808", "bad"},
		{"9223372036854775807", "bad"},
		{"-9223372036854775809", "bad"},
		{"9300000000000000000", "bad"},
		{"2014-01-15T09:30:00+02:00", "2014-01-15 07:30:00"},
		{"2014-01-15 09:30:00.123456789", "2014-01-15 09:30:00"},
		{"2014/1/5", "2014-01-05 00:00:00"},
		{"15-01-2014 09:30", "2014-01-15 09:30:00"},
		{"02-03-2014", "2014-03-02 00:00:00"}, // the day first, as on the line before
		{"January 15, 2014", "2014-01-15 00:00:00"},
		{"Wed, 15 Jan 2014 09:30:00 GMT", "2014-01-15 09:30:00"},
		{"01 15, 2014", "2014-01-15 00:00:00"}, // the dumps' reviewTime
		{"NaT", "bad"},
		{"01-02-03", "2003-02-01 00:00:00"},
		{"soon", "bad"},
	}
	var texts, want []string
	for _, form := range forms {
		texts, want = append(texts, form[0]), append(want, form[1])
	}
	got, err := timesOf(t, "", texts...)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if got[i] != want[i] {
			t.Errorf("%s is %s, want %s", text, got[i], want[i])
		}
	}
}

func TestTimeFormats(t *testing.T) {
	t.Parallel()
	ambiguous := []string{"01/02/2014", "03/04/2014", "05/06/2014"}
	for _, c := range []struct {
		format string
		times  []string
		want   []string
	}{
		{spec.DayFirst, ambiguous, []string{"2014-02-01", "2014-04-03", "2014-06-05"}},
		{spec.MonthFirst, ambiguous, []string{"2014-01-02", "2014-03-04", "2014-05-06"}},
		{"%d/%m/%Y", ambiguous, []string{"2014-02-01", "2014-04-03", "2014-06-05"}},
		{"", []string{"01/02/2014", "03/04/2014", "05/16/2014"}, []string{"2014-01-02", "2014-03-04", "2014-05-16"}},
		{
			spec.DayFirst,
			[]string{"01/02/2014", "03/04/2014", "05/06/2014", "05/16/2014"},
			[]string{"2014-02-01", "2014-04-03", "2014-06-05", "2014-05-16"},
		},
		{
			spec.UnixTime,
			[]string{"20140115", "20140116", "20140230"},
			[]string{"1970-08-22", "1970-08-22", "1970-08-22"},
		},
		{
			"%Y.%j",
			[]string{"2014.015", "2014.016", "2014.017", "x"},
			[]string{"2014-01-15", "2014-01-16", "2014-01-17", "bad"},
		},
	} {
		got, err := timesOf(t, c.format, c.times...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i], _, _ = strings.Cut(got[i], " ")
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v with %q (-want +got):\n%s", c.times, c.format, diff)
		}
	}
	for want, times := range map[string][]string{
		`time "01/02/2014" may begin with the day or with the month, and no other time tells`: ambiguous,
		"1 times begin with the day and 2 with the month": {
			"15/01/2014", "01/15/2014", "01/16/2014", "01/02/2014",
		},
	} {
		if _, err := timesOf(t, "", times...); !errors.Is(err, review.ErrData) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", times, err, want)
		}
	}
}

// TestParquetValues: types of Parquet that other programs write, in a file whose name looks like a
// pattern.
func TestParquetValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "part[1]*.parquet")
	query := `COPY (SELECT * FROM (VALUES
		(15.0::DOUBLE, 1::UBIGINT, TIMESTAMPTZ '2014-01-15 09:30:00+02', 'NaN'::DOUBLE, 'gr\xC3\xBCn'::BLOB, ['a']),
		(15.0, 2, '2014-01-16', 4.5, 'gr\xFCn', []), (15.0, 3, '2014-01-17', 5, NULL, NULL),
		(123456789012345680.0, 3, '2014-01-17', 5, NULL, NULL), (NULL, 3, '2014-01-17', 5, NULL, NULL)
		) t("User", item, "time", rating, "text", summary)) TO '` + filepath.Join(dir, "plain.parquet") + `' (FORMAT parquet)`
	writeParquet(t, query)
	if err := os.Rename(filepath.Join(dir, "plain.parquet"), path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "part1x.parquet"), []byte("another file"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := options(path)
	opts.MaxBad = 0.5
	out, sum := importInto(t, opts)
	if sum.Rows != 5 || sum.Bad != 1 || sum.Replaced != 1 || sum.Sparse != 1 {
		t.Errorf("%+v", sum)
	}
	d := read(t, out)
	if diff := cmp.Diff(map[string][]string{"15": {"1", "2", "3"}}, shopSequences(d)); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{1389771000, 1389830400, 1389916800}, d.Users[0].Times); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
}
