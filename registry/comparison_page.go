package registry

import (
	_ "embed" // comparison.html
	"fmt"
	"io"
	"strings"

	"rdrec/internal/report"
)

//go:embed comparison.html
var comparisonHTML string

// comparisonMetric is the metric of the page's first sentence.
const comparisonMetric = "NDCG@10"

// HTML writes the comparison as one page that needs no other file.
func (c RunComparison) HTML(w io.Writer) error {
	page := comparisonPage{Settings: c.Settings, Stages: c.Stages}
	for i, run := range c.Runs {
		letter := string(rune('A' + i))
		page.Letters = append(page.Letters, letter)
		page.Runs = append(page.Runs, letteredRun{letter, run})
	}
	page.Others = page.Letters[min(1, len(page.Letters)):]
	page.Heading = fmt.Sprintf("%d runs compared", len(c.Runs))
	page.Methods = c.methods()
	page.Verdict = page.verdict()
	shared := 0
	for _, s := range c.Stages {
		if s.Shared {
			shared++
		}
	}
	page.SharedStages = fmt.Sprintf("%d of %d stages are shared.", shared, len(c.Stages))
	return report.RenderPage(w, "the comparison", comparisonHTML, page)
}

// comparisonPage is what the page shows.
type comparisonPage struct {
	Heading, Verdict, SharedStages string
	Letters, Others                []string
	Runs                           []letteredRun
	Settings                       []ComparedSetting
	Stages                         []ComparedStage
	Methods                        []comparedMethod
}

type letteredRun struct {
	Letter string
	ComparedRun
}

// comparedMethod has the metrics of a method on a task.
type comparedMethod struct {
	Task, Method string
	Users        int
	Rows         []comparedRow
}

type comparedRow struct {
	Metric string
	// Primary is set for the metric that the first sentence counts.
	Primary bool
	Values  []string
	// Tests has an element for each run but the first.
	Tests []comparedTest
}

// comparedTest is a run against the first. Note is the reason why there is no test and no outcome.
type comparedTest struct {
	Outcome                       report.Outcome
	Difference, Interval, P, Note string
}

// methods groups the metrics by method and task.
func (c RunComparison) methods() (all []comparedMethod) {
	for _, m := range c.Metrics {
		if last := len(all) - 1; last < 0 || all[last].Task != m.Task || all[last].Method != m.Method {
			all = append(all, comparedMethod{Task: m.Task, Method: m.Method})
		}
		method := &all[len(all)-1]
		row := comparedRow{Metric: m.Metric, Primary: m.Metric == comparisonMetric}
		for i, run := range m.Runs {
			value := "–"
			if run.Value != nil {
				value = fmt.Sprintf("%.4f", *run.Value)
				method.Users = max(method.Users, run.Users)
			}
			row.Values = append(row.Values, value)
			if i > 0 {
				row.Tests = append(row.Tests, run.test())
			}
		}
		method.Rows = append(method.Rows, row)
	}
	return all
}

// test formats the test against the first run.
func (m MetricOfARun) test() comparedTest {
	d := m.Difference
	switch {
	case m.Note != "":
		return comparedTest{Note: "no test: " + m.Note}
	case d == nil:
		return comparedTest{Note: "–"}
	}
	t := comparedTest{
		Difference: fmt.Sprintf("%+.4f", d.Mean),
		Interval:   fmt.Sprintf("%+.4f to %+.4f", d.Interval.Low, d.Interval.High), P: fmt.Sprintf("%.3f", d.P),
	}
	switch {
	case d.P >= report.Alpha:
		t.Outcome = report.Undecidable
	case d.Mean > 0:
		t.Outcome = report.Better
	default:
		t.Outcome = report.Worse
	}
	return t
}

// verdict counts the outcomes of each run against the first by the primary metric.
func (p comparisonPage) verdict() string {
	parts := make([]string, len(p.Others))
	for i, letter := range p.Others {
		count, untested := map[report.Outcome]int{}, 0
		for _, method := range p.Methods {
			for _, row := range method.Rows {
				switch {
				case !row.Primary:
				case row.Tests[i].Outcome == "":
					untested++
				default:
					count[row.Tests[i].Outcome]++
				}
			}
		}
		parts[i] = fmt.Sprintf("%s has %s better, %d worse, %d uncertain", letter, methodCount(count[report.Better]),
			count[report.Worse], count[report.Undecidable])
		if untested > 0 {
			parts[i] += fmt.Sprintf(" and %d without a test", untested)
		}
	}
	return fmt.Sprintf("By %s, against A: %s.", comparisonMetric, strings.Join(parts, "; "))
}

func methodCount(n int) string {
	if n == 1 {
		return "1 method"
	}
	return fmt.Sprintf("%d methods", n)
}
