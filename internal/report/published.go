package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"rdrec/internal/metric"
	"rdrec/internal/spec"
)

// Published compares the students with the ten trials in the reference's t_test.py on the same
// data. Those cannot be verified here, and other code on another machine produced them, so they are
// not part of the tables, their corrections or the verdict.
type Published struct {
	// Data is "beauty", "sports" or "toys".
	Data string `json:"data"`
	// Notes list how the two experiments differ.
	Notes []string `json:"notes,omitempty"`
	// Rows are empty if the data is not that of the published trials.
	Rows []PublishedRow `json:"rows,omitempty"`
}

// PublishedRow is one metric of a student and of the published trials.
type PublishedRow struct {
	Task   string `json:"task"`
	Metric string `json:"metric"`
	// Method is a student here; PublishedMethod is "RDRec" or "POD".
	Method          string `json:"method"`
	PublishedMethod string `json:"published_method"`
	Ours            MeanSD `json:"ours"`
	Theirs          MeanSD `json:"theirs"`
	// Difference is Ours minus Theirs, with its 95% interval; P is the p-value of Welch's t-test,
	// and Holm is P corrected for these rows only.
	Difference float64          `json:"difference"`
	Interval   *metric.Interval `json:"interval,omitempty"`
	P          float64          `json:"p"`
	Holm       float64          `json:"holm"`
	Effect     float64          `json:"effect"`
	// Caveat is why the published scores should not be used; Note is why there is no test.
	Caveat string `json:"caveat,omitempty"`
	Note   string `json:"note,omitempty"`
}

// MeanSD is the mean and the standard deviation over trials.
type MeanSD struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
}

func meanSD(values []float64) MeanSD {
	return MeanSD{N: len(values), Mean: metric.Mean(values), SD: metric.StdDev(values)}
}

// ComparePublished sets Published if the data is one of the paper's data sets, or only has the name
// of one. Call it after the tables are set.
func (r *Report) ComparePublished() {
	r.Published = nil
	name, found := publishedData(r.Data.Sequences)
	if !found {
		if called := filepath.Base(r.Data.Source); slices.Contains(publishedNames(), called) {
			r.Published = &Published{Data: called, Notes: []string{
				fmt.Sprintf("The folder is called %q, but its sequences are not those of the reference's repository: "+
					"nothing is compared.", called),
			}}
		}
		return
	}
	p := &Published{Data: name, Notes: r.differences()}
	for _, row := range allPublishedTrials() {
		if row.data == name {
			p.add(r.Tables, row)
		}
	}
	p.correct()
	r.Published = p
}

func publishedNames() []string {
	var names []string
	for _, row := range allPublishedTrials() {
		if !slices.Contains(names, row.data) {
			names = append(names, row.data)
		}
	}
	return names
}

// differences lists how this experiment differs from the published trials.
func (r *Report) differences() []string {
	notes := []string{"The published trials were not run here and cannot be verified; " +
		"they are not part of the tests above."}
	if r.Protocol != spec.Paper {
		notes = append(notes, fmt.Sprintf("Protocol %s trains and counts differently from the script of the published "+
			"trials; protocol paper does not.", r.Protocol))
	}
	for _, table := range r.Tables {
		if table.Users < r.Data.Stats.Users {
			notes = append(notes, fmt.Sprintf("The %s task was evaluated on %s of %s users here, on all of them there.",
				table.Task, thousands(table.Users), thousands(r.Data.Stats.Users)))
		}
	}
	return notes
}

// add compares every student of the row's task with the published method of the same name, or with
// RDRec.
func (p *Published) add(tables []Table, published publishedTrials) {
	for _, table := range tables {
		if strings.ToLower(strings.ReplaceAll(table.Task, "-", "")) != published.task {
			continue
		}
		for _, row := range table.Rows {
			values := row.perTrial(published.metric)
			if row.Kind != StudentRow || len(values) == 0 {
				continue
			}
			of, theirs := "RDRec", published.rdrec
			if row.Method == "pod" {
				of, theirs = "POD", published.pod
			}
			p.Rows = append(p.Rows, publishedRow(published, row.Method, of, values, theirs))
		}
	}
}

func publishedRow(published publishedTrials, method, publishedMethod string, ours, theirs []float64) PublishedRow {
	row := PublishedRow{
		Task: published.task, Metric: published.metric, Method: method, PublishedMethod: publishedMethod,
		Ours: meanSD(ours), Theirs: meanSD(theirs),
		P: 1, Holm: 1, Caveat: published.caveat,
	}
	row.Difference = row.Ours.Mean - row.Theirs.Mean
	test, err := metric.Welch(ours, theirs)
	if err != nil {
		row.Note = "one trial here: no test can be made"
		return row
	}
	interval := test.Interval()
	row.Interval, row.P, row.Effect = &interval, test.P, test.Effect
	return row
}

// correct sets Holm for the rows with a test.
func (p *Published) correct() {
	var values []float64
	for _, row := range p.Rows {
		if row.Note == "" {
			values = append(values, row.P)
		}
	}
	corrected := metric.Holm(values)
	for i, row := range p.Rows {
		if row.Note == "" {
			p.Rows[i].Holm, corrected = corrected[0], corrected[1:]
		}
	}
}
