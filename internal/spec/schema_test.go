package spec_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"rdrec/internal/spec"
)

var update = flag.Bool("update", false, "write schema.json")

// TestSchema compares schema.json with the types, comments, tags and tables of the package.
func TestSchema(t *testing.T) {
	t.Parallel()
	want, err := json.MarshalIndent(generateSchema(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("schema.json", want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(spec.Schema())); diff != "" {
		t.Errorf("run go test ./internal/spec -run TestSchema -update (-want +got):\n%s", diff)
	}
}

// compiledSchema returns the schema as a validator.
func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(spec.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// validate validates a YAML text by the schema.
func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

// TestShippedSpecsMatchTheSchema validates the shipped specs, as they are and with every key.
func TestShippedSpecsMatchTheSchema(t *testing.T) {
	t.Parallel()
	schema := compiledSchema(t)
	files, err := filepath.Glob("../../experiments/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d specs, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		s, err := spec.Load(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		complete, err := s.CompleteYAML()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, complete); err != nil {
			t.Errorf("%s with every key: %v", file, err)
		}
	}
}

// TestSchemaRejects validates specs that are wrong in one value.
func TestSchemaRejects(t *testing.T) {
	t.Parallel()
	schema := compiledSchema(t)
	const valid = "name: shop\ndata: {reviews: {path: x.csv}}\n"
	if err := validate(t, schema, []byte(valid)); err != nil {
		t.Fatalf("a valid spec: %v", err)
	}
	for text, want := range map[string]string{
		"data: {folder: x}":                              "missing property 'name'",
		"name: My Shop":                                  "at '/name'",
		valid + "protcol: paper":                         "'protcol' not allowed",
		valid + "protocol: papers":                       "at '/protocol'",
		valid + "trials: two":                            "at '/trials'",
		valid + "trials: 0":                              "minimum: got 0, want 1",
		valid + "methods: [rdrec, rdrek]":                "at '/methods/1'",
		valid + "methods: [pod, pod]":                    "at '/methods'",
		valid + "train: {epoch: 2}":                      "'epoch' not allowed",
		valid + "train: {learning_rate: 0}":              "exclusiveMinimum",
		valid + "train: {ratio: {topn: -1}}":             "at '/train/ratio/topn'",
		valid + "switches: {no_such_switch: true}":       "invalid propertyName 'no_such_switch'",
		valid + "student: {dropout: 1.5}":                "at '/student/dropout'",
		valid + "evaluate: {fusion: {parts: [nothing]}}": "at '/evaluate/fusion/parts/0'",
	} {
		if err := validate(t, schema, []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// TestSchemaDescribesEveryKey checks that an editor has a text for each key, in the words of a
// spec.
func TestSchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal(spec.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	described, missing := 0, []string{}
	var visit func(path string, node map[string]any)
	visit = func(path string, node map[string]any) {
		keys, _ := node["properties"].(map[string]any) //nolint:errcheck // a value without keys
		for key, value := range keys {
			child, ok := value.(map[string]any)
			if !ok {
				t.Fatalf("%s%s is no schema", path, key)
			}
			if text, _ := child["description"].(string); text == "" { //nolint:errcheck // empty
				missing = append(missing, path+key)
			} else {
				described++
			}
			visit(path+key+".", child)
		}
	}
	visit("", root)
	if len(missing) > 0 || described < 100 {
		t.Errorf("%d keys are described, these are not: %v", described, missing)
	}
}
