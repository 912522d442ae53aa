package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// RunComparison is the comparison of finished runs.
type RunComparison struct {
	Runs []ComparedRun `json:"runs"`
	// Settings are the keys of the specs with different values.
	Settings []ComparedSetting `json:"settings"`
	// Stages are all stages, in the order of the first run that has them.
	Stages []ComparedStage `json:"stages"`
	// Metrics are the ranking metrics of all students and fusions.
	Metrics []ComparedMetric `json:"metrics"`
}

// ComparedRun is a run with its cost.
type ComparedRun struct {
	// Name is WORKFLOW/RUN.
	Name string `json:"name"`
	Cost
}

// ComparedSetting is a key of the spec with its value in each run; empty where a run has no such
// key.
type ComparedSetting struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

// ComparedStage is a stage with the digest of its output in each run; empty where a run has no such
// stage.
type ComparedStage struct {
	Label   string   `json:"label"`
	Outputs []string `json:"outputs"`
	// Shared means that all runs have the same output.
	Shared bool `json:"shared"`
}

// CompareRunRecords compares finished runs that are named as ID or ID/RUN.
func CompareRunRecords(ctx context.Context, b *storage.Bucket, names []string) (RunComparison, error) {
	var c RunComparison
	records := make([]RunRecord, len(names))
	for i, given := range names {
		name, record, err := ReadRun(ctx, b, given)
		if err != nil {
			return c, err
		}
		records[i] = record
		c.Runs = append(c.Runs, ComparedRun{name, CostOf(record.Stages)})
	}
	var err error
	if c.Settings, err = compareSettings(records); err != nil {
		return c, err
	}
	c.Stages = compareOutputs(records)
	c.Metrics, err = compareMetrics(ctx, b, records)
	return c, err
}

// compareSettings returns the keys of the specs with different values, in order.
func compareSettings(records []RunRecord) ([]ComparedSetting, error) {
	flat := make([]map[string]string, len(records))
	keys := map[string]bool{}
	for i, r := range records {
		text, err := json.Marshal(r.Spec)
		if err != nil {
			return nil, fmt.Errorf("encode spec %q: %w", r.Spec.Name, err)
		}
		var value any
		if err := json.Unmarshal(text, &value); err != nil {
			return nil, fmt.Errorf("decode spec %q: %w", r.Spec.Name, err)
		}
		flat[i] = map[string]string{}
		flatten("", value, flat[i])
		for key := range flat[i] {
			keys[key] = true
		}
	}
	settings := []ComparedSetting{}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		row := ComparedSetting{Key: key}
		for _, values := range flat {
			row.Values = append(row.Values, values[key])
		}
		if !allEqual(row.Values) {
			settings = append(settings, row)
		}
	}
	return settings, nil
}

// flatten adds the values of a JSON document to a map, by their paths.
func flatten(key string, value any, into map[string]string) {
	object, ok := value.(map[string]any)
	if !ok {
		into[key] = valueText(value)
		return
	}
	for name, part := range object {
		flatten(strings.TrimPrefix(key+"."+name, "."), part, into)
	}
}

func allEqual(values []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return v != values[0] })
}

// compareOutputs returns the outputs of all stages.
func compareOutputs(records []RunRecord) []ComparedStage {
	var labels []string
	for _, r := range records {
		for _, s := range r.Stages {
			labels = append(labels, s.Name)
		}
	}
	labels = unique(labels)
	stages := make([]ComparedStage, 0, len(labels))
	for _, label := range labels {
		row := ComparedStage{Label: label}
		for _, r := range records {
			digest := ""
			for _, s := range r.Stages {
				if s.Name == label {
					digest = s.Output.Digest
				}
			}
			row.Outputs = append(row.Outputs, digest)
		}
		row.Shared = allEqual(row.Outputs)
		stages = append(stages, row)
	}
	return stages
}

// rankingTasks are the tasks with rankings.
func rankingTasks() []task.Task { return []task.Task{task.Sequential, task.TopN} }

// isStrict reports how a run's protocol counts hits.
func isStrict(s spec.Spec) (bool, error) {
	protocol, err := s.Resolve()
	return protocol.Constrained, err
}
