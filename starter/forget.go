package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"rdrec/internal/dataset"
	"rdrec/storage"
)

// forgetCmd removes what the bucket holds of a user.
type forgetCmd struct {
	User string `arg:"" help:"The user's id in the shop."`
	Yes  bool   `help:"${help_forget_yes}"`
}

// Run removes the user and prints what was removed.
func (c *forgetCmd) Run(ctx context.Context, a *app) error {
	if !c.Yes {
		return usageError{errors.New("it removes data for good: add --yes")}
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	texts := func(ctx context.Context, ref storage.Ref) ([]string, error) { return c.texts(ctx, bucket, ref) }
	record, err := bucket.Forget(ctx, storage.ForgetOptions{User: c.User, Texts: texts, Now: a.now()})
	if err != nil {
		return fmt.Errorf("forgetting a user: %w", err)
	}
	if a.flags.JSON {
		return a.printJSON(record)
	}
	return a.print(forgetText(record))
}

// texts returns what the user wrote in a dataset.
func (c *forgetCmd) texts(ctx context.Context, bucket *storage.Bucket, ref storage.Ref) (texts []string, err error) {
	dir, err := os.MkdirTemp("", "rdrec-forget-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := bucket.GetFolder(ctx, ref, dir); err != nil {
		return nil, err
	}
	data, err := dataset.Read(os.DirFS(dir), "dataset")
	if err != nil {
		return nil, fmt.Errorf("reading dataset %s: %w", ref.Digest, err)
	}
	user := slices.Index(data.UserIDs, c.User) + 1
	splits := data.Explanations
	for _, e := range slices.Concat(splits.Train, splits.Val, splits.Test) {
		if e.User == user && user > 0 {
			texts = append(texts, e.Explanation)
		}
	}
	return texts, nil
}

// forgetText returns what was removed for people.
func forgetText(record storage.ForgetRecord) string {
	var page strings.Builder
	fmt.Fprintf(&page, "removed %d contents, %d records, reports and logs, and %d rationales\n",
		len(record.Removed), len(record.Keys), record.Rationales)
	for _, model := range record.Models {
		fmt.Fprintf(&page, "%s of %s/%s has seen the user: model %.12s remains\n",
			model.Label, model.Workflow, model.Run, model.Model.Digest)
	}
	return page.String()
}
