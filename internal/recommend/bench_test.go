package recommend_test

import (
	"fmt"
	"testing"

	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// BenchmarkDecode evaluates 32 users at a time with random weights, which end no sequence before
// the maximum length: seven tokens for items, 15 for explanations.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []string{"t5-tiny", "t5-mini", "t5-small"} {
		for _, protocol := range []string{spec.Paper, spec.Clean} {
			for _, name := range []string{"sequential", "topn", "explain"} {
				b.Run(fmt.Sprintf("%s/%s/%s", size, protocol, name), func(b *testing.B) {
					job := script{}.job(b, protocol)
					job.Model = modeltest.Random(b, size)
					rows := 32
					job.Evaluate.MaxLength = 7
					switch name {
					case "topn":
						rows = 8
					case "explain":
						job.Evaluate.MaxLength = 15
					}
					job.Evaluate.Batch = rows
					job.Evaluate.SequentialUsers, job.Evaluate.TopNUsers, job.Evaluate.Explanations = rows, rows, rows
					before := modeltest.CPUSeconds(b)
					for b.Loop() {
						if _, err := evaluations()[name](b.Context(), job); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
					b.ReportMetric(float64(rows*b.N)/(modeltest.CPUSeconds(b)-before), "rows/cpu-s")
				})
			}
		}
	}
}

// BenchmarkExplanationStep is the parts of a step of explaining 32 rows with 7 beams each, which is
// what 21 in 3 equal groups come to.
func BenchmarkExplanationStep(b *testing.B) {
	const rows, beams, source, steps = 32, 7, 16, 15
	model := modeltest.Random(b, "t5-small")
	batch := task.Batch{Size: rows, SourceLen: source, TargetLen: 1}
	for i := range rows * source {
		batch.Source = append(batch.Source, int64(i+3))
		batch.Mask, batch.Whole = append(batch.Mask, 1), append(batch.Whole, 0)
	}
	batch.Prompts, batch.Target = make([]int64, rows), make([]int64, rows)
	parents := make([]int64, rows*beams)
	for i := range parents {
		parents[i] = int64(i / beams)
	}
	for part, do := range explanationParts(b, model, batch, parents) {
		b.Run(part, func(b *testing.B) {
			before := modeltest.CPUSeconds(b)
			for b.Loop() {
				do(steps)
			}
			b.ReportMetric(1e3*(modeltest.CPUSeconds(b)-before)/float64(b.N*steps), "cpu-ms/step")
		})
	}
}

// explanationParts returns the parts of a step, each of which runs a number of times.
func explanationParts(b *testing.B, model *t5.Model, batch task.Batch, parents []int64) map[string]func(steps int) {
	b.Helper()
	all := int64(len(parents))
	within := func(f func(s *torch.Scope) error) {
		err := torch.Run(func(s *torch.Scope) (err error) {
			torch.NoGrad(func() { err = f(s) })
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return map[string]func(steps int){
		"layers": func(steps int) {
			within(func(s *torch.Scope) error {
				d, err := model.Start(
					batch, t5.DecodeOptions{NumBeams: len(parents) / batch.Size, MaxLength: steps + 2},
				)
				if err != nil {
					return err
				}
				defer d.Close()
				if _, err = d.Hidden(s, make([]int64, batch.Size), nil); err != nil {
					return err
				}
				for range steps {
					inner := s.Sub()
					_, err = d.Hidden(inner, make([]int64, all), parents)
					inner.Close()
					for i := range parents {
						parents[i] = int64(i)
					}
				}
				for i := range parents {
					parents[i] = int64(i * batch.Size / len(parents))
				}
				return err
			})
		},
		"logits":  repeated(within, all, model.Model, func(x *torch.Tensor) { x.Linear(head(x, model)) }),
		"softmax": repeated(within, all, model.Vocabulary, func(x *torch.Tensor) { x.LogSoftmax(-1) }),
		"best": repeated(
			within, all, model.Vocabulary, func(x *torch.Tensor) { x.TopK(2 * all / int64(batch.Size)) },
		),
	}
}

// head is the model's table of words, by which logits are made.
func head(x *torch.Tensor, model *t5.Model) *torch.Tensor {
	return model.Flat().In(x).Narrow(0, 0, model.Vocabulary*model.Config.Model).View(model.Vocabulary, -1)
}

func repeated(within func(func(*torch.Scope) error), rows, columns int64, f func(x *torch.Tensor)) func(int) {
	return func(steps int) {
		within(func(s *torch.Scope) error {
			x := s.Full(0.5, torch.Float32, torch.CPU, rows, columns)
			for range steps {
				inner := s.Sub()
				f(inner.Use(x))
				inner.Close()
			}
			return nil
		})
	}
}

// BenchmarkConstraints builds the constraints of 256 users with 8 seen items each among Beauty's
// 12,101, and copies them as for a search on a device.
func BenchmarkConstraints(b *testing.B) {
	const users, items, seen = 256, 12_101, 8
	catalog, err := recommend.NewCatalog(itemEncodings(items), 1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		constraints := make([]recommend.Constraint, users)
		for user := range constraints {
			excluded := make([]int, seen)
			for i := range excluded {
				excluded[i] = 1 + (user*seen+i)*7%items
			}
			constraints[user] = catalog.Except(excluded)
		}
		recommend.CopyConstraints(catalog, constraints)
	}
}
