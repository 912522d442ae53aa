package llama

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rdrec/internal/gguf"
	"rdrec/internal/torch"
)

// Format is the file format of a model.
type Format string

// The supported formats.
const (
	// GGUF is llama.cpp's single-file format.
	GGUF Format = "gguf"
	// HuggingFace is a folder with config.json, safetensors (or PyTorch's files) and tokenizer.json
	// or tokenizer.model.
	HuggingFace Format = "hf"
	// Meta is the folder that Meta distributes: params.json, consolidated.*.pth and
	// tokenizer.model.
	Meta Format = "meta"
)

// source is a model's files. Weights have GGUF's names and layout: the pairs that RoPE rotates are
// neighbors.
type source interface {
	// config returns the model's configuration.
	config() (Config, error)
	// vocabulary returns the tokenizer with its special tokens and chat template.
	vocabulary() (*vocabulary, error)
	// read copies a weight into a float32 tensor on the CPU, which must have its shape.
	read(name string, into *torch.Tensor) error
	Close() error
}

// DetectFormat returns the format of the model at path: GGUF for a file, and the format of a folder
// by its files.
func DetectFormat(path string) (Format, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("open the model: %w", err)
	}
	if !info.IsDir() {
		return GGUF, nil
	}
	for _, known := range []struct {
		file   string
		format Format
	}{{hfConfigFile, HuggingFace}, {metaConfigFile, Meta}} {
		if _, err := os.Stat(filepath.Join(path, known.file)); err == nil {
			return known.format, nil
		}
	}
	return "", fmt.Errorf("model folder %q has neither %s (Hugging Face's format) nor %s (Meta's format)",
		path, hfConfigFile, metaConfigFile)
}

func openSource(format Format, path string) (source, error) {
	if format == "" {
		var err error
		if format, err = DetectFormat(path); err != nil {
			return nil, err
		}
	}
	switch format {
	case GGUF:
		return openGGUF(path)
	case HuggingFace:
		return openHuggingFace(path)
	case Meta:
		return openMeta(path)
	default:
		return nil, fmt.Errorf("model format %q: want %s, %s or %s", format, GGUF, HuggingFace, Meta)
	}
}

// Files returns the files that determine a model's output, in the order of their names: the file
// itself (all parts of a GGUF file that is split), or those of a folder that the engine reads.
func Files(format Format, path string) ([]string, error) {
	if format == GGUF {
		parts := gguf.Parts(path)
		missing := make([]error, 0, len(parts))
		for _, part := range parts {
			missing = append(missing, isFile(part))
		}
		return parts, errors.Join(missing...)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("open the model: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	var files []string
	for _, name := range Choose(format, names) {
		files = append(files, filepath.Join(path, name))
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: folder %q is empty", ErrModel, path)
	}
	return files, nil
}

// Choose returns those of the names of a folder's files that the engine reads in a format.
func Choose(format Format, names []string) []string {
	known := []string{".json", ".model", ".jinja", ".safetensors", ".bin", ".pth"}
	hasSafetensors := slices.ContainsFunc(names, func(name string) bool {
		return strings.HasSuffix(name, ".safetensors")
	})
	var files []string
	for _, name := range names {
		kind := filepath.Ext(name)
		pickled := kind == ".bin" || kind == ".pth"
		if strings.Contains(name, "/") || !slices.Contains(known, kind) ||
			format == HuggingFace && hasSafetensors && pickled {
			continue
		}
		files = append(files, name)
	}
	return files
}

// sizeOf returns the bytes of the files of a model, all parts of a file that is split included.
func sizeOf(path string) (bytes int64, err error) {
	paths := gguf.Parts(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return 0, fmt.Errorf("open the model: %w", err)
		}
		paths = paths[:0]
		for _, e := range entries {
			paths = append(paths, filepath.Join(path, e.Name()))
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return 0, fmt.Errorf("open the model: %w", err)
		}
		bytes += info.Size()
	}
	return bytes, nil
}

// isFile returns an error if path is not a file.
func isFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open the model: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("%w: %q is a folder, and %s is one file (%s and %s are for folders)",
			ErrModel, path, GGUF, HuggingFace, Meta)
	}
	return nil
}

// missingFile adds the files that a folder should contain to the error of a missing file.
func missingFile(err error, folder, want string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("model folder %q lacks a file (want %s): %w", folder, want, err)
	}
	return err
}

// shapeError returns the error of a weight whose shape does not match the settings.
func shapeError(name string, have, want []int64, settings string) error {
	return fmt.Errorf("%w: tensor %q has shape %v, want %v (do the weights match %s?)",
		ErrModel, name, have, want, settings)
}
