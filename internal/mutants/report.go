package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// count is a row of the table.
type count struct{ killed, timedOut, survived, equivalent int }

// share returns the killed fraction of the non-equivalent mutants; 1 if there are none.
func (c count) share() float64 {
	if c.killed+c.survived == 0 {
		return 1
	}
	return float64(c.killed) / float64(c.killed+c.survived)
}

func tally(verdicts []*verdict) count {
	var c count
	for _, v := range verdicts {
		switch {
		case v.Equivalent != "":
			c.equivalent++
		case v.Killed:
			c.killed++
			if v.TimedOut {
				c.timedOut++
			}
		default:
			c.survived++
		}
	}
	return c
}

// String returns a verdict on one line.
func (v *verdict) String() string {
	switch {
	case v.Equivalent != "":
		return "equivalent " + v.Candidate.String() + "  # " + v.Equivalent
	case v.Killed:
		return "killed     " + v.Candidate.String() + "  # " + v.Reason
	}
	return "survived   " + v.Candidate.String() + "  # " + v.reached()
}

func (v *verdict) reached() string {
	const most = 4
	names := slices.Sorted(slices.Values(v.Reached))
	switch {
	case len(names) == 0:
		return "not reached by any test"
	case len(names) > most:
		return fmt.Sprintf("reached by %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return "reached by " + strings.Join(names, ", ")
}

// report prints the survivors, the stale entries of the list of equivalents, and the table.
func report(w io.Writer, verdicts []*verdict, stale []string) {
	for _, v := range verdicts {
		if !v.Killed && v.Equivalent == "" {
			fmt.Fprintln(w, v)
			fmt.Fprintf(w, "           key: %s\n", v.Key())
		}
	}
	for _, key := range stale {
		fmt.Fprintf(w, "stale      %s  # listed as equivalent, but no candidate\n", key)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\npackage\tkilled\t(by time)\tsurvived\tequivalent\tshare killed\t")
	var from int
	for i := range verdicts {
		if i+1 == len(verdicts) || verdicts[i+1].Package != verdicts[i].Package {
			row(table, verdicts[i].Package, verdicts[from:i+1])
			from = i + 1
		}
	}
	row(table, "all", verdicts)
	table.Flush()
}

func row(w io.Writer, name string, verdicts []*verdict) {
	c := tally(verdicts)
	share := fmt.Sprintf("%.1f%%", 100*c.share())
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t\n", name, c.killed, c.timedOut, c.survived, c.equivalent, share)
}
