package metric_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rdrec/internal/golden"
	"rdrec/internal/metric"
)

// tolerance is how far float64 sums in another order may lie apart.
const tolerance = 1e-9

type textCase struct {
	Name       string          `json:"name"`
	References [][]string      `json:"references"`
	Generated  [][]string      `json:"generated"`
	Bleu1      json.RawMessage `json:"bleu1"`
	Bleu2      json.RawMessage `json:"bleu2"`
	Bleu4      json.RawMessage `json:"bleu4"`
	Smooth     json.RawMessage `json:"bleu4_smooth"`
	Parts      json.RawMessage `json:"bleu4_parts"`
	Rouge      map[string]float64
}

func (c textCase) texts() []metric.Text {
	texts := make([]metric.Text, len(c.References))
	for i := range texts {
		texts[i] = metric.Text{Reference: c.References[i], Generated: c.Generated[i]}
	}
	return texts
}

type rankingCase struct {
	Name   string           `json:"name"`
	Truth  map[string][]int `json:"truth"`
	Ranked map[string][]int `json:"ranked"`
	At     map[string]struct {
		HR   float64 `json:"hr"`
		NDCG float64 `json:"ndcg"`
	} `json:"at"`
}

type metricsFile struct {
	Text    []textCase    `json:"text"`
	Ranking []rankingCase `json:"ranking"`
}

func TestGoldenBLEU(t *testing.T) {
	var file metricsFile
	golden.Load(t, "metrics.json", &file)
	for _, c := range file.Text {
		t.Run(c.Name, func(t *testing.T) {
			checkBleu(t, c, c.Bleu1, 1, false)
			checkBleu(t, c, c.Bleu2, 2, false)
			checkBleu(t, c, c.Bleu4, 4, false)
			checkBleu(t, c, c.Smooth, 4, true)
			checkParts(t, c)
		})
	}
}

// checkBleu expects a figure x100, or ErrEmptyCorpus where the reference crashed.
func checkBleu(t *testing.T, c textCase, raw json.RawMessage, order int, smooth bool) {
	t.Helper()
	got, err := metric.BLEU(c.texts(), order, smooth)
	var want float64
	if json.Unmarshal(raw, &want) != nil {
		if !errors.Is(err, metric.ErrEmptyCorpus) {
			t.Errorf("BLEU-%d: error %v, want %v where the reference raises %s", order, err, metric.ErrEmptyCorpus, raw)
		}
		return
	}
	if err != nil || math.Abs(100*got.Score-want) > tolerance {
		t.Errorf("BLEU-%d (smooth %t) = %v, %v, want %v", order, smooth, 100*got.Score, err, want)
	}
}

func checkParts(t *testing.T, c textCase) {
	t.Helper()
	var parts []json.RawMessage
	if json.Unmarshal(c.Parts, &parts) != nil {
		return // the reference crashed: checkBleu has looked at that
	}
	var want metric.Bleu
	for i, field := range []any{
		&want.Score, &want.Precisions, &want.Brevity, &want.Ratio, &want.Generated, &want.Reference,
	} {
		if err := json.Unmarshal(parts[i], field); err != nil {
			t.Fatal(err)
		}
	}
	got, err := metric.BLEU(c.texts(), 4, false)
	if err != nil {
		t.Fatal(err)
	}
	flat := func(b metric.Bleu) []float64 {
		return append(
			[]float64{b.Score, b.Brevity, b.Ratio, float64(b.Generated), float64(b.Reference)}, b.Precisions...,
		)
	}
	if !slices.EqualFunc(flat(got), flat(want), func(a, b float64) bool { return math.Abs(a-b) < tolerance }) {
		t.Errorf("BLEU-4's parts = %+v, want %+v", got, want)
	}
}

func TestGoldenROUGE(t *testing.T) {
	var file metricsFile
	golden.Load(t, "metrics.json", &file)
	variants := map[string]func([]metric.Text) (metric.Rouge, error){
		"rouge_1": func(texts []metric.Text) (metric.Rouge, error) { return metric.ROUGEN(texts, 1) },
		"rouge_2": func(texts []metric.Text) (metric.Rouge, error) { return metric.ROUGEN(texts, 2) },
		"rouge_l": metric.ROUGEL,
	}
	for _, c := range file.Text {
		for variant, of := range variants {
			got, err := of(c.texts())
			if err != nil {
				t.Fatalf("%s of %q: %v", variant, c.Name, err)
			}
			for part, value := range map[string]float64{
				"/f_score": got.F, "/p_score": got.Precision, "/r_score": got.Recall,
			} {
				if want := c.Rouge[variant+part]; math.Abs(100*value-want) > tolerance {
					t.Errorf("%s of %q = %v, want %v", variant+part, c.Name, 100*value, want)
				}
			}
		}
	}
}

