package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
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
	text, err := initialSpec(loaded, preview.Summary, c.Set)
	if err == nil { // rdrec needs more settings than the method of an import
		_, err = spec.Parse(out, []byte(text), nil)
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, []byte(text), 0o600); err != nil {
		return err
	}
	for _, line := range recognized(preview.Summary) {
		a.logf("%s", line)
	}
	if preview.Summary.Texts == 0 {
		a.logf("warning: no review has a text, so nothing is distilled or explained: if a column has it, " +
			"--set data.reviews.columns.text=NAME names it")
	}
	return a.done(map[string]string{"spec": out},
		"spec       %s; \"starter spec %s\" prints every key, \"starter run %s\" runs it", out, out, out)
}

// recognized returns how the files were read, and the counts of what is in them.
func recognized(sum dataset.ImportSummary) []string {
	var lines []string
	for _, source := range sum.Sources {
		lines = append(lines, "read "+source)
	}
	return append(lines, fmt.Sprintf("%d rows, %d of them bad: %d users, %d items, %d interactions, %d explanations",
		sum.Rows, sum.Bad, sum.Users, sum.Items, sum.Interactions, sum.Explanations))
}

// maxNegatives is the default of data.negatives. A smaller share of the items is taken where there
// are few.
const (
	maxNegatives  = 99
	negativeShare = 4
)

// initialSpec returns a short spec with comments: the settings of the reviews, and those that --set
// names.
func initialSpec(s spec.Spec, sum dataset.ImportSummary, set []string) (string, error) {
	complete, err := s.CompleteYAML()
	var all yaml.MapSlice
	if err == nil {
		err = yaml.UnmarshalWithOptions(complete, &all, yaml.UseOrderedMap())
	}
	if err != nil {
		return "", fmt.Errorf("reading the spec's values: %w", err)
	}
	short := yaml.MapSlice{
		{Key: "name", Value: s.Name},
		{Key: "methods", Value: []string{"rdrec"}},
		{Key: "protocol", Value: "clean"},
		{Key: "data", Value: yaml.MapSlice{
			{Key: "negatives", Value: max(1, min(maxNegatives, sum.Items/negativeShare))},
			{Key: "reviews", Value: s.Data.Reviews},
		}},
		{Key: "student", Value: yaml.MapSlice{{Key: "size", Value: "t5-small"}}},
	}
	for _, override := range set {
		key, _, _ := strings.Cut(override, "=")
		if path := strings.Split(key, "."); !strings.HasPrefix(key, "data.reviews") {
			short = copyKey(short, all, path)
		}
	}
	for i, item := range short {
		if item.Key != "data" {
			short[i].Value = flow{item.Value}
		}
	}
	comments := yaml.CommentMap{
		"$.data.negatives": {yaml.HeadComment(" unseen items beside the true one in the top-N task")},
		"$.data.reviews": {yaml.HeadComment(
			" docs/formats.md has the settings: columns, header, quote, encoding, time_format, metadata, ...")},
	}
	if !slices.ContainsFunc(set, func(s string) bool { return strings.HasPrefix(s, "student") }) {
		comments["$.student"] = []*yaml.Comment{yaml.HeadComment(
			" trains for hours on a CPU; for a first look: student: {size: t5-tiny} and train: {epochs: 3}")}
	}
	text, err := yaml.MarshalWithOptions(short, yaml.WithComment(comments))
	if err != nil {
		return "", fmt.Errorf("writing the spec as YAML: %w", err)
	}
	var head strings.Builder
	for _, line := range recognized(sum) {
		fmt.Fprintf(&head, "# %s\n", line)
	}
	return head.String() + string(text), nil
}

// flow is a value of YAML that is written on one line.
type flow struct{ value any }

// MarshalYAML returns the value in YAML's flow style.
func (f flow) MarshalYAML() ([]byte, error) {
	return yaml.MarshalWithOptions(f.value, yaml.Flow(true))
}

// copyKey copies the value at a path from one block of YAML to another, which it returns. A path
// that leads into a map copies the map.
func copyKey(to, from yaml.MapSlice, path []string) yaml.MapSlice {
	named := func(item yaml.MapItem) bool { return item.Key == path[0] }
	source := slices.IndexFunc(from, named)
	if source < 0 {
		return to
	}
	at := slices.IndexFunc(to, named)
	if at < 0 {
		at, to = len(to), append(to, yaml.MapItem{Key: path[0], Value: yaml.MapSlice{}})
	}
	fromBlock, deeper := from[source].Value.(yaml.MapSlice)
	toBlock, isBlock := to[at].Value.(yaml.MapSlice)
	if len(path) == 1 || !deeper || !isBlock {
		to[at].Value = from[source].Value
	} else {
		to[at].Value = copyKey(toBlock, fromBlock, path[1:])
	}
	return to
}
