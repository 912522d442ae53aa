package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"rdrec/internal/progress"
	"rdrec/storage"
)

// StageOutput is the result of an activity that does a stage's work: the artifact, and what
// [MeasureInterceptor] measured.
type StageOutput struct {
	storage.Ref
	// Seconds is how long the work took, without the time in the queue and WastedSeconds, which
	// attempts worked whose results are lost; 0 if an attempt left no trace.
	Seconds       float64 `json:"seconds,omitempty"`
	WastedSeconds float64 `json:"wasted_seconds,omitempty"`
	Units         int     `json:"units,omitempty"`
	Unit          string  `json:"unit,omitempty"`
	// Rate is that of the last progress, in units a second; 0 where that is unknown.
	Rate float64 `json:"rate,omitempty"`
	// GPU is that of [MeasureInterceptor].
	GPU string `json:"gpu,omitempty"`
}

// Result returns the output as a stage's result.
func (o StageOutput) Result() StageResult {
	return StageResult{Output: o.Ref, Seconds: o.Seconds, Stats: storage.Stats{
		Units: o.Units, Unit: o.Unit, Rate: o.Rate, WastedSeconds: o.WastedSeconds, GPU: o.GPU,
	}}
}

// MeasureInterceptor adds to each artifact that an activity returns how long the activity took, and
// how many units it counted.
type MeasureInterceptor struct {
	interceptor.WorkerInterceptorBase
	// Now is the clock.
	Now func() time.Time
	// GPU is the name of the GPU that these activities compute on; empty for a CPU.
	GPU string
}

// InterceptActivity wraps each activity.
func (m *MeasureInterceptor) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &measuredActivity{interceptor.ActivityInboundInterceptorBase{Next: next}, m.Now, m.GPU}
}

type measuredActivity struct {
	interceptor.ActivityInboundInterceptorBase
	now func() time.Time
	gpu string
}

// ExecuteActivity measures the activity.
func (m *measuredActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	measured, started := &measurement{}, m.now()
	result, err := m.Next.ExecuteActivity(context.WithValue(ctx, measurementKey{}, measured), in)
	if err == nil {
		// It would be sent again and again, each time after all the work.
		err = CheckPayload("the result of "+activity.GetInfo(ctx).ActivityType.Name, result, "")
	}
	artifact, ok := result.(storage.Ref)
	if !ok || err != nil {
		return result, err
	}
	before := measured.earlier
	out := StageOutput{
		Ref: artifact, Units: measured.units, Unit: measured.unit, Rate: measured.rate,
		WastedSeconds: before.Wasted, GPU: m.gpu,
	}
	if before.Unknown == 0 {
		out.Seconds = before.Used + m.now().Sub(started).Seconds()
	}
	return out, nil
}

// measurementKey is the context key of an activity's measurement.
type measurementKey struct{}

// measurement is how many units an activity counted, and how long its earlier attempts worked.
type measurement struct {
	units   int
	unit    string
	rate    float64
	earlier workTime
}

// measurementIn returns the measurement of an activity's context, nil if nothing is measured.
func measurementIn(ctx context.Context) *measurement {
	m, _ := ctx.Value(measurementKey{}).(*measurement) //nolint:errcheck // nil if there is none
	return m
}

// countUnits counts the units of an activity without progress.
func countUnits(ctx context.Context, n int, unit string) {
	measurementIn(ctx).add(Progress{Progress: progress.Progress{Done: n, Unit: unit}})
}

// add adds the last progress of an activity.
func (m *measurement) add(last Progress) {
	if m == nil {
		return
	}
	m.earlier = last.Time
	if last.Done > 0 {
		m.units, m.unit, m.rate = last.Done, last.Unit, last.Rate
	}
}
