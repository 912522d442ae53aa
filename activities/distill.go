package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/activity"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// DistillInput is the settings of [Activities.Distill].
type DistillInput struct {
	Dataset storage.Ref
	Teacher spec.Teacher
	// Weights is the digest of the teacher's weights.
	Weights string
	// HeldOut keeps explanations of validation and test pairs from being distilled.
	HeldOut bool
	// Fresh, where set, has every row asked again and kept apart from those that were finished before.
	Fresh string `json:",omitempty"`
}

// rows is the name under which finished rows are kept.
func (in DistillInput) rows() string {
	name := teacher.Fingerprint(in.Teacher, in.Weights)
	if in.Fresh == "" {
		return name
	}
	return storage.Digest([]byte(name + " fresh " + in.Fresh))
}

// Distillation is what the distill stage says of itself, in distillation.json.
type Distillation struct {
	Teacher string `json:"teacher"`
	Prompt  string `json:"prompt"`
	// Explanations is how many different texts the dataset has; Wanted of them were to be distilled.
	Explanations int `json:"explanations"`
	Wanted       int `json:"wanted"`
	// Asked is how many were asked in this run of the stage; the others were in the bucket already.
	Asked int `json:"asked"`
	// Seconds is how long asking them took, Tokens how many were generated for it.
	Seconds float64         `json:"seconds"`
	Tokens  int             `json:"tokens"`
	Quality teacher.Quality `json:"quality"`
}

// Distill asks the teacher for the rationale of each explanation that has none in the bucket yet, and stores each finished row, so
// that a killed run asks no row twice. Rows that can't be parsed are kept with their reason.
func (a *Activities) Distill(ctx context.Context, in DistillInput) (ref storage.Ref, err error) {
	ctx, p := a.beat(ctx, "distill")
	defer p.stop()
	defer func() { err = fail(ctx, err) }()
	dir, remove, err := a.scratch(ctx)
	if err != nil {
		return ref, err
	}
	defer remove()
	data, err := a.readDataset(ctx, in.Dataset, filepath.Join(dir, "dataset"))
	if err != nil {
		return ref, err
	}
	requests, all := requests(data, in)
	d := &distilling{
		rows:    storage.OpenRationales[teacher.Rationale](a.Bucket, in.rows()),
		shard:   in.Teacher.Shard,
		pulse:   p,
		now:     a.Now,
		started: a.Now(),
	}
	if err := d.load(ctx, requests); err != nil {
		return ref, err
	}
	if err := a.ask(ctx, in, d); err != nil {
		return ref, err
	}
	record := d.record(in, all)
	if err := record.check(in.Teacher.MaxBad); err != nil {
		return ref, err
	}
	out := filepath.Join(dir, "rationales")
	if err := d.write(out, record); err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "rationales", out)
}

// requests are the different texts to distil, in training order and bounded by the settings, and how many there are in all.
func requests(data *dataset.Dataset, in DistillInput) ([]teacher.Request, int) {
	splits := [][]dataset.Explanation{data.Explanations.Train}
	if !in.HeldOut {
		splits = append(splits, data.Explanations.Val, data.Explanations.Test)
	}
	var wanted []teacher.Request
	seen := map[string]bool{}
	for _, split := range splits {
		for _, e := range split {
			if seen[e.Explanation] || e.HasRationale() {
				continue
			}
			seen[e.Explanation] = true
			wanted = append(wanted, teacher.Request{ID: storage.Digest([]byte(e.Explanation))[:32], Text: e.Explanation})
		}
	}
	all := len(wanted)
	if n := in.Teacher.Reviews; n > 0 && n < all {
		wanted = wanted[:n]
	}
	return wanted, all
}

// distilling is a running [Activities.Distill].
type distilling struct {
	rows     storage.Rationales[teacher.Rationale]
	requests []teacher.Request
	done     map[string]teacher.Rationale
	asked    int
	// pending are finished rows that are not stored yet, at most shard of them.
	pending []teacher.Rationale
	shard   int
	pulse   *pulse
	now     func() time.Time
	started time.Time
	tokens  int
}

// load finds the rows that were finished before.
func (d *distilling) load(ctx context.Context, requests []teacher.Request) error {
	rows, err := d.rows.Load(ctx)
	if err != nil {
		return err
	}
	d.requests, d.done = requests, make(map[string]teacher.Rationale, len(rows))
	for _, row := range rows {
		d.done[row.ID] = row
	}
	return nil
}

