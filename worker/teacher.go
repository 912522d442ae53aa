package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"rdrec/activities"
	"rdrec/internal/cache"
	"rdrec/internal/llama"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
)

// teachers opens the teachers that a spec may name. A new kind of teacher is a new case in kind and in Open.
type teachers struct {
	device  string
	threads int
	log     zerolog.Logger
}

// copyTeacher is the ablation without a language model: the explanation itself is the rationale.
const copyTeacher = "copy"

// weights is the file of a teacher's weights, "" for one that has none.
func weights(model string) (string, error) {
	kind, place, _ := strings.Cut(model, ":")
	switch kind {
	case copyTeacher:
		return "", nil
	case "smollm2":
		return cache.Teacher()
	case "gguf":
		return place, nil
	default:
		return "", fmt.Errorf("%w: teacher %q is not one that this worker can open (it has smollm2, gguf:FILE and copy)",
			activities.ErrInvalid, model)
	}
}

// Digest hashes the teacher's weights.
func (teachers) Digest(_ context.Context, settings spec.Teacher) (string, error) {
	path, err := weights(settings.Model)
	if err != nil || path == "" {
		return settings.Model, err
	}
	f, err := os.Open(path) //nolint:gosec // the user's own model
	if err != nil {
		return "", fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	defer f.Close() //nolint:errcheck // reading only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash %q: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Open loads the teacher.
func (t teachers) Open(_ context.Context, settings spec.Teacher) (teacher.Engine, func(), error) {
	path, err := weights(settings.Model)
	if err != nil {
		return nil, nil, err
	}
	if path == "" {
		return teacher.Copy{}, func() {}, nil
	}
	engine, err := llama.Open(path, llama.Options{Device: t.device, Threads: t.threads, Batch: settings.Batch})
	if err != nil {
		return nil, nil, err
	}
	return engine, func() {
		if err := engine.Close(); err != nil {
			t.log.Warn().Err(err).Msg("teacher was not freed")
		}
	}, nil
}
