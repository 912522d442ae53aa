package registry

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"rdrec/storage"
)

// Change is a reason why an earlier result is not that of a new run.
type Change string

// Changes since an earlier run.
const (
	SpecChanged    Change = "spec changed"
	DataChanged    Change = "data changed"
	TeacherChanged Change = "teacher changed"
	StudentChanged Change = "pretrained student changed"
	UserKeyChanged Change = "key of the pseudonyms changed"
	CodeChanged    Change = "code version changed"
	// InputChanged means that an earlier stage made another artifact; StageRuns that it will run,
	// so that its artifact is not known yet.
	InputChanged   Change = "input changed"
	StageRuns      Change = "after a stage that runs"
	ResultsMissing Change = "results are missing from the bucket"
	NeverDone      Change = "never done"
	Forced         Change = "forced"
	// UnknownChange means that the earlier run's record has too little to tell.
	UnknownChange Change = "unknown"
)

// Reason is a change with what changed, such as a setting's old and new value.
type Reason struct {
	Change Change `json:"change"`
	Detail string `json:"detail,omitempty"`
}

// String returns the reason for people.
func (r Reason) String() string {
	if r.Detail == "" {
		return string(r.Change)
	}
	return string(r.Change) + ": " + r.Detail
}

// stageInputs are the names of a stage's inputs, in the order of [storage.StageRecord.Inputs].
var stageInputs = map[string][]string{
	"import":         {"data"},
	"distill":        {"dataset", "teacher"},
	"preprocess":     {"dataset", "rationales"},
	"baseline":       {"preprocessed"},
	"sasrec":         {"preprocessed"},
	"bsarec":         {"preprocessed"},
	"pretrain":       {"preprocessed", "student"},
	"evaluate":       {"preprocessed", "model"},
	"evaluate-shard": {"preprocessed", "model"},
	"fuse":           {"preprocessed", "model", "fitted fusion", "sasrec", "bsarec"},
	"entailment":     {"preprocessed", "teacher"},
}

// outsideInputs are the inputs that come from outside the bucket.
var outsideInputs = map[string]Change{"data": DataChanged, "teacher": TeacherChanged, "student": StudentChanged}

// CompareStages returns why a stage's work is not that of an earlier record: the version of its
// code, its inputs and its settings.
func CompareStages(before, after storage.StageRecord) []Reason {
	var reasons []Reason
	if before.Version > 0 && before.Version != after.Version {
		reasons = append(reasons, Reason{CodeChanged, fmt.Sprintf("%d → %d", before.Version, after.Version)})
	}
	reasons = append(reasons, compareInputs(before, after)...)
	if before.Settings != "" {
		for _, line := range DiffJSON(before.Settings, after.Settings) {
			reasons = append(reasons, Reason{SpecChanged, line})
		}
	}
	switch {
	case len(reasons) > 0:
		return reasons
	case before.Fingerprint == after.Fingerprint:
		return []Reason{{Change: ResultsMissing}}
	case before.Settings == "":
		return []Reason{{UnknownChange, "the earlier record has no settings"}}
	default: // only the nonce of a run without cache is in the fingerprint alone
		return []Reason{{Change: Forced}}
	}
}

func compareInputs(before, after storage.StageRecord) (reasons []Reason) {
	for i, name := range stageInputs[after.Stage] {
		if i >= len(before.Inputs) || i >= len(after.Inputs) || before.Inputs[i] == after.Inputs[i] ||
			isPlanned(after.Inputs[i]) {
			continue
		}
		if change, outside := outsideInputs[name]; outside {
			reasons = append(reasons, Reason{Change: change})
			continue
		}
		reasons = append(reasons, Reason{InputChanged, name})
	}
	return reasons
}

// DiffJSON returns the values that differ between two JSON objects, as lines of key, old and new
// value. References to artifacts are no values.
func DiffJSON(before, after string) []string {
	var a, b any
	if json.Unmarshal([]byte(before), &a) != nil || json.Unmarshal([]byte(after), &b) != nil {
		return nil
	}
	return diffValues("", a, b)
}

func diffValues(key string, a, b any) (lines []string) {
	x, isObject := a.(map[string]any)
	y, too := b.(map[string]any)
	switch {
	case isRef(x) || isRef(y) || reflect.DeepEqual(a, b):
		return nil
	case !isObject && !too || a != nil && !isObject || b != nil && !too:
		return []string{fmt.Sprintf("%s %s → %s", key, valueText(a), valueText(b))}
	}
	all := maps.Clone(x)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, y)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, diffValues(strings.TrimPrefix(key+"."+name, "."), x[name], y[name])...)
	}
	return lines
}

// isRef reports whether a JSON object is a [storage.Ref].
func isRef(object map[string]any) bool {
	_, named := object["digest"].(string)
	_, sized := object["size"].(float64)
	return named && sized
}

func valueText(value any) string {
	if value == nil {
		return "unset"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.Trim(string(text), `"`)
}
