package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// initCmd writes a spec for raw reviews.
type initCmd struct {
	From   string   `required:"" help:"The reviews: a file, a folder or a pattern." placeholder:"FILE"`
	Set    []string `help:"${help_set}" placeholder:"KEY=VALUE" sep:"none"`
	Out    string   `help:"The spec to write; the default is the reviews' name with .yaml." placeholder:"SPEC"`
	Worker string   `help:"The worker program; the default is in the folder of this program."`
}

// Run imports the reviews and writes a spec with what was recognized.
func (c *initCmd) Run(ctx context.Context, a *app) error {
	loaded, err := (&importCmd{From: c.From, Set: c.Set}).load()
	if err != nil {
		return err
	}
	out := c.Out
	if out == "" {
		out = loaded.Name + ".yaml"
	}
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		return usageError{fmt.Errorf("%q exists already: name another file with --out", out)}
	}
	preview, err := a.importReviews(ctx, c.Worker, loaded, "")
	if err != nil {
		return err
	}
	text, err := initialSpec(loaded, preview.Summary)
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, []byte(text), 0o600); err != nil {
		return err
	}
	return a.done(map[string]string{"spec": out},
		"spec       %s; \"starter spec %s\" prints every key, \"starter run %s\" runs it", out, out, out)
}

// maxNegatives is the default of data.negatives. A smaller share of the items is taken where there
// are few.
const (
	maxNegatives  = 99
	negativeShare = 4
)

// initialSpec returns a short spec with comments.
func initialSpec(s spec.Spec, sum dataset.ImportSummary) (string, error) {
	reviews, err := yaml.Marshal(s.Data.Reviews)
	if err != nil {
		return "", fmt.Errorf("writing data.reviews as YAML: %w", err)
	}
	var b strings.Builder
	for _, source := range sum.Sources {
		fmt.Fprintf(&b, "# read %s\n", source)
	}
	fmt.Fprintf(&b,
		"# %d rows, %d of them bad: %d users, %d items, %d interactions, %d explanations\n",
		sum.Rows, sum.Bad, sum.Users, sum.Items, sum.Interactions, sum.Explanations)
	fmt.Fprintf(&b, "name: %q\nmethods: [rdrec]\nprotocol: clean\n", s.Name)
	b.WriteString("data:\n  # unseen items beside the true one in the top-N task\n")
	fmt.Fprintf(&b, "  negatives: %d\n", max(1, min(maxNegatives, sum.Items/negativeShare)))
	b.WriteString("  # docs/formats.md has the settings: " +
		"columns, header, quote, encoding, time_format, metadata, ...\n")
	b.WriteString("  reviews:\n")
	for line := range strings.Lines(string(reviews)) {
		b.WriteString("    " + line)
	}
	b.WriteString("student: {size: t5-small}\n")
	return b.String(), nil
}
