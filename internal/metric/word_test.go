package metric_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
)

func TestWords(t *testing.T) {
	for text, want := range map[string][2][]string{
		"The  grip's nice.": {{"The", "grip's", "nice."}, {"the", "grip", "s", "nice"}},
		"Größe passt!":      {{"Größe", "passt!"}, {"größe", "passt"}},
		"这个电池，USB 3好用。": {
			{"这", "个", "电", "池", "，", "USB", "3", "好", "用", "。"},
			{"这", "个", "电", "池", "usb", "3", "好", "用"},
		},
		"ベルトが良い":   {{"ベ", "ル", "ト", "が", "良", "い"}, {"ベ", "ル", "ト", "が", "良", "い"}},
		"배터리가 좋아요": {{"배터리가", "좋아요"}, {"배터리가", "좋아요"}},
		"":         {{}, {}},
	} {
		got := [2][]string{metric.Words(text), metric.PlainWords(text)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestChineseSentencesAreScoredByCharacter: of six characters, five are the reference's, and three
// of five pairs.
func TestChineseSentencesAreScoredByCharacter(t *testing.T) {
	texts := []metric.Text{{Reference: metric.Words("这个电池很好"), Generated: metric.Words("这个屏池很好")}}
	bleu, err := metric.BLEU(texts, 1, false)
	if err != nil || math.Abs(bleu.Score-5.0/6) > 1e-12 {
		t.Errorf("BLEU-1 %v, %v; want 5/6", bleu.Score, err)
	}
	rouge, err := metric.ROUGEN(texts, 2)
	if err != nil || math.Abs(rouge.F-0.6) > 1e-6 {
		t.Errorf("ROUGE-2 %v, %v; want 3/5", rouge.F, err)
	}
	found := metric.FindFeatures(texts, []string{"电池"}, []string{"电池", "屏", "池很"})
	want := []map[string]bool{{"屏": true, "池 很": true}}
	if diff := cmp.Diff(want, found.Mentioned); diff != "" {
		t.Error(diff)
	}
}
