package llama

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rdrec/internal/torch"
)

// Format is how a model is kept in files.
type Format string

// The forms that can be read.
const (
	// GGUF is llama.cpp's single file.
	GGUF Format = "gguf"
	// HuggingFace is a folder with config.json, safetensors (or PyTorch's files) and tokenizer.json
	// or tokenizer.model.
	HuggingFace Format = "hf"
	// Meta is the folder that Meta hands out: params.json, consolidated.*.pth and tokenizer.model.
	Meta Format = "meta"
)

// source is a model's files. Weights are named as GGUF names them, and come in GGUF's layout: the
// pairs that rope turns are neighbours.
type source interface {
	// config is the model's shape.
	config() (Config, error)
	// vocabulary is the tokenizer, with what steers it.
	vocabulary() (*vocabulary, error)
	// cached copies a weight into a float32 tensor of the CPU, whose shape it must have.
	read(name string, into *torch.Tensor) error
	Close() error
}

// DetectFormat is the form of the model at path: a file, or a folder by what lies in it.
func DetectFormat(path string) (Format, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("open the model: %w", err)
	}
	if !info.IsDir() {
		return GGUF, nil
	}
	for _, known := range []struct {
		file string
		form Format
	}{{hfConfigFile, HuggingFace}, {metaConfigFile, Meta}} {
		if _, err := os.Stat(filepath.Join(path, known.file)); err == nil {
			return known.form, nil
		}
	}
	return "", fmt.Errorf("model folder %q has neither %s, as Hugging Face's have, nor %s, as Meta's have", path, hfConfigFile, metaConfigFile)
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

// Files are the files that a model's text hangs on, in the order of their names: the file itself,
// or what is read of a folder.
func Files(format Format, path string) ([]string, error) {
	if format == GGUF {
		return []string{path}, isFile(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("open the model: %w", err)
	}
	known := []string{".json", ".model", ".jinja", ".safetensors", ".bin", ".pth"}
	hasSafetensors := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), ".safetensors") })
	var files []string
	for _, e := range entries {
		kind := filepath.Ext(e.Name())
		pickled := kind == ".bin" || kind == ".pth"
		if e.IsDir() || !slices.Contains(known, kind) || format == HuggingFace && hasSafetensors && pickled {
			continue
		}
		files = append(files, filepath.Join(path, e.Name()))
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("model folder %q is empty", path)
	}
	return files, nil
}

// isFile refuses a folder where a model is one file.
func isFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open the model: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("%w: %q is a folder, and %s is one file (%s and %s are for folders)", ErrModel, path, GGUF, HuggingFace, Meta)
	}
	return nil
}

// missingFile turns a missing file's error into one that says what the folder should have.
func missingFile(err error, folder, want string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("model folder %q lacks a file (want %s): %w", folder, want, err)
	}
	return err
}

// shapeError is a weight of another shape than the settings say.
func shapeError(name string, have, want []int64, settings string) error {
	return fmt.Errorf("%w: tensor %q has shape %v, want %v (do the weights match %s?)", ErrModel, name, have, want, settings)
}
