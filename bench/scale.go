package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"

	"rdrec/internal/dataset"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// evaluationSize is the size of a sequential evaluation in protocol clean.
type evaluationSize struct{ users, items, history, beams, batch int }

// sweep varies one size while the others are constant.
type sweep struct {
	name   string
	values []int
	field  func(l *evaluationSize) *int // the size that varies
	// work is the maximum exponent of growth with the value: 1 is proportional, 0 is constant.
	work float64
}

func sweeps() []sweep {
	return []sweep{
		{"users", []int{32, 64, 128, 256}, func(l *evaluationSize) *int { return &l.users }, 1},
		{"items", []int{200, 1000, 5000, 25000}, func(l *evaluationSize) *int { return &l.items }, 1},
		{"history", []int{3, 6, 12, 24}, func(l *evaluationSize) *int { return &l.history }, 1},
		{"beams", []int{5, 10, 20, 40}, func(l *evaluationSize) *int { return &l.beams }, 1},
		{"batch", []int{4, 8, 16, 32}, func(l *evaluationSize) *int { return &l.batch }, 0},
	}
}

// scale measures the cost of an evaluation for each sweep, and writes a chart.
func (b *bench) scale(ctx context.Context, chartPath string) error {
	dir, err := os.MkdirTemp("", "rdrec-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := newModel(dir, "t5-mini"); err != nil {
		return err
	}
	var charts []chart
	err = torch.Run(func(*torch.Scope) error {
		torch.Threads(b.threads)
		model, err := t5.Load(dir, torch.CPU)
		if err != nil {
			return err
		}
		defer model.Free()
		fmt.Fprintf(b.out, "%s, %d threads, t5-mini, sequential, protocol clean, minimum of %d turns\n"+
			"%-8s %8s %12s %14s\n",
			cpuModel(), b.threads, b.pairs, "size", "value", "CPU-seconds", "exponent")
		for _, s := range sweeps() {
			d := chart{sweep: s}
			for i, value := range s.values {
				l := evaluationSize{users: 64, items: 1000, history: 8, beams: 20, batch: 16}
				*s.field(&l) = value
				cost, err := b.cost(ctx, model, l)
				if err != nil {
					return fmt.Errorf("%d %s: %w", value, s.name, err)
				}
				d.costs = append(d.costs, cost)
				fmt.Fprintf(b.out, "%-8s %8d %12.3f %14s\n", s.name, value, cost, d.power(i))
			}
			charts = append(charts, d)
		}
		return nil
	})
	if err != nil || chartPath == "" {
		return err
	}
	return os.WriteFile(chartPath, []byte(renderCharts(charts)), 0o644)
}

// cost returns the CPU-seconds of an evaluation: the minimum of several, after a warm-up.
func (b *bench) cost(ctx context.Context, model *t5.Model, l evaluationSize) (float64, error) {
	tokenizer, err := token.NewT5()
	if err != nil {
		return 0, err
	}
	job := recommend.Job{
		Model: model, Tokenizer: tokenizer, Data: synthetic(l), Settings: settings(spec.Clean), Seed: 1,
	}
	job.Evaluate = spec.Default().Evaluate
	e := &job.Evaluate
	e.Batch, e.NumBeams, e.NumReturnSequences = l.batch, l.beams, min(l.beams, e.NumReturnSequences)
	least := math.Inf(1)
	for turn := range b.pairs + 1 {
		started := cpuSeconds()
		if _, err := recommend.Sequential(ctx, job); err != nil {
			return 0, err
		}
		if turn > 0 {
			least = min(least, cpuSeconds()-started)
		}
	}
	return least, nil
}

// synthetic returns a dataset of users with the same number of items each, in different orders.
func synthetic(l evaluationSize) *dataset.Dataset {
	data := &dataset.Dataset{
		Name: "synthetic", Items: l.items, ItemIDs: make([]string, l.items), UserIDs: make([]string, l.users),
	}
	for user := range l.users {
		items := make([]int, l.history+1)
		for i := range items {
			items[i] = 1 + (user*7919+i*104729)%l.items
		}
		data.Users = append(data.Users, dataset.User{ID: user + 1, Items: items})
	}
	return data
}

// chart is the measurements of a sweep.
type chart struct {
	sweep
	costs []float64
}

// power returns the exponent of the cost's growth since the previous value: 1 is proportional.
func (d chart) power(i int) string {
	if i == 0 {
		return ""
	}
	growth := math.Log(float64(d.values[i]) / float64(d.values[i-1]))
	return fmt.Sprintf("%.2f", math.Log(d.costs[i]/d.costs[i-1])/growth)
}

// renderCharts renders an SVG with one panel per sweep. Both axes are logarithmic from the first
// value on. The dashed line is growth with the exponent work.
func renderCharts(all []chart) string {
	const size, gap = 150.0, 30.0
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" `+
		`font-family="sans-serif" font-size="11">`+"\n",
		float64(len(all))*(size+gap)+gap, size+2.5*gap)
	fmt.Fprint(&out, `<rect width="100%" height="100%" fill="white"/>`+"\n")
	for k, d := range all {
		left, bottom := gap+float64(k)*(size+gap), size+gap
		last := len(d.values) - 1
		widest := math.Log(float64(d.values[last]) / float64(d.values[0]))
		at := func(value, cost float64) string {
			x, y := left+size*math.Log(value)/widest, bottom-size*(0.35+0.55*math.Log(cost)/widest)
			return fmt.Sprintf("%.1f,%.1f ", x, y)
		}
		var line strings.Builder
		for i, value := range d.values {
			line.WriteString(at(float64(value)/float64(d.values[0]), d.costs[i]/d.costs[0]))
		}
		most := float64(d.values[last]) / float64(d.values[0])
		fmt.Fprintf(&out, `<rect x="%g" y="%g" width="%g" height="%g" fill="none" stroke="#ccc"/>`+"\n",
			left, gap, size, size)
		fmt.Fprintf(&out, `<polyline points="%s%s" fill="none" stroke="#999" stroke-dasharray="4"/>`+"\n",
			at(1, 1), at(most, math.Pow(most, d.work)))
		fmt.Fprintf(&out, `<polyline points="%s" fill="none" stroke="#06c" stroke-width="2"/>`+"\n", line.String())
		fmt.Fprintf(&out, `<text x="%g" y="%g">%s: %d to %d</text>`+"\n",
			left, gap-8, d.name, d.values[0], d.values[last])
		fmt.Fprintf(&out, `<text x="%g" y="%g">%.3f to %.3f CPU-s</text>`+"\n",
			left, bottom+16, d.costs[0], d.costs[last])
	}
	return out.String() + "</svg>\n"
}
