package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"rdrec/internal/dataset"
	"rdrec/internal/exitcode"
	"rdrec/internal/progress"
	"rdrec/internal/spec"
)

// importCmd imports raw reviews without a server. The worker's program does it: the starter links
// no DuckDB.
type importCmd struct {
	Spec   string   `arg:"" optional:"" help:"${help_import_spec}"`
	From   string   `help:"${help_import_from}" placeholder:"FILE"`
	Set    []string `help:"${help_set}" placeholder:"KEY=VALUE" sep:"none"`
	Out    string   `help:"${help_import_out}" placeholder:"DIR"`
	Worker string   `help:"The worker program; the default is in the folder of this program."`
}

// Run prints how the files were read, the counts, and the first rows.
func (c *importCmd) Run(ctx context.Context, a *app) error {
	loaded, err := c.load()
	if err != nil {
		return err
	}
	preview, failed := a.importReviews(ctx, c.Worker, loaded, c.Out)
	if preview != nil && (failed == nil || preview.Summary.Rows > 0) {
		if err := a.printPreview(*preview, loaded.Data.Reviews.Metadata != ""); err != nil {
			return err
		}
	}
	if failed == nil && c.Out != "" {
		a.logf("dataset    %s", c.Out)
	}
	return failed
}

// load returns the spec, or one for --from that keeps every user who can be evaluated.
func (c *importCmd) load() (loaded spec.Spec, err error) {
	switch {
	case (c.Spec == "") == (c.From == ""):
		return loaded, usageError{errors.New("expected either a spec or --from")}
	case c.Spec != "":
		loaded, err = readSpec(c.Spec, c.Set, findFiles)
	case hasSequences(c.From):
		return loaded, specError{
			fmt.Errorf("%q is a data set, not raw reviews", c.From), "use it with starter run --dataset " + c.From,
		}
	default:
		name := strings.TrimSuffix(filepath.Base(c.From), filepath.Ext(c.From))
		text := fmt.Sprintf("name: %q\nmethods: [pod]\ndata: {negatives: 1, reviews: {path: %q, user_core: %d, "+
			"item_core: 1}}\n",
			slugOf(name), c.From, dataset.MinItems)
		loaded, err = spec.Parse("the spec of --from", []byte(text), c.Set, findFiles)
	}
	if err == nil && (loaded.Data.Reviews == nil || loaded.Data.Reviews.Path == "") {
		err = usageError{errors.New("the spec names no file of reviews (data.reviews.path)")}
	}
	return loaded, err
}

