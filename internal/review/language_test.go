package review_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/review"
	"rdrec/internal/spec"
)

func TestExtractorReadsGerman(t *testing.T) {
	lexicon := review.Lexicon{"akku": 9, "griff": 7, "preis": 20}
	x, err := review.NewExtractor("sentence", "de", lexicon)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][2]string{
		"Gestern kam das Paket. Der Akku hält sehr lange und ist toll! Danke.": {
			"Der Akku hält sehr lange und ist toll", "akku",
		},
		"Der Preis ist gut. Leider ist der Griff schon nach einer Woche kaputt.": {
			"Leider ist der Griff schon nach einer Woche kaputt", "griff",
		},
		"Alles bestens.": {"", ""},
	} {
		explanation, feature, _ := x.Extract(text, "")
		if diff := cmp.Diff(want, [2]string{explanation, feature}); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestExtractorWithoutWordLists(t *testing.T) {
	lexicon := review.Lexicon{"电池": 16, "表带": 15, "batterie": 8, "バッテリー": 3, "ッテ": 4}
	x, err := review.NewExtractor("sentence", spec.OtherLanguage, lexicon)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][2]string{
		"你好。这个表带很好用，电池也很耐用。我喜欢！": {"这个表带很好用，电池也很耐用", "电池"},
		"很好。":                                 {"", ""},
		"Bonjour. La batterie dure longtemps": {"La batterie dure longtemps", "batterie"},
		"このバッテリーはとても長持ちします。":           {"このバッテリーはとても長持ちします", "ッテ"},
		strings.Repeat("电池", 40) + "。": {"", ""},
	} {
		explanation, feature, _ := x.Extract(text, "")
		if diff := cmp.Diff(want, [2]string{explanation, feature}); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	if _, err := review.NewExtractor("summary", spec.OtherLanguage, lexicon); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(spec.Languages(), review.LanguageNames()); diff != "" {
		t.Error(diff)
	}
}

// TestImportDetectsTheLanguage imports reviews in Chinese and in German without a setting.
func TestImportDetectsTheLanguage(t *testing.T) {
	opts := spec.DefaultReviews()
	opts.UserCore, opts.ItemCore = 3, 1
	opts.Path = filepath.Join(cases, "10-languages/zh.json")
	chinese := imported(t, opts)
	if chinese.Language != spec.OtherLanguage || chinese.Texts != 60 || chinese.Explanations != 60 ||
		len(chinese.Unexplained) != 0 {
		t.Errorf("Chinese: %+v", chinese)
	}
	opts.Path = germanReviews(t)
	german := imported(t, opts)
	if german.Language != "de" || german.Texts != 60 || german.Explanations < 50 {
		t.Errorf("German: %+v", german)
	}
	opts.Language = "xx"
	_, err := review.Import(t.Context(), opts, 1, t.TempDir())
	if !strings.Contains(fmt.Sprint(err), `language "xx" is not one of en, de, other`) {
		t.Error(err)
	}
}

func imported(t *testing.T, opts spec.Reviews) dataset.ImportSummary {
	t.Helper()
	summary, err := review.Import(t.Context(), opts, 1, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

// germanReviews writes reviews of ten users and eight items, as the 2018 dump has them.
func germanReviews(t *testing.T) string {
	t.Helper()
	things := []string{"Akku", "Griff", "Bildschirm", "Geruch", "Deckel", "Geschmack", "Riemen", "Stoff"}
	says := []string{
		"Der %s ist wirklich toll und ich bin mit dem %[1]s sehr zufrieden.",
		"Ich finde den %s leider schlecht. Nach einer Woche war er kaputt.",
		"Das war ein gutes Geschenk. Mein %s sieht schön aus!",
	}
	lines := make([]string, 0, 60)
	for n := range 60 {
		user, item := n%10, (n/10+n%10)%8
		line, err := json.Marshal(map[string]any{
			"reviewerID": fmt.Sprintf("u%d", user), "asin": fmt.Sprintf("i%d", item), "overall": 4.0,
			"unixReviewTime": 1389700800 + 86400*n, "reviewText": fmt.Sprintf(says[n%3], things[item]),
		})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	path := filepath.Join(t.TempDir(), "de.json")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
