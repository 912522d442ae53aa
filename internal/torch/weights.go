package torch

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"rdrec/internal/untrusted"
)

// Weights are named tensors in files. Tensors are read one at a time, so that a model need not fit
// into memory twice.
type Weights interface {
	// Shapes returns the shapes of the tensors by their names. The files have their bytes.
	Shapes() map[string][]int64
	// Read copies a tensor to the CPU, with its stored element type.
	Read(s *Scope, name string) (*Tensor, error)
	// Close closes the files.
	Close() error
}

// The names of the weight files in a Hugging Face folder.
const (
	SafetensorsFile      = "model.safetensors"
	SafetensorsIndexFile = "model.safetensors.index.json"
	PickleFile           = "pytorch_model.bin"
	PickleIndexFile      = "pytorch_model.bin.index.json"
)

// OpenWeights opens the weights of a Hugging Face folder: one file or several with an index. It
// prefers safetensors to pickles.
func OpenWeights(dir string) (Weights, error) {
	opened := []struct {
		file string
		open func(path string) (Weights, error)
	}{
		{SafetensorsFile, OpenSafetensors},
		{SafetensorsIndexFile, func(path string) (Weights, error) { return openShards(path, OpenSafetensors) }},
		{PickleFile, OpenPickle},
		{PickleIndexFile, func(path string) (Weights, error) { return openShards(path, OpenPickle) }},
	}
	for _, format := range opened {
		path := filepath.Join(dir, format.file)
		if _, err := os.Stat(path); err == nil {
			return format.open(path)
		}
	}
	return nil, fmt.Errorf("weights folder %q: contains none of %q, %q, %q, %q", dir,
		SafetensorsFile, SafetensorsIndexFile, PickleFile, PickleIndexFile)
}

// shards are weights in several files with a Hugging Face index.
type shards struct {
	of    map[string]Weights // name of tensor to its file
	files map[string]Weights // name of file
}

func openShards(path string, open func(string) (Weights, error)) (Weights, error) {
	data, err := untrusted.ReadFile(path, untrusted.MaxVocabulary)
	if err != nil {
		return nil, err
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("weights index %q: %w", path, err)
	}
	all := &shards{of: map[string]Weights{}, files: map[string]Weights{}}
	for _, name := range slices.Sorted(maps.Keys(index.WeightMap)) {
		if err := all.add(filepath.Dir(path), name, index.WeightMap[name], open); err != nil {
			return nil, fmt.Errorf("weights index %q: tensor %q: %w", path, name, firstError(err, all.Close()))
		}
	}
	return all, nil
}

func (w *shards) add(dir, name, file string, open func(string) (Weights, error)) error {
	if w.files[file] == nil {
		path, err := untrusted.Join(dir, file)
		if err != nil {
			return err
		}
		opened, err := open(path)
		if err != nil {
			return err
		}
		w.files[file] = opened
	}
	w.of[name] = w.files[file]
	return nil
}

// Shapes returns the shapes of the tensors of all files that the index names.
func (w *shards) Shapes() map[string][]int64 {
	all := map[string][]int64{}
	for _, file := range w.files {
		for name, shape := range file.Shapes() {
			if w.of[name] == file {
				all[name] = shape
			}
		}
	}
	return all
}

// Read copies a tensor from the file that the index names.
func (w *shards) Read(s *Scope, name string) (*Tensor, error) {
	file, ok := w.of[name]
	if !ok {
		return nil, fmt.Errorf("tensor %q is not in the index", name)
	}
	return file.Read(s, name)
}

// Close closes all files.
func (w *shards) Close() error {
	var first error
	for _, file := range w.files {
		first = firstError(first, file.Close())
	}
	return first
}

// ErrShapes marks weights that lack a tensor or have one of another shape.
var ErrShapes = errors.New("weights do not match")

// Fill copies weights into the targets of their names. It compares all shapes before it sets the
// first: copying would broadcast.
func Fill(s *Scope, weights Weights, targets []Named) error {
	shapes := weights.Shapes()
	for _, target := range targets {
		stored, ok := shapes[target.Name]
		if !ok {
			return fmt.Errorf("%w: no tensor %q", ErrShapes, target.Name)
		}
		if want := target.Tensor.Shape(); !slices.Equal(stored, want) {
			return fmt.Errorf("%w: tensor %q: shape %v, want %v", ErrShapes, target.Name, stored, want)
		}
	}
	for _, target := range targets {
		stored, err := weights.Read(s, target.Name)
		if err != nil {
			return err
		}
		target.Tensor.SetTo(stored)
	}
	return nil
}

func firstError(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