func (d *distilling) missing() []teacher.Request {
	var missing []teacher.Request
	for _, r := range d.requests {
		if _, ok := d.done[r.ID]; !ok {
			missing = append(missing, r)
		}
	}
	return missing
}

// ask opens the teacher, if there is anything to ask, and stores what it answers, a shard at a time. What is finished is stored
// also when the worker drains or the activity is cancelled.
func (a *Activities) ask(ctx context.Context, in DistillInput, d *distilling) error {
	missing := d.missing()
	if len(missing) == 0 {
		return nil
	}
	working, cancel := drainable(ctx)
	defer cancel()
	d.say("opening the teacher")
	engine, closeEngine, err := a.Teachers.Open(working, in.Teacher)
	if err != nil {
		return fmt.Errorf("open teacher %q: %w", in.Teacher.Model, err)
	}
	defer closeEngine()
	d.started = d.now()
	d.say("the teacher reads the prompts")
	err = teacher.Distill(working, engine, in.Teacher, missing, func(row teacher.Rationale) error {
		return d.take(working, row)
	})
	err = errors.Join(err, d.flush(context.WithoutCancel(ctx)))
	if errors.Is(context.Cause(working), ErrDrained) {
		return fmt.Errorf("%w: %d of %d rows are done", ErrDrained, len(d.done), len(d.requests))
	}
	return err
}

// drainable returns a context that also ends, with [ErrDrained], when the worker shuts down.
func drainable(ctx context.Context) (context.Context, context.CancelFunc) {
	stop := activity.GetWorkerStopChannel(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-stop:
			cancel(ErrDrained)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// say reports what goes on where no row has been finished yet.
func (d *distilling) say(note string) {
	d.pulse.report(Progress{Done: len(d.requests) - len(d.missing()), Total: len(d.requests), Unit: "rationales", Note: note})
}

// take counts a finished row and stores a shard when it is full.
func (d *distilling) take(ctx context.Context, row teacher.Rationale) error {
	d.asked++
	d.tokens += row.Tokens
	d.done[row.ID] = row
	d.pending = append(d.pending, row)
	seconds := max(d.now().Sub(d.started).Seconds(), 1e-3)
	d.pulse.report(Progress{
		Done: len(d.requests) - len(d.missing()), Total: len(d.requests), Unit: "rationales", Rate: float64(d.asked) / seconds,
		Note: fmt.Sprintf("%.0f tokens/s", float64(d.tokens)/seconds),
	})
	if len(d.pending) < d.shard {
		return nil
	}
	return d.flush(ctx)
}

func (d *distilling) flush(ctx context.Context) error {
	if err := d.rows.Append(ctx, d.pending); err != nil {
		return err
	}
	d.pending = nil
	return nil
}

func (d *distilling) record(in DistillInput, all int) Distillation {
	finished := d.finished()
	return Distillation{
		Teacher: in.Teacher.Model, Prompt: in.Teacher.Prompt, Explanations: all, Wanted: len(d.requests), Asked: d.asked,
		Seconds: d.now().Sub(d.started).Seconds(), Tokens: d.tokens, Quality: teacher.Measure(finished),
	}
}

// finished are the wanted rows in the order of the requests.
func (d *distilling) finished() []teacher.Rationale {
	rows := make([]teacher.Rationale, 0, len(d.requests))
	for _, r := range d.requests {
		if row, ok := d.done[r.ID]; ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// check refuses a distillation of which too much went wrong: training on the rest would hide it.
func (r Distillation) check(maxBad float64) error {
	if r.Wanted == 0 {
		return nil
	}
	if bad := float64(r.Quality.Quarantined) / float64(r.Wanted); bad > maxBad {
		return fmt.Errorf("%w: %d of %d replies of teacher %q can't be used (teacher.max_bad is %g); first reasons: %v",
			ErrData, r.Quality.Quarantined, r.Wanted, r.Teacher, maxBad, r.Quality.Reasons)
	}
	return nil
}

// write makes the artefact's folder: rationales.jsonl is the same bytes however often the work was interrupted, distillation.json
// tells what this run of it took.
func (d *distilling) write(dir string, record Distillation) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make folder for rationales: %w", err)
	}
	if err := writeLines(filepath.Join(dir, "rationales.jsonl"), d.finished()); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, "distillation.json"), record)
}
