package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
)

// auditCmd audits a dataset folder. It needs no server, no bucket and no worker.
type auditCmd struct {
	Data string `required:"" help:"A folder in RDRec's, POD's and P5's format (sequential.txt, datamaps.json, ...; plain or .gz)."`
	Seed int64  `help:"Seed of the bootstrap behind the intervals of --json." default:"1"`
}

// Run prints the rule's figures, what was measured, and the findings, the gravest first.
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

// nameOf is what people call a folder.
func nameOf(folder string) string {
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	return filepath.Base(folder)
}
