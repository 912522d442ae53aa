package train_test

import (
	"context"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/indexing"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/torch"
	"rdrec/internal/train"
)

func TestScheduledRateByHand(t *testing.T) {
	for name, c := range map[string]struct {
		warmup    int
		scheduler string
		want      []float64 // of 8 steps
	}{
		"constant": {0, "", []float64{4, 4, 4, 4, 4, 4, 4, 4}},
		"warm-up":  {4, "", []float64{1, 2, 3, 4, 4, 4, 4, 4}},
		"cosine":   {4, spec.Cosine, []float64{1, 2, 3, 4, 4, 2 + math.Sqrt2, 2, 2 - math.Sqrt2}},
	} {
		var got []float64
		for step := range 8 {
			got = append(got, train.ScheduledRate(4, step, c.warmup, 8, c.scheduler))
		}
		if diff := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestClippedGradientByHand(t *testing.T) {
	gradient := []float32{3, 4} // norm 5
	for limit, want := range map[float64][]float32{0: {3, 4}, 5: {3, 4}, 2.5: {1.5, 2}} {
		if diff := cmp.Diff(want, train.Clipped(gradient, limit)); diff != "" {
			t.Errorf("limit %v (-want +got):\n%s", limit, diff)
		}
	}
}

// TestAverageByHand: the decay rates of the first three steps are 1/10, 2/11 and 3/12, then the
// limit of 0.2 is lower.
func TestAverageByHand(t *testing.T) {
	averages, restored := train.Averages(10, []float32{20, 30, 40}, 0.2)
	first := 0.1*10 + 0.9*20
	second := first*2/11 + 30.0*9/11
	want := []float32{float32(first), float32(second), float32(0.2*second + 0.8*40)}
	if diff := cmp.Diff(want, averages, cmpopts.EquateApprox(0, 1e-4)); diff != "" {
		t.Errorf("averages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float32{20, 30, 40}, restored); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}

// recipe returns a job with codes, the item head and everything else of the recipe.
func recipe(t *testing.T) train.Job {
	t.Helper()
	j := job(t)
	codes := spec.DefaultCodes()
	codes.Levels, codes.Width, codes.Dimensions = 2, 32, 8
	if _, err := indexing.Apply(j.Data, spec.ItemCodes, &codes, 1); err != nil {
		t.Fatal(err)
	}
	j.Protocol = spec.Protocols()[1]
	j.Spec.Student.History, j.Spec.Student.ItemEmbeddings = spec.HistoryItems, true
	j.Spec.Student.InitializerRange = 0.02
	s := &j.Spec.Train
	s.WarmupSteps, s.Scheduler, s.LabelSmoothing, s.MaxGradNorm = 5, spec.Cosine, 0.1, 1
	s.BatchTokens, s.EMADecay, s.HeadWeight = 150, 0.9, 2
	s.SelectBy, s.SelectionUsers = spec.SelectHeadNDCG, 10
	s.EpochSteps, s.Epochs, s.Steps, s.LearningRate = 6, 2, 0, 0.01
	return j
}

// TestRecipeResumesBitExactly stops a training with codes, head and the whole recipe in the middle
// of an epoch and in the middle of a validation.
func TestRecipeResumesBitExactly(t *testing.T) {
	whole := recipe(t)
	want, err := train.Run(context.Background(), whole)
	if err != nil {
		t.Fatal(err)
	}
	first, last := want.Curve[0], want.Curve[1]
	if first.NDCG10 == nil || !(*first.NDCG10 >= 0 && *first.NDCG10 <= 1) || !(last.Loss < first.Loss) {
		t.Errorf("curve %+v", want.Curve)
	}
	for name, at := range map[string]func(train.Progress) bool{
		"step 5":        func(p train.Progress) bool { return p.Step == 5 },
		"in validation": func(p train.Progress) bool { return p.Step == 6 && p.Validating },
	} {
		kept := stopped(t, recipe(t), at)
		again := recipe(t)
		again.Resume = kept.last()
		got, err := train.Run(context.Background(), again)
		if err != nil {
			t.Fatal(err)
		}
		if got.Weights != want.Weights {
			t.Errorf("%s: the resumed training ends with other weights", name)
		}
		if diff := cmp.Diff(want.Curve, got.Curve); diff != "" {
			t.Errorf("%s: curve (-undisturbed +resumed):\n%s", name, diff)
		}
	}
	m, err := t5.Load(want.Dir, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	items := t5.ItemConfig{
		ItemCodes: 3 * 32, ItemEmbeddings: int64(whole.Data.Items), OnePosition: true, ItemHead: true,
	}
	if m.ItemConfig != items || m.Vocabulary != 32128+3*32 {
		t.Errorf("the saved model has %d tokens and %+v, want %+v", m.Vocabulary, m.ItemConfig, items)
	}
}

// TestStudentOfItemsOnly: without words, the student has two special tokens and those of codes.
func TestStudentOfItemsOnly(t *testing.T) {
	j := recipe(t)
	j.Spec.Student.ItemsOnly = true
	j.Spec.Train.Ratio = spec.Ratio{Sequential: 1}
	j.Spec.Train.SelectBy = spec.SelectNDCG
	got, err := train.Run(context.Background(), j)
	if err != nil {
		t.Fatal(err)
	}
	m, err := t5.Load(got.Dir, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	if first, last := got.Curve[0], got.Curve[1]; m.Vocabulary != 2+3*32 || !(last.Loss < first.Loss) {
		t.Errorf("%d tokens, losses %v and %v", m.Vocabulary, first.Loss, last.Loss)
	}
}

// TestStepsHaveEnoughTokens: a step of batch_tokens has so many tokens, and no batch too many.
func TestStepsHaveEnoughTokens(t *testing.T) {
	j := recipe(t)
	j.Spec.Train.BatchTokens = 300
	p, err := train.Prepare(j)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	for range 5 {
		b := p.Next()
		count, rows := 0, 0
		for row := range b.Size {
			for _, isToken := range b.Mask[row*b.SourceLen : (row+1)*b.SourceLen] {
				count += int(isToken)
			}
			for _, id := range b.Target[row*b.TargetLen : (row+1)*b.TargetLen] {
				if id != 0 {
					count++
				}
			}
			if rows = row + 1; count >= 300 {
				break
			}
		}
		if count < 300 || b.Size-rows >= 5 { // a batch of the mixer has five rows
			t.Errorf("%d rows, %d of them have %d tokens", b.Size, rows, count)
		}
	}
}
