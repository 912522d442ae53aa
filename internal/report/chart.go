package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"rdrec/internal/metric"
	"rdrec/internal/prediction"
)

// panel is a chart of horizontal bars for one metric, with a bar for each method. All panels of a
// table have the same scale. Lengths are in units of the SVG's view box.
type panel struct {
	Metric        string
	Width, Height float64
	Left, Base    float64 // the start of the bars, and the axis
	Bars          []bar
	Ticks         []tick
	// AltText describes the chart for people who cannot see it.
	AltText string
}

type bar struct {
	Label  string
	Kind   RowKind
	Y      float64 // top
	Middle float64
	Length float64
	Value  string
	ValueX float64
	// Low and High are the ends of the whisker; both are 0 if there is no interval.
	Low, High float64
}

type tick struct {
	At    float64
	Label string
}

// Sizes of the bar panels.
const (
	barWidth, barLeft, barRight = 320.0, 84.0, 50.0
	barTop, barRow, barThick    = 6.0, 27.0, 15.0
	axisHeight                  = 22.0
)

// panels returns the charts of the main metrics.
func panels(table Table) []panel {
	isAblation := func(row Row) bool { return row.Kind == AblationRow } // they have a table of their own
	table.Rows = slices.DeleteFunc(slices.Clone(table.Rows), isAblation)
	highest := 0.0
	shown := []string{"HR@1", "HR@10", "NDCG@10"}
	for _, name := range shown {
		for _, row := range table.Rows {
			if cell, found := row.Cell(name); found {
				highest = max(highest, cell.Mean, upper(cell.Interval))
			}
		}
	}
	if highest == 0 {
		return nil
	}
	steps := ticks(0, highest)
	var result []panel
	for _, name := range shown {
		if slices.Contains(table.Metrics(), name) {
			result = append(result, renderPanel(table, name, steps))
		}
	}
	return result
}

func upper(interval *metric.Interval) float64 {
	if interval == nil {
		return 0
	}
	return interval.High
}

func renderPanel(table Table, name string, steps []float64) panel {
	top := steps[len(steps)-1]
	scale := func(value float64) float64 { return barLeft + value/top*(barWidth-barLeft-barRight) }
	base := barTop + barRow*float64(len(table.Rows))
	p := panel{Metric: name, Width: barWidth, Height: base + axisHeight, Left: barLeft, Base: base}
	for _, step := range steps {
		p.Ticks = append(p.Ticks, tick{At: scale(step), Label: number(step)})
	}
	parts := make([]string, 0, len(table.Rows))
	for i, row := range table.Rows {
		cell, ok := row.Cell(name)
		if !ok {
			continue
		}
		y := barTop + barRow*float64(i) + (barRow-barThick)/2
		b := bar{
			Label: row.Method, Kind: row.Kind, Y: y, Middle: y + barThick/2, Length: scale(cell.Mean) - barLeft,
			Value: trimmed(cell.Mean), ValueX: scale(cell.Mean) + 6,
		}
		if cell.Interval != nil {
			b.Low, b.High = scale(max(0, cell.Interval.Low)), scale(cell.Interval.High)
			b.ValueX = max(b.ValueX, b.High+6)
		}
		p.Bars = append(p.Bars, b)
		parts = append(parts, fmt.Sprintf("%s %s", row.Method, figure(cell.Mean)))
	}
	p.AltText = name + ": " + strings.Join(parts, ", ")
	return p
}

// curve is a chart of losses by epoch.
type curve struct {
	Width, Height            float64
	Left, Right, Top, Bottom float64
	Lines                    []line
	X, Y                     []tick
	// BestEpoch is the epoch whose weights were kept, 0 if unknown; Best is its position.
	Best      float64
	BestEpoch int
	AltText   string
}

type line struct {
	Name  string
	Class string // "train", or "valid-1" and so on
	Path  string
	// EndX and EndY are the last point; LabelY is the position of its label, apart from the others.
	EndX, EndY, LabelY float64
}

// Sizes of the loss chart.
const (
	curveWidth, curveHeight = 720.0, 300.0
	curveLeft, curveRight   = 46.0, 150.0
	curveTop, curveBottom   = 22.0, 42.0
	labelGap                = 16.0
)

// series is the values of a line by epoch.
type series struct {
	name, class string
	values      []float64
}

