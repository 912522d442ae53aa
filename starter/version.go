package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"rdrec/internal/build"
	"rdrec/internal/document"
)

// versionCmd prints what the programs were built from.
type versionCmd struct {
	Worker string `help:"The worker program; the default is in the folder of this program."`
}

// versions is what both programs were built from.
type versions struct {
	Starter build.Build `json:"starter"`
	// Worker is nil if the worker program does not run.
	Worker *build.Worker `json:"worker"`
}

// Run prints the versions of the starter, and those of the worker program beside it.
func (c *versionCmd) Run(ctx context.Context, a *app) error {
	found := versions{Starter: readBuild()}
	worker, missing := a.workerBuild(ctx, c.Worker)
	if missing == nil {
		found.Worker = &worker
	}
	if err := found.print(a); err != nil {
		return err
	}
	switch {
	case missing != nil:
		a.logf("warning: %s", document.Redact(missing.Error()))
	case worker.Commit != found.Starter.Commit:
		a.logf("warning: starter and worker were built from different commits; \"make build\" builds both")
	}
	return nil
}

func (v versions) print(a *app) error {
	if a.flags.JSON {
		return a.printJSON(v)
	}
	var page strings.Builder
	w := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	add := func(program string, rows [][2]string) {
		for _, row := range rows {
			fmt.Fprintf(w, "%s\t%s\t%s\n", program, row[0], row[1])
		}
	}
	add("starter", v.Starter.Rows())
	if v.Worker != nil {
		add("worker", v.Worker.Rows())
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the versions: %w", err)
	}
	return a.print(page.String())
}

// readBuild returns what this program was built from.
func readBuild() build.Build {
	return build.Read("go.temporal.io/sdk", "go.temporal.io/server", "gocloud.dev")
}

// workerTimeout is the time limit of "worker version", which loads libtorch and looks for a GPU.
const workerTimeout = time.Minute

// workerProgram returns the path of the worker program: the flag's, or that beside this program.
func (a *app) workerProgram(flag string) string {
	if flag != "" {
		return flag
	}
	return filepath.Join(filepath.Dir(a.program), "worker")
}

// workerBuild asks the worker program what it was built from.
func (a *app) workerBuild(ctx context.Context, flag string) (found build.Worker, err error) {
	ctx, cancel := context.WithTimeout(ctx, workerTimeout)
	defer cancel()
	program := a.workerProgram(flag)
	command := exec.CommandContext(ctx, program, "version", "--json") //nolint:gosec // the user names the program
	command.WaitDelay = time.Second
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	var exited *exec.ExitError
	switch {
	case errors.As(err, &exited):
		message, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		var failed struct{ Error string }
		if json.Unmarshal([]byte(message), &failed) == nil {
			message = failed.Error
		}
		return found, fmt.Errorf("%w: %q does not run: %w: %s", errNoWorker, program, err, message)
	case err != nil:
		return found, fmt.Errorf("%w: starting %q: %w", errNoWorker, program, err)
	}
	if err := json.Unmarshal(output, &found); err != nil {
		return found, fmt.Errorf("%w: reading the output of %q: %w", errNoWorker, program, err)
	}
	return found, nil
}
