package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"rdrec/internal/metric"
	"rdrec/internal/prediction"
)

type tick struct {
	At    float64
	Label string
}

func upper(interval *metric.Interval) float64 {
	if interval == nil {
		return 0
	}
	return interval.High
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
