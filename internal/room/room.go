// Package room estimates the memory and the disk that imports, teachers, trainings and the stages
// that read a whole dataset take, before they start. In: the settings of a spec, the sizes of files
// and models, and the memory of a machine. Out: [Need]s, each with its basis, and an error with the
// numbers where a machine is too small. The formulas are simple; tests compare them with the
// models' own parameters and with what was measured.
package room

import (
	"errors"
	"fmt"

	"rdrec/internal/spec"
)

// Need is how many bytes of something a work takes.
type Need struct {
	// Work is what takes it: a row of the constants below.
	Work string `json:"work"`
	// What is "memory" (the GPU's, if one trains), "scratch" or "bucket".
	What string `json:"what"`
	// Least is what it takes with one row at a time, as training ends up doing if memory runs out;
	// Expected is what it takes with the spec's settings.
	Least    int64 `json:"least"`
	Expected int64 `json:"expected"`
	// Basis is the formula with its numbers.
	Basis string `json:"basis"`
}

// The work that takes room.
const (
	ImportWork   = "import"
	DistillWork  = "distill"
	TrainingWork = "training"
)

// The stages that read a dataset: the item indexing of an import, preprocessing, the baselines, the
// examples of a training, and the evaluation. [Folder.Needs] takes other names, too.
const (
	IndexWork      = "item indexing"
	PreprocessWork = "preprocess"
	BaselineWork   = "baseline"
	DataWork       = "training data"
	EvaluateWork   = "evaluate"
)

// What it takes room of.
const (
	Memory  = "memory"
	Scratch = "scratch"
	Bucket  = "bucket"
)

// Sizes of a student and of a batch.
const (
	words = 32128 // the tokens of T5's vocabulary
	// positions are the rows of the whole-word table, buckets those of a relative bias.
	positions, buckets = 512, 32
	// sourceTokens is a typical length of a batch's sources.
	sourceTokens = 128
	// Bytes of one parameter: the weight, its gradient and AdamW's two moments while it is trained;
	// without the gradient in a checkpoint; alone in a model.
	trainedBytes, checkpointBytes, modelBytes = 16, 12, 4
	floatBytes                                = 4
)

// Parameters returns the number of a student's parameters, without its prompts' vectors and items'
// codes, which are few.
func Parameters(size spec.Size, itemsOnly bool) int64 {
	d, inner, ff := int64(size.Model), int64(size.Heads*size.Head), int64(size.FeedForward)
	perLayer := 12*d*inner + 4*d*ff + 5*d // three attentions, two feed-forwards, five norms
	n := int64(size.Layers)*perLayer + 2*d + 2*buckets*int64(size.Heads) + positions*d
	if !itemsOnly {
		n += words * d
	}
	return n
}

// Batch is how many rows are computed at a time, and their lengths.
type Batch struct{ Rows, Source, Target, Vocabulary int64 }

// Activations returns the bytes that the backward pass of a batch needs beyond the parameters.
func Activations(size spec.Size, b Batch) int64 {
	d, ff, heads := int64(size.Model), int64(size.FeedForward), int64(size.Heads)
	inner := heads * int64(size.Head)
	encoder := b.Source*(6*d+5*inner+3*ff) + 2*heads*b.Source*b.Source
	decoder := b.Target*(9*d+9*inner+3*ff) + 2*heads*b.Target*(b.Source+b.Target)
	return floatBytes * b.Rows * (int64(size.Layers)*(encoder+decoder) + 3*b.Target*b.Vocabulary)
}

// Training returns what training a student of a spec takes; none for one that starts from a folder
// or a model of the bucket ([Pretrained]).
func Training(student spec.Student, train spec.Train) []Need {
	size, err := spec.SizeNamed(student.Size)
	if err != nil || student.Pretrained != "" || student.WarmStart != nil {
		return nil
	}
	vocabulary := int64(words)
	if student.ItemsOnly {
		vocabulary = 0
	}
	return trainingOf(Parameters(size, student.ItemsOnly), vocabulary, size, train)
}

// trainingOf returns what training a student of n parameters takes.
func trainingOf(n, vocabulary int64, size spec.Size, train spec.Train) []Need {
	b := Batch{
		Rows: int64(train.Batch) * 5 / 4, Source: sourceTokens, Target: int64(train.MaxTargetTokens),
		Vocabulary: vocabulary,
	}
	if train.MicroBatch > 0 {
		b.Rows = min(b.Rows, int64(train.MicroBatch))
	}
	activations := Activations(size, b)
	if train.GradientCheckpointing {
		activations /= max(1, int64(size.Layers)/2)
	}
	of := fmt.Sprintf("%s has %.1f million parameters", size.Name, float64(n)/1e6)
	kept := int64(train.KeepCheckpoints) + 1
	return []Need{
		{TrainingWork, Memory, n * trainedBytes, n*trainedBytes + activations, fmt.Sprintf(
			"%s of %d bytes; activations of %d rows of %d and %d tokens",
			of, trainedBytes, b.Rows, b.Source, b.Target)},
		{TrainingWork, Scratch, n * (checkpointBytes + modelBytes), n * (2*checkpointBytes + modelBytes), fmt.Sprintf(
			"%s: two checkpoints of %d bytes for each, and the model", of, checkpointBytes)},
		{TrainingWork, Bucket, n * (checkpointBytes + modelBytes), n * (kept*checkpointBytes + modelBytes), fmt.Sprintf(
			"%s: %d checkpoints and the model, for each trial", of, kept)},
	}
}

// ErrTooSmall means that work can never fit into a machine.
var ErrTooSmall = errors.New("does not fit")

// CheckMemory returns an error if a machine with so many bytes can never train a student, and names
// the largest size that it can. 0 bytes are unknown.
func CheckMemory(student spec.Student, train spec.Train, has int64) error {
	for _, need := range Training(student, train) {
		if need.What == Memory && has > 0 && need.Least > has {
			return fmt.Errorf("%w: training %s needs %s of memory, has %s: %s",
				ErrTooSmall, student.Size, Text(need.Least), Text(has), fitting(student, has))
		}
	}
	return nil
}

// fitting returns what would fit into so many bytes.
func fitting(student spec.Student, has int64) string {
	best := ""
	for _, size := range spec.Sizes() {
		if need := Parameters(size, student.ItemsOnly) * trainedBytes; need <= has {
			best = fmt.Sprintf("student.size=%s would fit (%s)", size.Name, Text(need))
		}
	}
	if best == "" {
		return "no size would fit"
	}
	return best
}

// CheckDisk returns an error if a training's scratch needs more than the free bytes of the disk.
func CheckDisk(student spec.Student, train spec.Train, free int64) error {
	for _, need := range Training(student, train) {
		if need.What == Scratch && free > 0 && need.Least > free {
			return fmt.Errorf("%w: training %s needs %s of scratch disk, has %s: free some, or set worker --scratch "+
				"to a larger disk", ErrTooSmall, student.Size, Text(need.Least), Text(free))
		}
	}
	return nil
}

// Text returns bytes for people.
func Text(bytes int64) string {
	const kibi, mebi, gibi = 1 << 10, 1 << 20, 1 << 30
	switch {
	case bytes < mebi:
		return fmt.Sprintf("%.0f KiB", float64(bytes)/kibi)
	case bytes < gibi:
		return fmt.Sprintf("%.0f MiB", float64(bytes)/mebi)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/gibi)
}