// renderCurve returns the chart of a student's losses; nil for fewer than two epochs.
func renderCurve(s Student) *curve {
	if len(s.Curve) < 2 {
		return nil
	}
	all := seriesOf(s)
	low, high := math.Inf(1), math.Inf(-1)
	for _, one := range all {
		low, high = min(low, slices.Min(one.values)), max(high, slices.Max(one.values))
	}
	if !finite(low) || !finite(high) {
		return nil
	}
	steps := ticks(low, high)
	bottom, top := steps[0], steps[len(steps)-1]
	first, last := float64(s.Curve[0].Epoch), float64(s.Curve[len(s.Curve)-1].Epoch)
	x := func(epoch float64) float64 {
		return curveLeft + (epoch-first)/max(last-first, 1)*(curveWidth-curveLeft-curveRight)
	}
	y := func(loss float64) float64 {
		return curveHeight - curveBottom - (loss-bottom)/(top-bottom)*(curveHeight-curveTop-curveBottom)
	}
	c := &curve{
		Width: curveWidth, Height: curveHeight, Left: curveLeft, Right: curveWidth - curveRight, Top: curveTop,
		Bottom: curveHeight - curveBottom, BestEpoch: s.BestEpoch,
	}
	if s.BestEpoch > 0 {
		c.Best = x(float64(s.BestEpoch))
	}
	for _, step := range steps {
		c.Y = append(c.Y, tick{At: y(step), Label: number(step)})
	}
	for _, step := range ticks(first, last) {
		if step >= first && step <= last && step == math.Trunc(step) {
			c.X = append(c.X, tick{At: x(step), Label: number(step)})
		}
	}
	for _, one := range all {
		c.Lines = append(c.Lines, renderLine(one, s.Curve, x, y))
	}
	separateLabels(c.Lines)
	c.AltText = curveAltText(s, all)
	return c
}

func renderLine(one series, epochs []prediction.Epoch, x, y func(float64) float64) line {
	var path strings.Builder
	l := line{Name: one.name, Class: one.class}
	for i, value := range one.values {
		command := "L"
		if i == 0 {
			command = "M"
		}
		l.EndX, l.EndY = x(float64(epochs[i].Epoch)), y(value)
		fmt.Fprintf(&path, "%s%.1f %.1f", command, l.EndX, l.EndY)
	}
	l.Path, l.LabelY = path.String(), l.EndY
	return l
}

// seriesOf returns the training loss and the validation loss of each task that every epoch has.
func seriesOf(s Student) []series {
	train := series{name: "training", class: "train"}
	for _, epoch := range s.Curve {
		train.values = append(train.values, epoch.Loss)
	}
	all := []series{train}
	for i, loss := range s.Curve[0].Validation {
		one := series{name: "valid " + loss.Task, class: fmt.Sprintf("valid-%d", i+1)}
		for _, epoch := range s.Curve {
			if i < len(epoch.Validation) {
				one.values = append(one.values, epoch.Validation[i].Loss)
			}
		}
		if len(one.values) == len(s.Curve) {
			all = append(all, one)
		}
	}
	return all
}

func curveAltText(s Student, all []series) string {
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = fmt.Sprintf("%s %s to %s", one.name, trimmed(one.values[0]), trimmed(one.values[len(one.values)-1]))
	}
	return fmt.Sprintf("Losses of %s, seed %d, over %d epochs: %s",
		s.Method, s.Seed, len(s.Curve), strings.Join(words, ", "))
}

// separateLabels moves overlapping labels apart and keeps their order.
func separateLabels(lines []line) {
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if lines[a].LabelY < lines[b].LabelY {
			return -1
		}
		return 1
	})
	for i := 1; i < len(order); i++ {
		lines[order[i]].LabelY = max(lines[order[i]].LabelY, lines[order[i-1]].LabelY+labelGap)
	}
	// Labels below the axis are moved up again, and the others with them.
	limit := curveHeight - curveBottom
	for i := len(order) - 1; i >= 0; i-- {
		lines[order[i]].LabelY = min(lines[order[i]].LabelY, limit)
		limit = lines[order[i]].LabelY - labelGap
	}
}

// ticks returns round numbers, in about five steps, that enclose low and high.
func ticks(low, high float64) []float64 {
	if high <= low {
		high = low + 1
	}
	rough := (high - low) / 5
	size := math.Pow(10, math.Floor(math.Log10(rough)))
	step := 10 * size
	for _, nice := range []float64{1, 2, 5} {
		if nice*size >= rough*0.999 {
			step = nice * size
			break
		}
	}
	first := math.Floor(low/step + 1e-9)
	last := math.Ceil(high/step - 1e-9)
	var all []float64
	for i := first; i <= last; i++ {
		all = append(all, i*step)
	}
	return all
}

// number formats a tick without trailing zeros.
func number(x float64) string {
	text := fmt.Sprintf("%.4f", x)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// trimmed formats a value with three decimals, or four if it is small.
func trimmed(x float64) string {
	if math.Abs(x) < 0.1 {
		return fmt.Sprintf("%.4f", x)
	}
	return fmt.Sprintf("%.3f", x)
}
