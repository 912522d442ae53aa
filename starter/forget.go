package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"rdrec/internal/dataset"
	"rdrec/internal/pseudonym"
	"rdrec/storage"
)

// forgetCmd removes what the bucket holds of a user.
type forgetCmd struct {
	User   string   `arg:"" help:"The user's id in the shop."`
	Retire []string `help:"${help_forget_retire}" placeholder:"NAME"`
	Yes    bool     `help:"${help_forget_yes}"`
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
	users, err := c.users(ctx, a, bucket)
	if err != nil {
		return err
	}
	record, err := bucket.Forget(ctx, storage.ForgetOptions{
		Users: users, Retire: c.Retire, Now: a.now(),
		Texts: func(ctx context.Context, ref storage.Ref) ([]string, error) { return textsOf(ctx, bucket, ref, users) },
	})
	if err != nil {
		return fmt.Errorf("forgetting a user: %w", err)
	}
	if a.flags.JSON {
		return a.printJSON(record)
	}
	return a.print(forgetText(record))
}

// users returns the ids by which the bucket may know the user: the given one and, if the bucket has
// pseudonyms, that of the key. Data sets of another key are warned of.
func (c *forgetCmd) users(ctx context.Context, a *app, bucket *storage.Bucket) ([]string, error) {
	digests, err := bucket.UserKeys(ctx)
	if err != nil || len(digests) == 0 || pseudonym.Is(c.User) {
		return []string{c.User}, err
	}
	key, err := userKey()
	if err != nil {
		return nil, err
	}
	if digests[key.Digest()] == 0 {
		return nil, fmt.Errorf("forgetting a user: %w", key.Check(slices.Sorted(maps.Keys(digests))[0]))
	}
	delete(digests, key.Digest())
	for _, digest := range slices.Sorted(maps.Keys(digests)) {
		a.logf("warning: data sets with pseudonyms of another key (digest %s) may have the user: "+
			"set %s to that key and forget the user again", digest, pseudonym.KeyVariable)
	}
	return []string{c.User, key.Of(c.User)}, nil
}

// textsOf returns what a user wrote in a dataset, which knows the user by one of the ids.
func textsOf(
	ctx context.Context, bucket *storage.Bucket, ref storage.Ref, users []string,
) (texts []string, err error) {
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
	user := slices.IndexFunc(data.UserIDs, func(id string) bool { return slices.Contains(users, id) }) + 1
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
	for _, key := range record.Left {
		fmt.Fprintf(&page, "%s names the user and is your own file: remove the user there\n", key)
	}
	return page.String()
}
