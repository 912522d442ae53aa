package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rdrec/internal/hfexport"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/untrusted"
	"rdrec/registry"
	"rdrec/storage"
)

// exportStudent writes a student's folder. It writes to a temporary name and renames it at the end,
// so the folder is either complete or absent.
func (a *app) exportStudent(ctx context.Context, bucket *storage.Bucket, model registry.Model, dir string) error {
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return usageError{fmt.Errorf("--student %s: the folder is not empty", dir)}
	}
	part := strings.TrimRight(dir, string(filepath.Separator)) + ".part"
	if err := os.RemoveAll(part); err != nil {
		return fmt.Errorf("making room for the student: %w", err)
	}
	if err := fetchStudent(ctx, bucket, model, part); err != nil {
		return fmt.Errorf("fetching the student: %w", err)
	}
	card, err := studentCard(model, part)
	if err != nil {
		return err
	}
	if err := hfexport.Complete(part, card); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("writing the student: %w", err)
	}
	if err := os.Rename(part, dir); err != nil {
		return fmt.Errorf("writing the student: %w", err)
	}
	if a.flags.JSON {
		return a.printJSON(map[string]string{"student": dir, "model": model.Name, "method": model.Method})
	}
	return a.print(dir + "\n")
}

// fetchStudent copies a student's folder and the ids of its users and items from the bucket.
func fetchStudent(ctx context.Context, bucket *storage.Bucket, model registry.Model, dir string) error {
	if err := bucket.GetFolder(ctx, model.Student, dir); err != nil {
		return err
	}
	data, err := bucket.Artifact(ctx, model.Preprocessed)
	if err != nil {
		return err
	}
	for _, file := range data.Files {
		if file.Name == "datamaps.json" || file.Name == "codes.json" {
			path, err := untrusted.Join(dir, file.Name)
			if err != nil {
				return err
			}
			if err := bucket.GetFile(ctx, file.Ref, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// studentCard returns the content of the exported README.
func studentCard(model registry.Model, dir string) (hfexport.Card, error) {
	card := hfexport.Card{Model: model.Name, Method: model.Method, Data: dataName(model.Spec)}
	text, err := os.ReadFile(filepath.Join(dir, "config.json")) //nolint:gosec // the student that was just written
	if err != nil {
		return card, fmt.Errorf("reading the student: %w", err)
	}
	var config struct {
		Prompts     int  `json:"prompts_per_task"`
		ItemCodes   int  `json:"item_codes"`
		OnePosition bool `json:"item_one_position"`
		ItemHead    bool `json:"item_head"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return card, fmt.Errorf("reading the student's config.json: %w", err)
	}
	card.Prompts, card.OnePosition, card.ItemHead = config.Prompts, config.OnePosition, config.ItemHead
	method, err := spec.MethodNamed(model.Method)
	if err != nil {
		return card, err
	}
	name := method.TemplateSet
	if card.Codes = config.ItemCodes > 0; card.Codes {
		name = task.ItemTemplates
	}
	templateSet, err := task.TemplateSetNamed(name)
	if err != nil {
		return card, err
	}
	card.SplitOnSpaces = templateSet.Words == token.BlankWords
	card.ExplainPrompt, card.SequentialPrompt, err = templateSet.Inputs(task.Pair{User: 7, Item: 12}, []int{3, 12})
	return card, err
}
