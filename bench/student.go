package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
)

// variant is a workload of ours for the same work as the reference's.
type variant struct {
	name string
	work workload
	// target is the target ratio; 0 means none.
	target float64
}

// comparison is a workload of the reference and our variants of it.
type comparison struct {
	name, unit string
	reference  workload
	ours       []variant
	// once limits the comparison to one turn, because it checks agreement only or is too slow for
	// more.
	once bool
}

// comparisons returns the rows of the student's table in docs/performance.md. Item searches end
// after 6 steps, as those of a trained student; one continues to 50 tokens, as if none of 20 beams
// ended. Sizes are small because the reference is slow.
func (b *bench) comparisons(model string) ([]comparison, error) {
	m, err := newWorkloadMaker(model, b.threads, b.device)
	if err != nil {
		return nil, err
	}
	const item, text = 7, 15 // maximum lengths, including the start token
	var problems []error
	must := func(w workload, err error) workload {
		problems = append(problems, err)
		return w
	}
	var all []comparison
	mixed := spec.Default().Train.Ratio
	for _, dropout := range []float64{0, 0.1} {
		name := fmt.Sprintf("training, mixed, dropout %g", dropout)
		paper := must(m.train(name, spec.Paper, mixed, b.records, dropout))
		clean := must(m.train(name, spec.Clean, mixed, b.records, dropout))
		c := comparison{
			name: name, unit: "samples/s", once: dropout == 0, reference: paper,
			ours: []variant{{"paper", paper, 1.2}, {"clean", clean, 5}},
		}
		if dropout > 0 {
			checkpointed, half := paper, clean
			checkpointed.GradientCheckpointing, half.BFloat16 = true, true
			c.ours = append(c.ours,
				variant{"paper, gradient checkpointing", checkpointed, 0}, variant{"clean, bfloat16", half, 0})
		}
		all = append(all, c)
	}
	if b.onGPU() { // a batch that fills a GPU, and takes minutes on a CPU
		const name, rows, dropout = "training, sequential", 256, 0.1
		half := must(m.train(name, spec.Clean, spec.Ratio{Sequential: 1}, rows, dropout))
		half.BFloat16 = true
		all = append(all, comparison{
			name: name, unit: "samples/s", ours: []variant{{"clean, bfloat16", half, 0}},
			reference: must(m.train(name, spec.Paper, spec.Ratio{Sequential: 1}, rows, dropout)),
		})
	}
	search := func(name, unit string, w workload, targets ...float64) {
		c := comparison{
			name: name, unit: unit, once: w.Beam.MaxLength > text, reference: w,
			ours: []variant{{"paper", w, targets[0]}},
		}
		if len(targets) > 1 {
			c.ours = append(c.ours, variant{"clean", m.clean(w), targets[1]})
		}
		all = append(all, c)
	}
	search("sequential, 20 beams", "users/s", must(m.search("sequential", task.Sequential, 16, item)), 10, 25)
	search("sequential, to 50 tokens", "users/s", must(m.search("sequential, long", task.Sequential, 4, 50)), 0)
	search("top-N, 20 beams", "users/s", must(m.search("top-N", task.TopN, 4, item)), 8, 20)
	search("explanation, 21 beams", "rows/s",
		must(m.search("explanation", task.Explanation, b.explanations(), text)), 5, 0)
	return all, errors.Join(problems...)
}