// importReviews imports the reviews of a spec into a folder, or into a temporary one if out is
// empty.
func (a *app) importReviews(
	ctx context.Context, program string, s spec.Spec, out string,
) (preview *dataset.ImportPreview, err error) {
	scratch, err := os.MkdirTemp("", "rdrec-import-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if out == "" {
		out = filepath.Join(scratch, "dataset")
	}
	text, err := s.CompleteYAML()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(scratch, "spec.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	return a.runImport(ctx, program, file, out)
}

// runImport runs the worker's import. The preview is nil if no row was read.
func (a *app) runImport(ctx context.Context, program, file, out string) (*dataset.ImportPreview, error) {
	program = a.workerProgram(program)
	var stdout bytes.Buffer
	stderr := &progressReader{printer: progress.NewPrinter(a.stderr, "import", a.now)}
	command := exec.CommandContext( //nolint:gosec // the user names the program
		ctx, program, "import", file, "--out", out, "--progress",
	)
	command.Stdout, command.Stderr = &stdout, stderr
	failed := command.Run()
	stderr.printer.Clear()
	var preview *dataset.ImportPreview
	if stdout.Len() > 0 {
		preview = &dataset.ImportPreview{}
		if err := json.Unmarshal(stdout.Bytes(), preview); err != nil {
			return nil, fmt.Errorf("read the answer of %q: %w", program, err)
		}
	}
	var exited *exec.ExitError
	switch {
	case failed == nil:
		return preview, nil
	case ctx.Err() != nil:
		return nil, errInterrupted
	case !errors.As(failed, &exited):
		return nil, fmt.Errorf("%w: starting %q: %w", errNoWorker, program, failed)
	}
	message, _, _ := strings.Cut(stderr.String(), "\nhint: ")
	message = strings.TrimSpace(strings.TrimPrefix(message, "error: "))
	if exited.ExitCode() == exitcode.Data {
		return preview, fmt.Errorf("%w: %s", errReviews, message)
	}
	return preview, fmt.Errorf("import reviews: %s", message)
}

// printPreview prints a preview as JSON or as text.
func (a *app) printPreview(preview dataset.ImportPreview, titled bool) error {
	if a.flags.JSON {
		return a.printJSON(preview)
	}
	var page strings.Builder
	sum := preview.Summary
	for _, source := range sum.Sources {
		fmt.Fprintf(&page, "read %s\n", source)
	}
	if len(sum.PassedOver) > 0 {
		fmt.Fprintf(&page, "passed over %s\n", strings.Join(sum.PassedOver, ", "))
	}
	w := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	for _, row := range counts(sum, titled) {
		fmt.Fprintf(w, "%s\t%d\t%s\n", row.name, row.n, row.about)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	page.WriteString("\n")
	w = tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LINE\tUSER\tITEM\tTIME\tRATING\tTEXT\tSUMMARY")
	for _, row := range preview.Rows {
		rating := ""
		if row.Rating != nil {
			rating = fmt.Sprint(*row.Rating)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", row.Line, beginning(row.User), beginning(row.Item),
			row.Time, rating, beginning(row.Text), beginning(row.Summary))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return a.print(page.String())
}

// count is a row of the counts of an import.
type count struct {
	name  string
	n     int
	about string
}

// counts returns the counts of an import, without causes that did not occur.
func counts(sum dataset.ImportSummary, titled bool) []count {
	rows := []count{{"rows", sum.Rows, ""}}
	for _, cause := range []count{
		{"  bad", sum.Bad, "cannot be read: quarantine.jsonl"},
		{"  filtered", sum.Filtered, "outside the dates, or below the rating"},
		{"  duplicates", sum.Duplicates, "later reviews of the same item by the same user"},
		{"  sparse", sum.Sparse, "of users or items below user_core or item_core"},
		{"  lost characters", sum.Replaced, "not UTF-8: data.reviews.encoding"},
		{"  implausible times", sum.OddTimes, fmt.Sprintf("before %d or after %d: data.reviews.time_format",
			dataset.FirstYear, dataset.LastYear)},
	} {
		if cause.n > 0 {
			rows = append(rows, cause)
		}
	}
	rows = append(rows, count{"users", sum.Users, ""}, count{"items", sum.Items, ""},
		count{"interactions", sum.Interactions, ""})
	rows = append(rows, explained(sum)...)
	if titled {
		rows = append(rows, count{"titles", sum.Titles, fmt.Sprintf("of %d items", sum.Items)})
	}
	return rows
}

// explained returns how many texts have an explanation, and why the others have none.
func explained(sum dataset.ImportSummary) []count {
	if sum.Texts == 0 {
		return []count{{"explanations", sum.Explanations, ""}}
	}
	about := fmt.Sprintf("of %d reviews with text (%s)", sum.Texts, spec.WordLists(sum.Language))
	rows := []count{{"explanations", sum.Explanations, about}}
	for _, cause := range slices.Sorted(maps.Keys(sum.Unexplained)) {
		rows = append(rows, count{"  none", sum.Unexplained[cause], cause})
	}
	return rows
}

// maxShown is the number of characters of a cell.
const maxShown = 40

// beginning returns the beginning of a text on one line.
func beginning(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxShown {
		return string(runes[:maxShown-1]) + "…"
	}
	return string(runes)
}
