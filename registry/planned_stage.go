package registry

import (
	"regexp"
	"slices"
	"strings"

	"rdrec/storage"
)

// PlannedStage is a stage of a run that has not started.
type PlannedStage struct {
	// StageRecord is the earlier result if the stage is cached; else it has the stage's inputs and
	// settings only.
	storage.StageRecord
	// Trial is the method and the seed, such as "rdrec/1"; empty for a stage of all trials.
	Trial string `json:"trial,omitempty"`
	// GPU means that the work fills an accelerator.
	GPU    bool `json:"gpu,omitempty"`
	Cached bool `json:"cached"`
	// After are the labels of the stages that run first because this one reads their outputs.
	After []string `json:"after,omitempty"`
}

// plannedPrefix begins the digest of an output that is not known yet.
const plannedPrefix = "output of "

// plannedPattern matches such digests in JSON.
var plannedPattern = regexp.MustCompile(`"` + plannedPrefix + `([^"]*)"`)

// PlannedOutput stands for the output of a stage that a run would compute.
func PlannedOutput(label string) storage.Ref { return storage.Ref{Digest: plannedPrefix + label} }

// PlannedInputs returns the labels of the stages whose planned outputs occur in JSON.
func PlannedInputs(text []byte) []string {
	var labels []string
	for _, match := range plannedPattern.FindAllSubmatch(text, -1) {
		if label := string(match[1]); !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	return labels
}

// isPlanned reports whether a digest is that of a planned output.
func isPlanned(digest string) bool { return strings.HasPrefix(digest, plannedPrefix) }