// student compares the student's training and decoding with the reference's.
func (b *bench) student(ctx context.Context) error {
	python, err := b.interpreter(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rdrec-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := newModel(dir, "t5-small"); err != nil {
		return err
	}
	config, err := t5.ReadConfig(dir)
	if err != nil {
		return err
	}
	all, err := b.comparisons(dir)
	if err != nil {
		return err
	}
	if err := b.monitorGPU(ctx); err != nil {
		return err
	}
	defer b.monitor.close()
	r := b.report("student")
	if r.Peaks, err = b.measurePeaks(); err != nil {
		return err
	}
	r.writeHeader(b.out)
	all = slices.DeleteFunc(all, func(c comparison) bool { return !strings.Contains(c.name, b.only) })
	for _, c := range all {
		if err := b.measure(ctx, python, c, config, r); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if r.BatchWait, err = b.batchWait(ctx); err != nil {
		return err
	}
	return saveJSON(b.json, r)
}

// measure runs a comparison and adds its rows to the report.
func (b *bench) measure(
	ctx context.Context, python string, c comparison, config t5.Config, r *report,
) error {
	rows, err := b.compare(ctx, python, c)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if i > 0 {
			row.Roofline = c.ours[i-1].work.operations(config) / row.cost() / (r.Peaks.GFLOPS * 1e9)
		}
		row.writeLine(b.out)
	}
	r.Rows = append(r.Rows, rows...)
	return nil
}

// batchWait measures how long training on a CPU waits for its batches, if -only selects it.
func (b *bench) batchWait(ctx context.Context) (*batchWait, error) {
	if b.onGPU() || !strings.Contains(batchWaitName, b.only) {
		return nil, nil //nolint:nilnil // not selected
	}
	waits, err := b.measureBatchWait(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", batchWaitName, err)
	}
	waits.line(b.out)
	return &waits, nil
}

// explanations returns the number of rows of the explanations: few on a GPU, where the reference's
// way would take longer than everything else.
func (b *bench) explanations() int {
	if b.onGPU() {
		return 8
	}
	return 32
}

// turns returns the number of turns of the comparison if others take pairs.
func (c comparison) turns(pairs int) int {
	if c.once {
		return 1
	}
	return pairs
}

// compare starts all sides of a comparison, checks that they agree, and runs them in turns.
func (b *bench) compare(
	ctx context.Context, python string, c comparison,
) (_ []*result, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	works := []workload{c.reference}
	rows := []*result{{Work: c.name, Side: "reference", Unit: c.unit}}
	commands := [][]string{{python, "bench/reference.py"}}
	names := []string{"the reference"}
	for _, v := range c.ours {
		commands, names = append(commands, []string{self, "side"}), append(names, "ours, "+v.name)
		works = append(works, v.work)
		rows = append(rows, &result{Work: c.name, Side: v.name, Unit: c.unit, Target: v.target})
	}
	var sides []*process
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.close())
		}
	}()
	checks := make([]measurement, len(works))
	for i, work := range works { // one after the other, so that a side's share of a GPU's memory is known
		used := b.monitor.memory()
		s, err := startProcess(ctx, names[i], commands[i], work)
		if err != nil {
			return nil, err
		}
		sides = append(sides, s)
		if checks[i], err = s.runOnce("count"); err != nil {
			return nil, err
		}
		rows[i].Operations, rows[i].Memory = checks[i].Operations, b.monitor.memory()-used
		if i > 0 && works[i].Protocol == c.reference.Protocol {
			if rows[i].Agreement, err = checkAgreement(checks[0], checks[i], c.reference); err != nil {
				return nil, err
			}
		}
	}
	return rows, b.turns(sides, rows, c.turns(b.pairs), float64(c.reference.Batch.Size))
}

// turns runs the sides in turns, alternating their order. The others are compared with the first
// side.
func (b *bench) turns(
	sides []*process, rows []*result, pairs int, amount float64,
) error {
	for turn := range pairs {
		for k := range sides {
			i := k
			if turn%2 == 1 {
				i = len(sides) - 1 - k
			}
			started := b.now()
			r, err := sides[i].runOnce("")
			if err != nil {
				return err
			}
			if r.Amount == 0 {
				r.Amount = amount
			}
			rows[i].add(r, b.onGPU())
			if busy, ok := b.monitor.utilization(started); ok {
				rows[i].Utilization = append(rows[i].Utilization, busy)
			}
		}
		for i := 1; i < len(rows); i++ {
			rows[i].compareTo(rows[0])
		}
	}
	return nil
}

// checkAgreement compares the results of two sides from the same weights and rows, and returns a
// description of their agreement.
func checkAgreement(reference, ours measurement, w workload) (string, error) {
	if w.Type == workTrain {
		if w.Dropout > 0 {
			return "dropout differs", nil
		}
		gap := math.Abs(ours.Loss/reference.Loss - 1)
		if !(gap < 1e-4) {
			return "", fmt.Errorf("losses differ: %g and %g", reference.Loss, ours.Loss)
		}
		return fmt.Sprintf("loss %.5f, %.0e off", reference.Loss, gap), nil
	}
	equal, all := 0, 0
	for i, row := range reference.Tokens {
		for j, tokens := range row {
			all++
			if fmt.Sprint(tokens) == fmt.Sprint(ours.Tokens[i][j]) {
				equal++
			}
		}
	}
	if equal < all {
		return "", fmt.Errorf("%d of %d sequences differ, the first of row 1: %v and %v",
			all-equal, all, reference.Tokens[0][0], ours.Tokens[0][0])
	}
	return fmt.Sprintf("%d of %d sequences equal", equal, all), nil
}
