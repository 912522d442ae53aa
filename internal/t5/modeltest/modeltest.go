// Package modeltest gives tests and benchmarks of students what they share: the small model of the
// golden files ([Tiny]), a model with random weights ([Random]), folders as Hugging Face publishes
// them ([Pretrained]), a small dataset ([BeautyMini]), rows of golden files ([Rows]), and the
// processor's time ([CPUSeconds]). Only tests import it.
package modeltest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"rdrec/internal/dataset"
	"rdrec/internal/golden"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
	"rdrec/internal/torch/torchtest"
)

// Tiny returns the model of all golden files on the tests' device. A missing file skips the test.
func Tiny(t testing.TB) *t5.Model {
	t.Helper()
	return TinyOn(t, torchtest.Device(t))
}

// TinyOn returns [Tiny]'s model on a device.
func TinyOn(t testing.TB, device torch.Device) *t5.Model {
	t.Helper()
	golden.Path(t, "tiny/config.json")
	model, err := t5.Load(filepath.Dir(golden.Path(t, "tiny/model.safetensors")), device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Free)
	return model
}

// Random returns a model of a size with random weights and the paper's number of prompt vectors.
func Random(t testing.TB, size string) *t5.Model {
	t.Helper()
	row, err := spec.SizeNamed(size)
	if err != nil {
		t.Fatal(err)
	}
	model, err := t5.New(t5.FromSize(row, spec.Methods()[0].PromptVectors), 1, torchtest.Device(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Free)
	return model
}

// BeautyMini returns the small dataset in the reference's files.
func BeautyMini(t testing.TB) *dataset.Dataset {
	t.Helper()
	data, err := dataset.Read(os.DirFS(golden.Data(t, "rdrec/beauty_mini")), "beauty_mini")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Protocol returns a protocol by its name.
func Protocol(t testing.TB, name string) spec.Protocol {
	t.Helper()
	protocol, err := spec.ProtocolNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return protocol
}

// Rows are a golden file's rows, as the reference padded them.
type Rows struct {
	Task      []int64   `json:"task"`
	InputIDs  [][]int64 `json:"input_ids"`
	Attention [][]int64 `json:"attention_mask"`
	Whole     [][]int64 `json:"whole_word_ids"`
	Labels    [][]int64 `json:"labels"`
}

// Batch returns the rows as a batch.
func (r Rows) Batch() task.Batch {
	flat := func(rows [][]int64) (all []int64, length int) {
		for _, row := range rows {
			all, length = append(all, row...), len(row)
		}
		return all, length
	}
	b := task.Batch{Size: len(r.Task), Prompts: r.Task}
	b.Source, b.SourceLen = flat(r.InputIDs)
	b.Mask, _ = flat(r.Attention)
	b.Whole, _ = flat(r.Whole)
	b.Target, b.TargetLen = flat(r.Labels)
	return b
}

// CPUSeconds returns the processor's time that the process has used. On a shared machine it says
// more than the clock.
func CPUSeconds(t testing.TB) float64 {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}
