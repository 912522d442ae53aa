package review_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"rdrec/internal/review"
	"rdrec/internal/spec"
)

// rowsOf returns the rows of a text, each as its line and "column=value" pairs, or the reason.
func rowsOf(t *testing.T, name, text string, set func(*spec.Reviews)) []string {
	t.Helper()
	opts := spec.DefaultReviews()
	if set != nil {
		set(&opts)
	}
	rows, err := review.ReadRows(writeFile(t, name, text), opts)
	if err != nil {
		message := err.Error()
		if _, after, found := strings.Cut(message, name+":"); found {
			message = after
		}
		return []string{"error " + message}
	}
	var got []string
	for _, row := range rows {
		var cells []string
		for _, column := range spec.Columns() {
			if value, ok := row.Values[column]; ok {
				cells = append(cells, value)
			}
		}
		if row.Reason != "" {
			cells = []string{row.Reason}
		}
		got = append(got, strings.Join(cells, "|"))
	}
	return got
}

func TestTables(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name, text string
		set        func(*spec.Reviews)
		want       []string
	}{
		{"names of other spellings", "User ID,ITEM_ID,Timestamp,Score\na,x,1,5\n", nil, []string{"a|x|1|5"}},
		{
			"food reviews",
			"ProductId,UserId,ProfileName,Score,Time,Summary,Text\nx,a,Ann,5,1,Good,\"It is good, I say\"\n", nil,
			[]string{"a|x|1|5|It is good, I say|Good"},
		},
		{"byte order mark", "\xef\xbb\xbfuser,item,time\na,x,1\n", nil, []string{"a|x|1"}},
		{"carriage returns", "user,item,time\ra,x,1\rb,y,2\r", nil, []string{"a|x|1", "b|y|2"}},
		{"Excel's first line", "sep=;\nuser;item;time\na;x;1\n", nil, []string{"a|x|1"}},
		{"bars", "user|item|time|text\na|x|1|good, nice\n", nil, []string{"a|x|1|good, nice"}},
		{"Hive", "user\x01item\x01time\na\x01x\x011\n", nil, []string{"a|x|1"}},
		{
			"spaces", "1 10 1 1389700800\n2 20 5 1389700801\n", func(o *spec.Reviews) { o.Header = &no },
			[]string{"1|10|1389700800|1", "2|20|1389700801|5"},
		},
		{
			"a delimiter of the spec", "user~item~time\na~x~1\n", func(o *spec.Reviews) { o.Delimiter = "~" },
			[]string{"a|x|1"},
		},
		{
			"a delimiter by its name", "user\titem\ttime\na\tx\t1\n",
			func(o *spec.Reviews) { o.Delimiter = spec.Tab },
			[]string{"a|x|1"},
		},
		{
			"items come first", "x,a,5.0,1\ny,b,4.0,2\n",
			func(o *spec.Reviews) { o.Columns = columns("item", "1", "user", "2", "rating", "3", "time", "4") },
			[]string{"a|x|1|5.0", "b|y|2|4.0"},
		},
		{
			"positions with a header", "wer,was,wann\na,x,1\n",
			func(o *spec.Reviews) { o.Columns = columns("user", "1", "item", "2", "time", "3") },
			[]string{"a|x|1"},
		},
		{
			"a header that is none", "user,item,time\na,x,1\n",
			func(o *spec.Reviews) { o.Header, o.Columns = &no, columns("user", "1", "item", "2", "time", "3") },
			[]string{"user|item|time", "a|x|1"},
		},
		{
			"a position beyond the last", "a,x,1\n",
			func(o *spec.Reviews) { o.Header, o.Columns = &no, columns("user", "1", "item", "2", "time", "4") },
			[]string{"error 1: data cannot be used: header is false, and columns.time is not a position from 1 to 3"},
		},
		{
			"a name without a header", "a,x,1\n",
			func(o *spec.Reviews) { o.Header, o.Columns = &no, columns("user", "who", "item", "2", "time", "3") },
			[]string{"error 1: data cannot be used: header is false, and columns.user is not a position from 1 to 3"},
		},
		{
			"a header that has no names", "who,what,when\na,x,1\n", func(o *spec.Reviews) { o.Header = &yes },
			[]string{"error 1: data cannot be used: no column for user, item, time among who, what, when " +
				"(--set data.reviews.columns='{user: NAME, item: NAME, time: NAME}' names them)"},
		},
		{
			"backslashes", "user,item,time,text\na,x,1,\"so \\\"good\\\", really\"\n", nil,
			[]string{`a|x|1|so "good", really`},
		},
		{"apostrophes", "'user','item','time','text'\n'a','x','1','good, nice'\n", nil, []string{"a|x|1|good, nice"}},
		{
			"quotes of the spec", "user\titem\ttime\ttext\na\tx\t1\t\"good\"\n",
			func(o *spec.Reviews) { o.Quote = `"` },
			[]string{"a|x|1|good"},
		},
		{"tabs, all quoted", "\"user\"\t\"item\"\t\"time\"\n\"a\"\t\"x\"\t\"1\"\n", nil, []string{"a|x|1"}},
		{
			"database dump", "user\titem\ttime\ttext\na\tx\t1\tgood\\tand\\nnice\nb\ty\t2\t\\\\N\n",
			func(o *spec.Reviews) {
				o.Quote, o.Escape = spec.NoQuote, `\`
			},
			[]string{"a|x|1|good\tand\nnice", `b|y|2|\N`},
		},
		{
			"a quote swallows no rows", "user,item,time,text\na,x,1,\"good\nb,y,2,bad\nc,z,3,\"so, so\"\n", nil,
			[]string{
				"not CSV: a quote opened here is not closed before line 3, which is a row of its own",
				"b|y|2|bad", "c|z|3|so, so",
			},
		},
		{
			"lines that look like prose are text", "user,item,time,text\na,x,1,\"good, nice, cheap, fine\nso, so, " +
				"well, ok\"\nb,y,2,bad\n",
			nil,
			[]string{"a|x|1|good, nice, cheap, fine\nso, so, well, ok", "b|y|2|bad"},
		},
		{
			"binary", "user\x00item\x00\x01\x02\nfoo", nil,
			[]string{"error 1: this is binary data of a kind that is not read (read 16 of 16 bytes, unpacked 16)"},
		},
		{"only a header", "user,item,time\n", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, rowsOf(t, "t.csv", c.text, c.set)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestJSONShapes(t *testing.T) {
	const noItem = "error  data cannot be used: no column for item among user_id, article, date " +
		"(--set data.reviews.columns='{item: NAME}' names them)"
	for _, c := range []struct {
		name, text string
		set        func(*spec.Reviews)
		want       []string
	}{
		{"keys of the error", `{"user_id": "a", "article": "x", "date": "2014-01-14"}` + "\n", nil, []string{noItem}},
		{
			"keys of the spec", `{"user_id": "a", "article": "x", "date": "2014-01-14"}` + "\n",
			func(o *spec.Reviews) { o.Columns = columns("item", "article") },
			[]string{"a|x|2014-01-14"},
		},
		{
			"a path", `{"author": {"steamid": "a"}, "app_id": 7, "created_at": 1}` + "\n",
			func(o *spec.Reviews) { o.Columns = columns("user", "author.steamid") },
			[]string{"a|7|1"},
		},
		{
			"Goodreads",
			`{"user_id": "a", "book_id": "x", "date_added": "Tue Jan 14 12:00:00 -0800 2014", ` +
				`"rating": 5, "review_text": "ok"}` + "\n",
			nil,
			[]string{"a|x|Tue Jan 14 12:00:00 -0800 2014|5|ok"},
		},
		{
			"Google's places",
			`{"user_id": 1, "gmap_id": "x", "time": 1389700800000, "rating": 5, "text": null}` + "\n", nil,
			[]string{"1|x|1389700800000|5"},
		},
		{
			"Steam's users", "{'user_id': u'a', 'user_url': '', 'reviews': [{'item_id': '1', 'posted': 'Posted " +
				"November 5, 2011.', 'review': 'it\\'s [good]', 'recommend': True}, {'item_id': '2', 'posted': " +
				"'Posted July 1, 2012.', 'review': ''}]}\n{'user_id': 'b', 'user_url': '', 'reviews': []}\n",
			nil,
			[]string{"a|1|Posted November 5, 2011.|it's [good]", "a|2|Posted July 1, 2012.|"},
		},
		{
			"an array within an object", `{"count": 2, "reviews": [{"user": "a", "item": "x", "time": 1}, ` +
				`{"user": "b", "item": ["y"], "time": 2}]}`, nil,
			[]string{"a|x|1", `record 1: "item" is a list or an object`},
		},
		{
			"objects over many lines",
			"{\n  \"user\": \"a\",\n  \"item\": \"x\",\n  \"time\": 1\n}\n{\n  \"user\": \"b\",\n  \"item\": " +
				"\"{y\",\n  \"time\": 2\n}\n",
			nil,
			[]string{"a|x|1", "b|{y|2"},
		},
		{
			"an array of Python",
			"[{'user': 'a', 'item': 'x', 'time': 1, 'text': \"it's }\"},\n {'user': 'b', 'item': 'y', 'time': 2}]",
			nil,
			[]string{"a|x|1|it's }", "b|y|2"},
		},
		{
			"an array with other values", `[{"user": "a", "item": "x", "time": 1}, 7, "so, so", null]`, nil,
			[]string{"a|x|1", "row is not an object", "row is not an object", "row is not an object"},
		},
		{
			"commas after lines",
			"{\"user\": \"a\", \"item\": \"x\", \"time\": 1},\n{\"user\": \"b\", \"item\": \"y\", \"time\": 2}\n",
			nil,
			[]string{"a|x|1", "b|y|2"},
		},
		{
			"an array cut off", `[{"user": "a", "item": "x", "time": 1},`, nil,
			[]string{"error 1: the JSON array is not closed: file is truncated (read 39 of 39 bytes, unpacked 39)"},
		},
		{
			"an object cut off", `[{"user": "a", "item": "x", "time": 1}, {"user": "b`, nil,
			[]string{
				"error 1: the JSON object that begins here is not closed: file is truncated (read 51 of 51 bytes, " +
					"unpacked 51)",
			},
		},
		{
			"numbers that are not finite",
			`{"user": "a", "item": "x", "time": 1, "rating": NaN, "price": -Infinity, "text": "NaN"}` + "\n", nil,
			[]string{"a|x|1|NaN"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, rowsOf(t, "t.json", c.text, c.set)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	const text = "user,item,time,text\na,x,1,这个表带很好用。 é\n"
	encode := func(encoder interface{ String(string) (string, error) }) string {
		encoded, err := encoder.String(text)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	little := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder()
	big := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()
	gb := encode(simplifiedchinese.GB18030.NewEncoder())
	want := []string{"a|x|1|这个表带很好用。 é"}
	for name, c := range map[string]struct {
		text, encoding string
		want           []string
	}{
		"UTF-16 named":        {encode(little), "utf-16le", want},
		"UTF-16 with a mark":  {encode(big), "", want},
		"gb18030":             {gb, "gb18030", want},
		"a damaged character": {strings.Replace(text, "é", "\xe9", 1), "", []string{"a|x|1|这个表带很好用。 \uFFFD"}},
	} {
		got := rowsOf(t, "t.csv", c.text, func(o *spec.Reviews) { o.Encoding = c.encoding })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	plain, err := little.String("user,item,time\na,x,1\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a|x|1"}, rowsOf(t, "t.csv", plain, nil)); diff != "" {
		t.Errorf("UTF-16 without a mark (-want +got):\n%s", diff)
	}
	if got := rowsOf(t, "t.csv", gb, nil); !strings.Contains(got[0], "not UTF-8 (line 2)") {
		t.Errorf("gb18030, not named: %q", got)
	}
}

// TestReplacedCharactersAreCounted: rows that lose characters count, and more than max_bad are an
// error.
func TestReplacedCharactersAreCounted(t *testing.T) {
	good := strings.Repeat("b,x,1,grün\n", 40)
	path := writeFile(t, "t.csv", "user,item,time,text\na,x,1,gr\xfcn\na,y,2,grün\na,z,3,grün\n"+good)
	opts := options(path)
	opts.MaxBad = 0.1
	if _, sum := importInto(t, opts); sum.Replaced != 1 {
		t.Errorf("%d rows lost characters, want 1", sum.Replaced)
	}
	opts.MaxBad = 0.01
	_, err := review.Import(t.Context(), opts, 1, t.TempDir())
	var lost *review.NotUTF8Error
	if !errors.As(err, &lost) || !errors.Is(err, review.ErrData) || lost.Replaced != 1 || lost.Rows != 43 {
		t.Errorf("got %v", err)
	}
}

func TestContainers(t *testing.T) {
	const text = "user,item,time\na,x,1\n"
	var zst, xzed bytes.Buffer
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	x, err := xz.NewWriter(&xzed)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []interface {
		Write(data []byte) (int, error)
		Close() error
	}{z, x} {
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	parquet, err := os.ReadFile(filepath.Join(cases, "29-parquet-types/blob.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	const packedParquet = "error 0: this is a Parquet file within gzip: unpack it"
	for name, c := range map[string]struct{ data, want string }{
		"t.csv.zst": {zst.String(), "a|x|1"},
		"t.csv.xz":  {xzed.String(), "a|x|1"},
		"t.csv.gz":  {string(parquet), packedParquet},
		"t.rar":     {"Rar!\x1a\x07\x00", "error 0: this is a RAR archive: unpack it"},
		"t.xz":      {xzed.String()[:40], "error 0: file is truncated"},
	} {
		got := rowsOf(t, name, c.data, nil)
		if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
