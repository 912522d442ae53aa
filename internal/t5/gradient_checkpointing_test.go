package t5_test

import (
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"rdrec/internal/golden"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// mixedBatch returns the golden mixed batch, repeated until it is split into length buckets.
func mixedBatch(t *testing.T) task.Batch {
	t.Helper()
	var file struct {
		Batches map[string]goldenPass `json:"batches"`
	}
	golden.Load(t, "train.json.gz", &file)
	return repeat(file.Batches["mixed"].Batch(), 4)
}

// gradient returns the loss of a batch and its gradient with respect to all weights.
func gradient(t *testing.T, m *t5.Model, b task.Batch, p spec.Protocol, rows int) (loss float64, values []float32) {
	t.Helper()
	before := torch.Live()
	err := torch.Run(func(s *torch.Scope) error {
		l, g, err := m.AccumulatedGradient(s, b, p, 7, rows)
		if err == nil {
			loss, values = l.Float(), g.Float32s()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := torch.Live() - before; left != 0 {
		t.Errorf("%d tensors left", left)
	}
	return loss, values
}

// relativeDistance returns the norm of a - b divided by that of a, and the cosine of the angle
// between a and b.
func relativeDistance(a, b []float32) (distance, cosine float64) {
	var aa, ab, bb, dd float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		aa, ab, bb, dd = aa+x*x, ab+x*y, bb+y*y, dd+(x-y)*(x-y)
	}
	return math.Sqrt(dd / aa), ab / math.Sqrt(aa*bb)
}

func TestCheckpointedGradientMatches(t *testing.T) {
	m, b := modeltest.Tiny(t), mixedBatch(t)
	m.Dropout = 0
	for _, p := range spec.Protocols() {
		for _, rows := range []int{0, 3} {
			m.GradientCheckpointing = false
			loss, want := gradient(t, m, b, p, rows)
			m.GradientCheckpointing = true
			again, got := gradient(t, m, b, p, rows)
			distance, _ := relativeDistance(want, got)
			t.Logf("%s, %d rows at a time: loss %v and %v, gradients %.1e apart", p.Name, rows, loss, again, distance)
			if !(math.Abs(loss-again) < 1e-6) || !(distance < 1e-5) {
				t.Errorf("%s: loss %v, want %v; gradients %v of their length apart", p.Name, again, loss, distance)
			}
		}
	}
}

// TestCheckpointingSamplesTheSameDropout moves the weights a little along the gradient: the loss
// must change by the gradient's norm. If the recomputed pass dropped other elements than the first,
// the gradient would be that of another function.
func TestCheckpointingSamplesTheSameDropout(t *testing.T) {
	m, b := modeltest.Tiny(t), mixedBatch(t)
	m.GradientCheckpointing, m.Dropout = true, 0.2
	p := spec.Protocols()[1]
	_, g := gradient(t, m, b, p, 0)
	length := 0.0
	for _, x := range g {
		length += float64(x) * float64(x)
	}
	length = math.Sqrt(length)
	const step = 1e-2
	at := func(distance float64) float64 {
		move := func(by float64) {
			if err := torch.Run(func(s *torch.Scope) error {
				m.Flat().AddTo(s.FromFloat32(g, int64(len(g))).Scale(by / length))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		move(distance)
		loss, _ := gradient(t, m, b, p, 0)
		move(-distance)
		return loss
	}
	slope := (at(step) - at(-step)) / (2 * step)
	t.Logf("slope of the loss %v, norm of the gradient %v", slope, length)
	if math.Abs(slope/length-1) > 0.02 {
		t.Errorf("slope %v, want the gradient's norm %v", slope, length)
	}
}

// memoryEnv makes a test process compute one gradient and print its peak memory.
const memoryEnv = "RDREC_TEST_GRADIENT_MEMORY"

func TestCheckpointingTakesLessMemory(t *testing.T) {
	if mode := os.Getenv(memoryEnv); mode != "" {
		measureGradient(t, mode == "checkpointing")
		return
	}
	peaks := map[string]int{}
	for _, mode := range []string{"keep", "checkpointing"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCheckpointingTakesLessMemory$", "-test.v")
		cmd.Env = append(os.Environ(), memoryEnv+"="+mode)
		out, err := cmd.CombinedOutput()
		found := regexp.MustCompile(`peak of (\d+) kB`).FindSubmatch(out)
		if err != nil || found == nil {
			t.Fatalf("%s: %v\n%s", mode, err, out)
		}
		if peaks[mode], err = strconv.Atoi(string(found[1])); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("peak kB beyond the weights: %v", peaks)
	size := spec.Size{Model: 128, Head: 32, FeedForward: 512, Layers: 6, Heads: 4}
	estimate := float64(room.Activations(size, room.Batch{Rows: 32, Source: 131, Target: 20, Vocabulary: 1000})) / 1024
	t.Logf("package room estimates %.0f kB", estimate)
	if ratio := estimate / float64(peaks["keep"]); ratio < 0.5 || ratio > 2 {
		t.Errorf("package room estimates %.0f kB, %.2f times the measured memory", estimate, ratio)
	}
	if 2*peaks["checkpointing"] > peaks["keep"] {
		t.Errorf("checkpointing takes more than half the memory: %v", peaks)
	}
}

func measureGradient(t *testing.T, checkpointing bool) {
	t.Helper()
	m, b := longBatch(t)
	m.GradientCheckpointing = checkpointing
	before := peakMemory(t)
	gradient(t, m, b, spec.Protocols()[1], 0)
	t.Logf("peak of %d kB", peakMemory(t)-before)
}

// longBatch returns a small model with random weights, and a batch whose activations take more
// memory than the model.
func longBatch(t *testing.T) (*t5.Model, task.Batch) {
	t.Helper()
	c := t5.FromSize(spec.Size{Model: 128, Head: 32, FeedForward: 512, Layers: 6, Heads: 4}, 3)
	c.Vocabulary = 1000
	b := task.Batch{Size: 32, SourceLen: 128, TargetLen: 20, Prompts: make([]int64, 32), Target: make([]int64, 32*20)}
	for i := range b.Size * b.SourceLen {
		b.Source, b.Mask, b.Whole = append(b.Source, int64(3+i%900)), append(b.Mask, 1), append(b.Whole, 0)
	}
	for i := range b.Target {
		b.Target[i] = int64(3 + i%900)
	}
	return newModel(t, c, 1), b
}

// peakMemory returns the peak memory of this process in kB.
func peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	kB, err := strconv.Atoi(string(regexp.MustCompile(`VmHWM:\s+(\d+)`).FindSubmatch(status)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kB
}

// TestBFloat16Gradient checks that matrices in bfloat16 give nearly the same loss and gradient,
// both in float32.
func TestBFloat16Gradient(t *testing.T) {
	m, b := longBatch(t)
	m.Dropout = 0
	for _, p := range spec.Protocols() {
		m.BFloat16, m.GradientCheckpointing = false, false
		loss, want := gradient(t, m, b, p, 0)
		for _, checkpointing := range []bool{false, true} {
			m.BFloat16, m.GradientCheckpointing = true, checkpointing
			half, got := gradient(t, m, b, p, 0)
			distance, cosine := relativeDistance(want, got)
			t.Logf("%s: loss %v and %v, gradients %.1e apart, cosine %v", p.Name, loss, half, distance, cosine)
			if math.Abs(half/loss-1) > 0.005 || cosine < 0.999 || distance == 0 {
				t.Errorf("%s: loss %v, want %v; cosine %v", p.Name, half, loss, cosine)
			}
		}
	}
}
