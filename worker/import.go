package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"rdrec/internal/dataset"
	"rdrec/internal/progress"
	"rdrec/internal/pseudonym"
	"rdrec/internal/review"
	"rdrec/internal/spec"
	"rdrec/internal/torch"
)

// importOptions holds the flags of an import without a server.
type importOptions struct {
	importResources
	Spec string   `arg:"" help:"The spec, for its data.reviews; its paths are relative to the current folder."`
	Set  []string `help:"Override a value of the spec." placeholder:"KEY=VALUE" sep:"none"`
	Out  string   `help:"The dataset folder to write." required:""`
	// Progress is for "starter import".
	Progress bool `help:"Print the progress on stderr as JSON lines."`
}

// results is where a command writes its results.
type results struct{ io.Writer }

// errNoReviews is the error of a spec that names no reviews.
var errNoReviews = errors.New("the spec names no file of reviews (data.reviews.path)")

// Run imports the reviews and prints a [dataset.ImportPreview] as JSON, also if the import fails
// once rows were read.
func (o importOptions) Run(ctx context.Context, out results, stderr io.Writer) error {
	s, err := spec.Load(o.Spec, o.Set)
	if err != nil {
		return err
	}
	if s.Data.Reviews == nil || s.Data.Reviews.Path == "" {
		return usageError{fmt.Errorf("%s: %w", o.Spec, errNoReviews)}
	}
	key, err := userKey(s.Data)
	if err != nil {
		return err
	}
	remove, err := fetchReviews(ctx, s.Data.Reviews, o.Out)
	if err != nil {
		return err
	}
	preview := dataset.ImportPreview{Rows: []dataset.ImportedRow{}}
	preview.Summary, err = review.Importer{
		Options: *s.Data.Reviews, Appearance: s.Indexing() == spec.Appearance, Seed: s.Seed, UserKey: key, Dir: o.Out,
		Resources: o.importer(torch.FreeHost(os.DirFS("/"))).Resources,
		Sample:    func(row dataset.ImportedRow) { preview.Rows = append(preview.Rows, row) },
		Progress: importProgress(func(p progress.Progress, _ string) {
			if o.Progress {
				_ = json.NewEncoder(stderr).Encode(p) //nolint:errcheck // nobody reads a closed stderr
			}
		}),
	}.Run(ctx)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return errors.Join(encoder.Encode(preview), importError(err), remove())
}

// userKey returns the key of the pseudonyms that the data ask for; none for data that keep the ids.
func userKey(data spec.Data) (pseudonym.Key, error) {
	if !data.Pseudonyms {
		return pseudonym.Key{}, nil
	}
	key, err := pseudonym.ReadKey(os.Getenv(pseudonym.KeyVariable))
	if err != nil {
		return key, err
	}
	_, err = key.Required()
	return key, err
}
