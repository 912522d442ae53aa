package document_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/document"
)

// shop has a field of each type that the package fills.
type shop struct {
	Name   string            `yaml:"name" validate:"required"`
	Floors int               `yaml:"floors" validate:"min=1"`
	Rent   float64           `yaml:"rent"`
	Open   bool              `yaml:"open"`
	Lease  time.Duration     `yaml:"lease"`
	Goods  []string          `yaml:"goods" validate:"unique,dive,good"`
	Labels map[string]string `yaml:"labels"`
	Extra  map[string]any    `yaml:"extra"`
	Cafe   *cafe             `yaml:"cafe"`
}

type cafe struct {
	Seats int    `yaml:"seats" validate:"min=1,max=99"`
	Tea   string `yaml:"tea" validate:"oneof=green black"`
}

func (c *cafe) SetDefaults() { *c = cafe{Seats: 4, Tea: "green"} }

func read(text string, overrides ...string) (shop, error) {
	s := shop{Floors: 1}
	d := document.Read("shop.yaml", []byte(text), &s)
	for _, o := range overrides {
		d.Set(o)
	}
	if err := d.Check(document.Rule{Tag: "good", Choices: []string{"hats", "gloves"}}); err != nil {
		return s, err
	}
	return s, d.Err()
}

func TestReadFillsEveryType(t *testing.T) {
	t.Parallel()
	got, err := read(`
name: 007
floors: 010
rent: 5e-4
open: true
lease: 720h
goods: [hats, gloves]
labels: {a: b, "c d": 1}
extra: {n: 1, s: x, l: [1, 2]}
cafe:
  seats: 2
`, "goods=gloves", "cafe.tea=black", "labels=", "labels.b=1", "labels.e.f=2", "extra.n=3")
	if err != nil {
		t.Fatal(err)
	}
	want := shop{
		Name: "007", Floors: 10, Rent: 5e-4, Open: true, Lease: 720 * time.Hour, Goods: []string{"gloves"},
		Labels: map[string]string{"b": "1", "e.f": "2"},
		Extra:  map[string]any{"n": uint64(3), "s": "x", "l": []any{uint64(1), uint64(2)}},
		Cafe:   &cafe{Seats: 2, Tea: "black"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func TestDiagnostics(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		overrides  []string
		want       []string
	}{
		{"all at once, by line, overrides last", "flors: 2\nrent: much\ncafe:\n  seats: 0\n  tea: blac\n", []string{
			"rnt=1", "=x", "open=1e",
		}, []string{
			`shop.yaml: name: is required`,
			`shop.yaml:1: flors: is not a known key (did you mean "floors"?)`,
			`shop.yaml:2: rent: must be a number, not "much"`,
			`shop.yaml:4: cafe.seats: must be at least 1, not 0`,
			`shop.yaml:5: cafe.tea: "blac" is not known (did you mean "black"?)`,
			`--set rnt=1: rnt: is not a known key (did you mean "rent"?)`,
			`--set =x: is not of the form key=value (for example --set train.epochs=2)`,
			`--set open=1e: open: must be a truth value (true or false), not "1e"`,
		}},
		{"duplicate keys", "name: a\nname: b\nlabels: {a: b, a: c}\n", nil, []string{
			`shop.yaml:2: name: is a duplicate key (keep one)`, `shop.yaml:3: labels[a]: is a duplicate key (keep one)`,
		}},
		{"not finite, not whole, quoted, too big", "name: a\nrent: .inf\nfloors: 1.5\nopen: 'true'\n" +
			"cafe: {seats: 99999999999999999999}\n", nil, []string{
			`shop.yaml:2: rent: must be a number, not ".inf"`,
			`shop.yaml:3: floors: must be a whole number, not "1.5"`,
			`shop.yaml:4: open: must be a truth value (true or false) without quotes, not "true"`,
			`shop.yaml:5: cafe.seats: must be a whole number, not "99999999999999999999"`,
		}},
		{"wrong shapes", "name: [a]\ngoods: hats\ncafe: 3\nlabels: [x]\nfloors:\n", nil, []string{
			`shop.yaml:1: name: must be one value, not a list or a block`,
			`shop.yaml:2: goods: must be a list (write [hats])`,
			`shop.yaml:3: cafe: must be a block of keys`,
			`shop.yaml:4: labels: must be a block of keys`,
			`shop.yaml:5: floors: has no value (remove the key to get the default)`,
		}},
		{"anchors and merges", "name: &n a\ncafe:\n  <<: {seats: 2}\n  tea: *n\n", nil, []string{
			`shop.yaml:1: name: uses a YAML anchor, alias or tag (write the value itself)`,
			`shop.yaml:3: cafe: uses a YAML merge key (write the values themselves)`,
			`shop.yaml:4: cafe.tea: uses a YAML anchor, alias or tag (write the value itself)`,
		}},
		{"duplicate items", "name: a\ngoods: [hats, shoes, hats]\n", []string{"name.x=1"}, []string{
			`shop.yaml:2: goods: contains duplicates`,
			`--set name.x=1: name.x: "name" has no keys of its own`,
		}},
		{"unknown item", "name: a\ngoods: [hats, glove]\n", nil, []string{
			`shop.yaml:2: goods[1]: "glove" is not known (did you mean "gloves"?)`,
		}},
		{"syntax", "name: a\n  floors: [\n", nil, []string{
			`shop.yaml:1: is not YAML: mapping value is not allowed in this context`,
		}},
		{"two documents", "name: a\n---\nname: b\n", nil, []string{
			`shop.yaml:3: starts a second document (keep one document in a file)`,
		}},
		{"not a block", "hello\n", nil, []string{`shop.yaml:1: must be a block of keys`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := read(test.text, test.overrides...)
			var diagnostics document.Error
			if !errors.As(err, &diagnostics) {
				t.Fatalf("got %v, want diagnostics", err)
			}
			got := strings.Split(diagnostics.Error(), "\n")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	choices := []string{"rdrec", "pod", "p5"}
	for word, want := range map[string]string{
		"rdrek": `did you mean "rdrec"?`, "POD": `did you mean "pod"?`, "transformer": "known are rdrec, pod, p5",
	} {
		if got := document.Suggest(word, choices); got != want {
			t.Errorf("Suggest(%q) = %s, want %s", word, got, want)
		}
	}
}

func TestDiagnosticsRedactPasswords(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, override string }{
		{"name: a\ncafe: {tea: \"http://ada:hunter2@host/\"}\n", ""},
		{"name: a\ngoods: http://ada:hunter2@host/\n", ""},
		{"name: a\n", "cafe.tea=https://ada:hunter2@host:80/v1?x=y#m"},
		{"name: a\n", "nme=https://ada:hunter2@host"},
		{"name: a\n", "https://ada:hunter2@host"},
		{"name: a\n", "goods=[https://ada:b,https://hunter2@host]"},
		{"name: a\n", "rent=s3://ada:with#and/hunter2@host"},
		{"name: a\n", "rent=s3://hunter2@host/"},
	}
	for _, test := range tests {
		_, err := read(test.text, strings.Fields(test.override)...)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "://***@host") {
			t.Errorf("%q, --set %q: %v", test.text, test.override, err)
		}
	}
}

func TestRedactKeepsOtherText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"openai:https://host:8000/v1#@cf/meta/llama":          "openai:https://host:8000/v1#@cf/meta/llama",
		`"azblob://box?sas=a%2Fb&x=1" and 2`:                  `"azblob://box?***" and 2`,
		"file:///data/part-?.csv":                             "file:///data/part-?.csv",
		"from http://a:b@c/d to http://e:f@g/h, ada@host":     "from http://***@c/d to http://***@g/h, ada@host",
		`"openai:http://ada:p@ss:word@host/v1#m": no teacher`: `"openai:http://***@host/v1#m": no teacher`,
	} {
		if got := document.Redact(text); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestLimits gives a document and overrides that people do not write.
func TestLimits(t *testing.T) {
	t.Parallel()
	deep := "name: a\nextra: " + strings.Repeat("[", 80_000)
	many := make([]string, 2000)
	for i := range many {
		many[i] = "name=a"
	}
	for _, c := range []struct {
		text      string
		overrides []string
		want      string
	}{
		{deep, nil, "has 80015 bytes, the limit is 65536"},
		{deep[:60_000], nil, "has 59985 brackets, the limit is 1000"},
		{
			"name: " + strings.Repeat("- ", 30_000), nil,
			"has 29999 lists that begin on the line of another, the limit is 1000",
		},
		{"name: a", []string{"extra=" + strings.Repeat("{", 2000)}, "has 2000 brackets"},
		{"name: a", []string{"extra=" + strings.Repeat("- ", 2000)}, "has 1998 lists"},
		{"name: a", []string{"name=" + strings.Repeat("a", 5000)}, "--set name: has 5005 bytes, the limit is 4096"},
		{"name: a", many, "is given more than 1000 times"},
	} {
		if _, err := read(c.text, c.overrides...); err == nil || !strings.Contains(err.Error(), c.want) ||
			len(err.Error()) > 500 {
			t.Errorf("got %.500v, want %q", err, c.want)
		}
	}
}

// TestHiddenFieldsAreNoKeys sets a field that no document may set.
func TestHiddenFieldsAreNoKeys(t *testing.T) {
	t.Parallel()
	var got struct {
		Name   string `yaml:"name"`
		Secret string `yaml:"-"`
	}
	d := document.Read("shop.yaml", []byte("name: Hats\n"), &got)
	d.Set("-=x")
	if err := d.Err(); err == nil || got.Secret != "" {
		t.Errorf("%v; the field is %q", err, got.Secret)
	}
}

// TestErrorsAreBounded has thousands of problems, and one of a text that is as long as a document
// may be.
func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	keys := strings.Builder{}
	for i := range 4000 {
		fmt.Fprintf(&keys, "k%d: &a%d x\n", i, i)
	}
	for name, c := range map[string]struct{ text, want string }{
		"many": {keys.String(), " more problems"},
		"long": {"name: " + strings.Repeat("|", 60_000), "is not YAML: "},
		"key":  {strings.Repeat("k", 60_000) + ": 1", "is not a known key"},
	} {
		if _, err := read(c.text); err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 40_000 {
			t.Errorf("%s: %.500v", name, err)
		}
	}
}
