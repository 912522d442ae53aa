package review_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/review"
	"rdrec/internal/spec"
)

func TestTablesMatchTheSpec(t *testing.T) {
	if diff := cmp.Diff(spec.Extractors(), review.MethodNames()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(spec.Formats(), review.FormatNames()); diff != "" {
		t.Error(diff)
	}
}

func TestSentences(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"One.Two! three? Four", []string{"One", "Two", "three", "Four"}},
		{
			"It costs 4.50 at example.com, 7.0 oz. of it... really",
			[]string{"It costs 4.50 at example.com, 7.0 oz. of it", "really"},
		},
		{"Line one<br />line &amp;amp; two<b>bold</b>\r\n- point", []string{"Line one", "line & two bold", "point"}},
		{"I &lt;3 it 5 < 6 &quot;yes&quot;", []string{"I <3 it 5 < 6 \"yes\""}},
		{"[[VIDEOID:abc123]] Works. [[ASIN:B000 Nice Soap]] too", []string{"Works", "Nice Soap too"}},
		{"Größe stimmt。很好！Merci\u00a0bien", []string{"Größe stimmt", "很好", "Merci bien"}},
		{"Dr. Bronner vs. the rest", []string{"Dr. Bronner vs. the rest"}},
	} {
		if diff := cmp.Diff(test.want, review.Sentences(test.text)); diff != "" {
			t.Errorf("%q: %s", test.text, diff)
		}
	}
}

func TestTitle(t *testing.T) {
	for raw, want := range map[string]string{
		"Soap &amp; <b>Brush</b>\n 2 pack":         "Soap & Brush 2 pack",
		"var aPageStart = (new Date()).getTime();": "",
		strings.Repeat("é", 300):                   strings.Repeat("é", 199) + "…",
		"  ":                                       "",
		"It&#39;s <span class=\"a-size\">nice</span> <!-- x -->": "It's nice",
	} {
		if got := review.Title(raw); got != want {
			t.Errorf("%q gives %q, want %q", raw, got, want)
		}
	}
}

func TestExtract(t *testing.T) {
	lexicon := review.Lexicon{"scent": 90, "hair": 120, "price": 200, "lid": 4}
	for _, test := range []struct {
		method, text, summary string
		explanation, feature  string
		ok                    bool
	}{
		{
			method: "sentence", text: "I bought it in May. The scent is lovely. My hair is long.",
			explanation: "The scent is lovely", feature: "scent", ok: true,
		},
		{
			method: "sentence", text: "Great price. My hair feels soft and clean now.",
			explanation: "My hair feels soft and clean now", feature: "hair", ok: true,
		},
		{
			method: "sentence", text: "The lid is great for my hair",
			explanation: "The lid is great for my hair", feature: "lid", ok: true,
		},
		{
			method: "sentence", text: "Is the scent nice? The scent is nice to have.",
			explanation: "The scent is nice to have", feature: "scent", ok: true,
		},
		{
			method: "sentence", text: "The price and the scent, both perfect!",
			explanation: "The price and the scent, both perfect", feature: "scent", ok: true,
		},
		{method: "sentence", text: "Good scent. " + strings.Repeat("hair ", 31), ok: false},
		{method: "sentence", text: "Love it. As advertised and quick to arrive.", ok: false},
		{method: "sentence", text: "", summary: "The scent is lovely", ok: false},
		{method: "summary", summary: "Five Stars", ok: false},
		{method: "summary", summary: "Lovely scent!", explanation: "Lovely scent", feature: "scent", ok: true},
		{method: "summary", summary: "Would buy again", explanation: "Would buy again", ok: true},
		{method: "summary", summary: "Great", ok: false},
	} {
		extractor, err := review.NewExtractor(test.method, "", lexicon)
		if err != nil {
			t.Fatal(err)
		}
		explanation, feature, ok := extractor.Extract(test.text, test.summary)
		if explanation != test.explanation || feature != test.feature || ok != test.ok {
			t.Errorf("%s of %q, %q gives %q, %q, %t; want %q, %q, %t", test.method, test.text, test.summary,
				explanation, feature, ok, test.explanation, test.feature, test.ok)
		}
	}
}

func TestFromPython(t *testing.T) {
	for text, want := range map[string]string{
		`{'a': 1, u'b': [None, True, -2.5e3], "c": {}}`:           `{"a": 1, "b": [null, true, -2.5e3], "c": {}}`,
		`{'it\'s': "say \"x\"", 'n': 'a"b\\\n'}`:                  `{"it's": "say \"x\"", "n": "a\"b\\\n"}`,
		`{'\xe9\u20ac\U0001f484\q': ''}`:                          `{"\u00e9\u20ac💄\\q": ""}`,
		"{'tab': '\t'}":                                           `{"tab": "\u0009"}`,
		`{"a": NaN, "b": [-Infinity, true, null], "c": "N \/ x"}`: `{"a": null, "b": [null, true, null], "c": "N / x"}`,
	} {
		got, ok := review.FromPython([]byte(text))
		if !ok || string(got) != want {
			t.Errorf("%s gives %s (%t), want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{`{'open`, `{'a': naan}`, `{'a': '\x4'}`, `{'a': '\U99999999'}`, `{'a': '\`} {
		if got, ok := review.FromPython([]byte(text)); ok {
			t.Errorf("%s gives %s", text, got)
		}
	}
}

func TestParseJSONKeepsMatchingTypes(t *testing.T) {
	got, reason := review.ParseJSON([]byte(`{"overall": 5.0, "reviewTime": "09 1, 2016", "asin": 123, ` +
		`"reviewerID": "a", "unixReviewTime": 7, "reviewText": ["x"], "summary": null}`))
	want := map[string]string{"user": "a", "item": "123", "time": "7", "rating": "5.0"}
	if diff := cmp.Diff(want, got); diff != "" || reason != "" {
		t.Errorf("%s %s", diff, reason)
	}
	deep := strings.Repeat("[", 1<<20)
	if _, reason := review.ParseJSON([]byte(deep)); !strings.Contains(reason, "not JSON") {
		t.Errorf("got %q", reason)
	}
	if !slices.Contains(spec.Columns(), "summary") {
		t.Error("the columns changed")
	}
}
