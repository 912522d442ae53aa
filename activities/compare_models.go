package activities

import (
	"context"

	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// CompareModelsInput is a new student, the one in use and the baselines, all evaluated on the same
// examples.
type CompareModelsInput struct {
	Gate spec.Gate `json:"gate"`
	// Items is the number of items in the dataset. Strict is the spec's protocol's way of counting
	// hits; Seed is the seed of the bootstrap intervals.
	Items  int   `json:"items"`
	Strict bool  `json:"strict"`
	Seed   int64 `json:"seed"`
	// New are the evaluations of the new student, Old those of the one in use; none where no model
	// is in use. CurrentPromotion is the number of the promotion in use.
	New              []storage.Ref `json:"new"`
	Old              []storage.Ref `json:"old"`
	CurrentPromotion int           `json:"current_promotion"`
	// Baselines is the artifact of [Activities.RankBaselines].
	Baselines storage.Ref `json:"baselines"`
}

// CompareModelsResult is the result of the comparison. Reasons say why the new model is rejected.
type CompareModelsResult struct {
	Metrics []metric.Score `json:"metrics"`
	// Comparison is with the model in use, nil where there is none; Baseline is with the gate's
	// floor, or with popularity where the floor is switched off.
	Comparison *registry.Comparison `json:"comparison"`
	Baseline   *registry.Comparison `json:"baseline"`
	Lists      metric.ListDiversity `json:"lists"`
	// Texts is the diversity of the new student's explanations; nil unless the gate checks them.
	Texts   *metric.TextDiversity `json:"texts,omitempty"`
	Reasons []string              `json:"reasons"`
}

// CompareModels compares the new student with the one in use and with a baseline on the same users,
// and checks that its lists differ between users.
func (a *Activities) CompareModels(ctx context.Context, in CompareModelsInput) (out CompareModelsResult, err error) {
	ctx, hb := a.startHeartbeat(ctx, "compare models")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	ranked := GateTask(in.Gate)
	candidate, err := readPredictions[prediction.Prediction](ctx, a.Bucket, in.New, predictionsFile(ranked))
	if err != nil {
		return out, err
	}
	g := &gateCheck{CompareModelsInput: in, candidate: candidate}
	if out.Metrics, err = g.score(candidate); err != nil {
		return out, err
	}
	g.scores = out.Metrics
	if len(in.Old) > 0 {
		current, err := readPredictions[prediction.Prediction](ctx, a.Bucket, in.Old, predictionsFile(ranked))
		if err != nil {
			return out, err
		}
		if out.Comparison, err = g.compareCurrent(current); err != nil {
			return out, err
		}
	}
	floor, err := readArtifactJSONL[prediction.Prediction](
		ctx, a.Bucket, in.Baselines, rankingFile(g.baseline(), ranked),
	)
	if err != nil {
		return out, err
	}
	if out.Baseline, err = g.compareBaseline(floor); err != nil {
		return out, err
	}
	out.Lists = metric.MeasureLists(prediction.Lists(candidate), in.Items)
	if err := a.measureTexts(ctx, in, &out); err != nil {
		return out, err
	}
	out.Reasons = gateFailures(in.Gate, out)
	return out, nil
}

// measureTexts measures the new student's explanations, if the gate checks them.
func (a *Activities) measureTexts(ctx context.Context, in CompareModelsInput, out *CompareModelsResult) error {
	if !in.Gate.Explanations {
		return nil
	}
	texts, err := readPredictions[prediction.Text](ctx, a.Bucket, in.New, predictionsFile(task.Explanation))
	if err != nil {
		return err
	}
	diversity := metric.MeasureTexts(prediction.Words(texts))
	out.Texts = &diversity
	return nil
}

// GateTask returns the ranking task that a gate compares.
func GateTask(g spec.Gate) task.Task {
	return map[string]task.Task{"sequential": task.Sequential, "topn": task.TopN}[g.Task]
}
