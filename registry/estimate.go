package registry

import (
	"fmt"
	"slices"
	"strings"

	"rdrec/internal/spec"
)

// Estimate is how long work will take, as a range.
type Estimate struct {
	// Low and High are seconds.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Runs is how many runs of the bucket were measured; 0 means that nothing is known.
	Runs int `json:"runs"`
}

// Basis returns what the estimate is based on, for people.
func (e Estimate) Basis() string {
	switch e.Runs {
	case 0:
		return "no basis"
	case 1:
		return "1 run of this bucket"
	default:
		return fmt.Sprintf("%d runs of this bucket", e.Runs)
	}
}

// add returns the estimate of two parts, one after the other. It is based on as many runs as the
// part that is based on fewer.
func (e Estimate) add(part Estimate) Estimate {
	runs := part.Runs
	if e.Runs > 0 {
		runs = min(runs, e.Runs)
	}
	return Estimate{e.Low + part.Low, e.High + part.High, runs}
}

// measuredStage is a stage that a run computed.
type measuredStage struct {
	StageTime
	run string
	// ratio is how much more work the stage has now.
	ratio float64
}

// Limits of an estimate.
const (
	// maxMeasured is how many measurements an estimate is based on, the newest.
	maxMeasured = 5
	// singleMargin is the margin around a single measurement, margin that around several.
	singleMargin, margin = 0.25, 0.1
	// sampleMargin is the margin around measurements of another amount of work: more than maxRatio
	// times less or more, of which loading the models is a greater or smaller share.
	sampleMargin, maxRatio = 0.5, 4
)

// comparableStages returns the newest measurements of a stage, of any seed, by runs whose cost can
// be scaled to the spec's.
func comparableStages(runs []PastRun, s spec.Spec, label string) (found []measuredStage) {
	for _, run := range runs {
		if !sameCost(run.Spec, s) {
			continue
		}
		for _, stage := range run.Stages {
			if stage.Cached || stage.Seconds <= 0 || withoutSeed(stage.Name) != withoutSeed(label) {
				continue
			}
			ratio, known := run.workRatio(stage.StageName(), label, s)
			if !known {
				continue
			}
			found = append(found, measuredStage{stage, run.Name, ratio})
		}
	}
	if slices.ContainsFunc(found, measuredStage.alike) {
		found = slices.DeleteFunc(found, func(m measuredStage) bool { return !m.alike() })
	}
	return found[:min(len(found), maxMeasured)]
}

// seconds returns how long the work would take now: its units take as long as they did, and its
// start, such as loading a model, is as long however many units follow.
func (m measuredStage) seconds() float64 {
	units := m.Seconds
	if m.Stats.Rate > 0 {
		units = min(units, float64(m.Stats.Units)/m.Stats.Rate)
	}
	return m.Seconds - units + m.ratio*units
}

// alike reports whether the measured work was about as much as the work now. Measurements of a
// sample count only where there is no other.
func (m measuredStage) alike() bool { return m.ratio <= maxRatio && m.ratio >= 1.0/maxRatio }

// sameCost reports whether a unit of work costs the same in two specs: the same data, which may
// have grown, and models of the same size.
func sameCost(a, b spec.Spec) bool {
	source := func(s spec.Spec) string {
		if s.Data.Reviews != nil {
			return s.Data.Reviews.Path
		}
		return s.Data.Folder
	}
	return source(a) == source(b) && a.Teacher.Model == b.Teacher.Model && a.Train.Precision == b.Train.Precision &&
		a.Student.Name() == b.Student.Name() && a.Student.ItemsOnly == b.Student.ItemsOnly
}

// workRatio returns how much more work a stage has in a spec than in the run; known is false if no
// record has it.
func (r PastRun) workRatio(stage, label string, after spec.Spec) (ratio float64, known bool) {
	before := r.Spec
	var factors []amounts
	switch stage {
	case "distill":
		rows := r.units("import")
		factors = []amounts{{ofAll(before.Teacher.MaxReviews, rows), ofAll(after.Teacher.MaxReviews, rows)}}
	case "pretrain":
		if (before.Train.EpochSteps == 0) != (after.Train.EpochSteps == 0) {
			return 0, false // the steps of a whole epoch are in no record
		}
		factors = []amounts{
			{before.Train.Epochs, after.Train.Epochs}, {before.Train.EpochSteps, after.Train.EpochSteps},
		}
		if before.Train.EpochSteps > 0 && after.Train.EpochSteps > 0 {
			factors = append(factors, amounts{before.Train.Batch, after.Train.Batch})
		}
	case spec.SASRec:
		factors = []amounts{{before.Sasrec.Epochs, after.Sasrec.Epochs}, {before.Trials, after.Trials}}
	case spec.BSARec:
		factors = []amounts{{before.BsarecGrid().Epochs, after.BsarecGrid().Epochs}, {before.Trials, after.Trials}}
	default:
		factors = evaluationAmounts(label, r.units("preprocess"), before.Evaluate, after.Evaluate)
	}
	ratio = 1
	for _, f := range factors {
		if f[0] > 0 && f[1] > 0 {
			ratio *= float64(f[1]) / float64(f[0])
		}
	}
	return ratio, true
}

// units returns how many units a stage of the run had; 0 if unknown.
func (r PastRun) units(stage string) int {
	found, _ := r.stage(stage)
	return found.Stats.Units
}

// ofAll returns how many of all there are: n of a spec, where 0 means all.
func ofAll(n, all int) int {
	if n == 0 || all > 0 && n > all {
		return all
	}
	return n
}

// amounts are how much a stage has of something before and after; 0 means all there is.
type amounts [2]int

// evaluationAmounts are those of an evaluation of data with a number of users; none for another
// stage.
func evaluationAmounts(label string, users int, a, b spec.Evaluate) []amounts {
	amountsOf := func(a, b int) amounts { return amounts{ofAll(a, users), ofAll(b, users)} }
	switch {
	case strings.Contains(label, " sequential "):
		return []amounts{amountsOf(a.SequentialUsers, b.SequentialUsers), {a.NumBeams, b.NumBeams}}
	case strings.Contains(label, " topn "):
		return []amounts{amountsOf(a.TopNUsers, b.TopNUsers), {a.NumBeams, b.NumBeams}}
	case strings.Contains(label, " explanation "):
		return []amounts{
			amountsOf(a.Explanations, b.Explanations), {a.ExplanationNumBeams, b.ExplanationNumBeams},
		}
	default:
		return nil
	}
}

// newEstimate returns the range of measurements, scaled to the work now. There is at least one.
func newEstimate(measured []measuredStage) Estimate {
	runs := map[string]bool{}
	e := Estimate{Low: measured[0].seconds()}
	for _, m := range measured {
		seconds := m.seconds()
		e.Low, e.High = min(e.Low, seconds), max(e.High, seconds)
		runs[m.run] = true
	}
	around := margin
	if len(measured) == 1 {
		around = singleMargin
	}
	if !measured[0].alike() {
		around = sampleMargin
	}
	return Estimate{e.Low * (1 - around), e.High * (1 + around), len(runs)}
}
