package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
)

// auditCmd audits a dataset folder for leaks. It needs no server, no bucket and no worker.
type auditCmd struct {
	Data string `required:"" help:"${help_audit_data}"`
	Seed int64  `help:"${help_audit_seed}" default:"1"`
}

// Run prints the rule's metrics, the measurements, and the findings, the most severe first.
func (c *auditCmd) Run(a *app) error {
	if _, err := os.Stat(c.Data); err != nil {
		return err
	}
	d, err := dataset.Read(os.DirFS(c.Data), nameOf(c.Data))
	if err != nil {
		return fmt.Errorf("%w: %w", errData, err)
	}
	found := audit.Run(d, c.Seed)
	if a.flags.JSON {
		return a.printJSON(found)
	}
	var page strings.Builder
	if err := found.Text(&page); err != nil {
		return err
	}
	return a.print(page.String())
}

// nameOf returns the base name of a folder.
func nameOf(folder string) string {
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	return filepath.Base(folder)
}