func TestGoldenRanking(t *testing.T) {
	var file metricsFile
	golden.Load(t, "metrics.json", &file)
	for _, c := range file.Ranking {
		users := slices.Sorted(maps.Keys(c.Truth))
		for cut, want := range c.At {
			k, err := strconv.Atoi(cut)
			if err != nil {
				t.Fatal(err)
			}
			hits, ndcgs := make([]float64, len(users)), make([]float64, len(users))
			for i, user := range users {
				list := metric.List{Items: c.Ranked[user], Truth: c.Truth[user]}
				hits[i], ndcgs[i] = metric.HitRate(list, k), metric.NDCG(list, k)
			}
			if got := metric.Mean(hits); math.Abs(got-want.HR) > tolerance {
				t.Errorf("HR@%d of %q = %v, want %v", k, c.Name, got, want.HR)
			}
			if got := metric.Mean(ndcgs); math.Abs(got-want.NDCG) > tolerance {
				t.Errorf("NDCG@%d of %q = %v, want %v", k, c.Name, got, want.NDCG)
			}
		}
	}
}

// number is a figure, or scipy's "nan" and "-inf".
type number float64

func (n *number) UnmarshalJSON(data []byte) error {
	value, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	*n = number(value)
	return err
}

type tTestFile struct {
	Alpha float64 `json:"alpha"`
	Cases []struct {
		Set         string    `json:"set"`
		Data        string    `json:"data"`
		Metric      string    `json:"metric"`
		A           []float64 `json:"a"`
		B           []float64 `json:"b"`
		T           number    `json:"t"`
		P           number    `json:"p"`
		DF          float64   `json:"df"`
		MeanA       *float64  `json:"mean_a"`
		Significant *bool     `json:"significant"`
	} `json:"cases"`
	Printed []string `json:"printed_by_the_reference"`
}

func TestGoldenStudent(t *testing.T) {
	var file tTestFile
	golden.Load(t, "ttest.json", &file)
	for i, c := range file.Cases {
		got, err := metric.StudentT(c.A, c.B)
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		if !almostEqual(got.T, float64(c.T)) || !almostEqual(got.P, float64(c.P)) || got.DF != c.DF {
			t.Errorf(
				"case %d (%s %s %s) = %+v, want t %v, p %v, df %v", i, c.Set, c.Data, c.Metric, got, c.T, c.P, c.DF,
			)
		}
		if c.Significant != nil && *c.Significant != (got.P < file.Alpha) {
			t.Errorf("case %d: p %v at alpha %v, want significant %t", i, got.P, file.Alpha, *c.Significant)
		}
		if c.MeanA != nil && !almostEqual(metric.Mean(c.A), *c.MeanA) {
			t.Errorf("case %d: mean %v, want %v", i, metric.Mean(c.A), *c.MeanA)
		}
	}
}

// TestGoldenScript prints what the reference's t_test.py prints: only its top-N figures, although
// the sequential ones are there.
func TestGoldenScript(t *testing.T) {
	var file tTestFile
	golden.Load(t, "ttest.json", &file)
	var lines []string
	for _, c := range file.Cases {
		if c.Set != "topn_data_sample" {
			continue
		}
		if header := ">>>>>>>>>>>>>>>>>>> " + c.Data; !slices.Contains(lines, header) {
			lines = append(lines, header)
		}
		test, err := metric.StudentT(c.A, c.B)
		if err != nil {
			t.Fatal(err)
		}
		verdict := "not significant"
		if test.P < file.Alpha {
			verdict = "significant"
		}
		lines = append(lines, fmt.Sprintf(">>>>>>> %s %v %s", c.Metric, test.P, verdict))
	}
	if len(lines) != len(file.Printed) {
		t.Fatalf("%d lines, want %d", len(lines), len(file.Printed))
	}
	for i := range lines {
		if !almostEqualLine(lines[i], file.Printed[i]) {
			t.Errorf("line %d = %q, want %q", i+1, lines[i], file.Printed[i])
		}
	}
}

// almostEqualLine compares word by word, p-values as numbers (scipy and gonum agree to ten digits
// and more).
func almostEqualLine(got, want string) bool {
	return slices.EqualFunc(strings.Fields(got), strings.Fields(want), func(a, b string) bool {
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		if errX != nil || errY != nil {
			return a == b
		}
		return almostEqual(x, y)
	})
}

// almostEqual compares to ten digits; nan is nan.
func almostEqual(a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	return a == b || math.Abs(a-b) <= 1e-10*math.Max(math.Abs(a), math.Abs(b))
}
