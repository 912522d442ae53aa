package spec_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
)

// completeSpecs are specs with every optional block, and with none.
func completeSpecs(t *testing.T) map[string]spec.Spec {
	t.Helper()
	all := map[string]spec.Spec{}
	for name, text := range map[string]string{
		"folder": minimalSpec,
		"reviews": "name: shop\ndata: {reviews: {path: x.csv, columns: {user: u}, header: false, metadata: m, " +
			"metadata_table: {quote: none}}}\n" +
			"student: {dropout: 0}\nablate: [skip_pads]\n",
		"nightly": "name: shop\nswitches: {skip_pads: true}\ndata: {reviews: {}}\n" +
			"nightly: {inbox: in/, source: {path: x.parquet, watermark: loaded}}\n",
	} {
		s, err := spec.Parse(name, []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = s
	}
	return all
}

// keysOf returns the dotted keys that a user can write for a type, without those below a nil
// pointer.
func keysOf(v reflect.Value, prefix string) []string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	var keys []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "-" {
			continue
		}
		keys = append(keys, prefix+name)
		keys = append(keys, keysOf(v.Field(i), prefix+name+".")...)
	}
	return keys
}

// writtenKeys returns the dotted keys of nested mappings.
func writtenKeys(value any, prefix string) []string {
	var keys []string
	block, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	for name, inner := range block {
		keys = append(keys, prefix+name)
		if !slices.Contains([]string{"switches", "columns"}, name) {
			keys = append(keys, writtenKeys(inner, prefix+name+".")...)
		}
	}
	return keys
}

// TestCompleteSpecOmitsNothing compares the written keys with the fields of the type, and reads the
// text back.
func TestCompleteSpecOmitsNothing(t *testing.T) {
	t.Parallel()
	for name, s := range completeSpecs(t) {
		want := keysOf(reflect.ValueOf(s), "")
		slices.Sort(want)
		text, err := s.CompleteYAML()
		if err != nil {
			t.Fatal(err)
		}
		var fromYAML, fromJSON map[string]any
		if err := yaml.Unmarshal(text, &fromYAML); err != nil {
			t.Fatal(err)
		}
		asJSON, err := s.CompleteJSON()
		if err == nil {
			err = json.Unmarshal(asJSON, &fromJSON)
		}
		if err != nil {
			t.Fatal(err)
		}
		for format, written := range map[string]map[string]any{"YAML": fromYAML, "JSON": fromJSON} {
			got := writtenKeys(written, "")
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s as %s (-want +got):\n%s", name, format, diff)
			}
		}
		again, err := spec.Parse(name, text, nil)
		if err != nil {
			t.Fatalf("%s: %v in\n%s", name, err, text)
		}
		first, err := s.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if second, err := again.Digest(); err != nil || second != first {
			t.Errorf("%s: digest %s, read back %s, %v", name, first, second, err)
		}
	}
}

// TestCompleteSpecExplainsEmptyValues checks the comments.
func TestCompleteSpecExplainsEmptyValues(t *testing.T) {
	t.Parallel()
	text, err := completeSpecs(t)["folder"].CompleteYAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`  indexing: "" # as-is`, `  dropout: null # 0.1, the size's`, `  precision: "" # float32`,
		"  micro_batch: 0 # all rows of a batch", "nightly: null", "ablate: []", "switches: {}",
	} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("%q is missing from\n%s", line, text)
		}
	}
}

// TestWarnings changes one value of a spec without warnings at a time.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for override, key := range map[string]string{
		"seed=2": "", "train.learning_rate=0.01": "", "train.learning_rate=1": "train.learning_rate",
		"student.dropout=0.6": "student.dropout", "data.negatives=9": "data.negatives", "data.negatives=10": "",
		"teacher.temperature=1.5": "teacher.temperature",
		"protocol=clean":          "",
	} {
		s, err := spec.Parse("shop.yaml", []byte(minimalSpec), []string{override})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, problem := range spec.Warnings(s) {
			keys = append(keys, problem.Key)
		}
		if got := strings.Join(keys, " "); got != key {
			t.Errorf("%s: warnings for %q, want %q", override, got, key)
		}
	}
	const sequential, topN, explanations = "evaluate.sequential_users=-1", "evaluate.topn_users=-1",
		"evaluate.explanations=-1"
	for _, two := range [][]string{
		{topN, "data.negatives=9"}, {sequential, topN}, {sequential, explanations}, {topN, explanations},
	} {
		s, err := spec.Parse("shop.yaml", []byte(minimalSpec), two)
		if err != nil || len(spec.Warnings(s)) != 0 {
			t.Errorf("%v: %v, %v; one task is evaluated", two, spec.Warnings(s), err)
		}
	}
	s, err := spec.Parse("shop.yaml", []byte(minimalSpec), []string{
		"protocol=clean", "data.indexing=as-is", "evaluate.sequential_users=-1", "evaluate.topn_users=-1",
		"evaluate.explanations=-1",
	})
	if err != nil || len(spec.Warnings(s)) != 2 {
		t.Errorf("%v, %v", spec.Warnings(s), err)
	}
}

// TestNamesOfStudents names a student by its size, or by the folder that it starts from.
func TestNamesOfStudents(t *testing.T) {
	t.Parallel()
	for want, student := range map[string]spec.Student{
		"t5-small": {Size: "t5-small"}, "flan-t5-base": {Size: "t5-small", Pretrained: "/models/flan-t5-base/"},
	} {
		if got := student.Name(); got != want {
			t.Errorf("%+v is named %q, want %q", student, got, want)
		}
	}
}
