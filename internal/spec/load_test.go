package spec_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/document"
	"rdrec/internal/spec"
)

const minimalSpec = "name: shop\ndata: {folder: data/shop}\n"

func TestParseFillsDefaults(t *testing.T) {
	t.Parallel()
	want := spec.Default()
	want.Name, want.Data.Folder = "shop", "data/shop"
	got, err := spec.Parse("shop.yaml", []byte(minimalSpec), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

func TestParseFillsReviews(t *testing.T) {
	t.Parallel()
	want := spec.DefaultReviews()
	want.Path, want.UserCore = "reviews.csv", 3
	text := "name: shop\ndata:\n  reviews:\n    path: reviews.csv\n"
	got, err := spec.Parse("shop.yaml", []byte(text), []string{"data.reviews.user_core=3"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got.Data.Reviews); diff != "" {
		t.Errorf("reviews (-want +got):\n%s", diff)
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	got, err := spec.Parse("shop.yaml", []byte(minimalSpec), []string{
		"methods=rdrec,pod", "train.ratio.topn=0", "data.folder=", "data.reviews.path=x.csv", "student.dropout=0.2",
		"data.reviews.columns={user: who}", "teacher.model=openai:http://localhost:8000/v1#llama",
		"sasrec.hidden_sizes=32,64", "sasrec.dropouts=0.5", "sasrec.learning_rates=[0.001, 1e-2]",
	})
	if err != nil {
		t.Fatal(err)
	}
	dropout := 0.2
	want := spec.Default()
	reviews := spec.DefaultReviews()
	reviews.Path, reviews.Columns = "x.csv", map[string]string{"user": "who"}
	want.Name, want.Methods, want.Train.Ratio.TopN, want.Data.Reviews = "shop", []string{"rdrec", "pod"}, 0, &reviews
	want.Student.Dropout, want.Teacher.Model = &dropout, "openai:http://localhost:8000/v1#llama"
	want.Sasrec.HiddenSizes, want.Sasrec.Dropouts = []int{32, 64}, []float64{0.5}
	want.Sasrec.LearningRates = []float64{0.001, 0.01}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
}

func TestDiagnostics(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		overrides  []string
		want       []string
	}{
		{"all problems at once", `name: My Shop
protcol: paper
trials: two
methods: [rdrec, rdrek]
data:
  folder: x
  reviews:
    path: y
    user_core: 0
    from: 2018-13-01
train:
  ratio: {explanation: 0, sequential: 0, topn: 0, rationale: 0}
teacher:
  model: gguf
evaluate:
  explanation_num_beam_groups: 4
  num_return_sequences: 21
`, []string{"train.epoch=2"}, []string{
			`shop.yaml:1: name: must be lower-case letters, digits, '.', '_' and '-', the first a letter or digit, ` +
				`not "My Shop"`,
			`shop.yaml:2: protcol: is not a known key (did you mean "protocol"?)`,
			`shop.yaml:3: trials: must be a whole number, not "two"`,
			`shop.yaml:4: methods[1]: "rdrek" is not known (did you mean "rdrec"?)`,
			`shop.yaml:6: data: names both folder and reviews (keep one of them)`,
			`shop.yaml:9: data.reviews.user_core: must be at least 1, not 0`,
			`shop.yaml:10: data.reviews.from: must be a day, not "2018-13-01" (write it as YYYY-MM-DD)`,
			`shop.yaml:12: train.ratio: leaves a method no task to train on (give one of its tasks a weight above 0)`,
			`shop.yaml:14: teacher.model: must be smollm2, copy, gguf:FILE, meta:DIR, hf:DIR or openai:URL#MODEL, ` +
				`not "gguf" (did you mean "gguf:"?)`,
			`shop.yaml:16: evaluate.explanation_num_beam_groups: does not divide evaluate.explanation_num_beams ` +
				`(for example, 3 groups of 7 make 21 beams)`,
			`shop.yaml:17: evaluate.num_return_sequences: exceeds evaluate.num_beams`,
			`--set train.epoch=2: train.epoch: is not a known key (did you mean "epochs"?)`,
		}},
		{"no name and no data", "seed: 2\n", nil, []string{
			"shop.yaml: name: is required",
			"shop.yaml: data: names no data (set data.folder (RDRec's format) or data.reviews (raw reviews))",
		}},
		{"pod cannot train on rationales", minimalSpec, []string{
			"methods=pod", "train.ratio={explanation: 0, sequential: 0, topn: 0, rationale: 1}",
		}, []string{
			"--set train.ratio={explanation: 0, sequential: 0, topn: 0, rationale: 1}: train.ratio: " +
				"leaves a method no task to train on (give one of its tasks a weight above 0)",
		}},
		{"columns of a known format", "name: a\n" +
			"data: {reviews: {path: x, format: amazon-2018, columns: {usr: b}, from: 2019-01-01, to: " +
			"2018-01-01}}\n", nil, []string{
			`shop.yaml:2: data.reviews.columns[usr]: "usr" is not known (did you mean "user"?)`,
			"shop.yaml:2: data.reviews.from: is later than data.reviews.to",
			"shop.yaml:2: data.reviews.columns: applies to files of any names; the columns of this format are " +
				"fixed (remove it, or set data.reviews.format)",
		}},
		{"reviews have no item ids", "name: a\ndata:\n  reviews: {path: x}\n  indexing: as-is\n", nil, []string{
			"shop.yaml:4: data.indexing: applies to folders: reviews have no item ids yet (use random, which leaks " +
				"nothing, or appearance, the reference's order)",
		}},
		{
			"switches and ablations",
			minimalSpec + "switches: {skip_pad: true, held_out: 2}\nablate: [mask_cros, constrained, constrained]\n",
			[]string{"data.indexing=sequental"},
			[]string{
				`shop.yaml:3: switches[held_out]: must be a truth value (true or false), not "2"`,
				`shop.yaml:3: switches[skip_pad]: "skip_pad" is not known (did you mean "skip_pads"?)`,
				`shop.yaml:4: ablate[0]: "mask_cros" is not known (did you mean "mask_cross"?)`,
				`shop.yaml:4: ablate: contains duplicates`,
				`--set data.indexing=sequental: data.indexing: "sequental" is not known (did you mean "sequential"?)`,
			},
		},
		{
			"ablations that change nothing",
			minimalSpec + "methods: [pod]\nablate: [correct_tasks, held_out, skip_pads]\n",
			[]string{"train.ratio={explanation: 0, sequential: 1, topn: 1, rationale: 1}"},
			[]string{
				`shop.yaml:4: ablate: names "correct_tasks", which changes nothing for these methods and this ` +
					`train.ratio (remove it, or train on the task that it changes)`,
				`shop.yaml:4: ablate: names "held_out", which changes nothing for these methods and this ` +
					`train.ratio (remove it, or train on the task that it changes)`,
			},
		},
		{"openai with credentials", "name: a\ndata: {folder: x}\n" +
			"teacher: {model: \"openai:http://ada:secret@localhost:8000/v1#llama\"}\n", nil, []string{
			"shop.yaml:3: teacher.model: contains credentials in its URL, and specs are stored and shown " +
				"(the key comes only from the worker's environment: RDREC_TEACHER_KEY or OPENAI_API_KEY)",
		}},
		{"no context left for a prompt", minimalSpec, []string{
			"teacher.max_context=80", "teacher.max_tokens=80",
		}, []string{
			"--set teacher.max_tokens=80: teacher.max_tokens: leaves no room for a prompt in teacher.max_context",
		}},
		{"max_context too small", minimalSpec, []string{"teacher.max_context=8"}, []string{
			"--set teacher.max_context=8: teacher.max_context: must be at least 64, not 8",
		}},
		{"two-lines with the reference's parser", minimalSpec, []string{
			"teacher.parse=paper", "teacher.constrain=two-lines", "teacher.model=copy", "teacher.max_tokens=15",
		}, []string{
			"--set teacher.constrain=two-lines: teacher.constrain: requires teacher.parse strict: " +
				"the reference's parser expects other lines (set teacher.parse to strict)",
			"--set teacher.constrain=two-lines: teacher.constrain: applies to language models: teacher copy " +
				"generates nothing (remove it)",
			"--set teacher.constrain=two-lines: teacher.constrain: needs a teacher.max_tokens of 16 or more",
		}},
		{"invalid element of a list", minimalSpec, []string{"sasrec.hidden_sizes=64,many"}, []string{
			`--set sasrec.hidden_sizes=64,many: sasrec.hidden_sizes[1]: must be a whole number, not "many"`,
		}},
		{"openai without a model", minimalSpec, []string{"teacher.model=openai:http://localhost:8000/v1"}, []string{
			`--set teacher.model=openai:http://localhost:8000/v1: teacher.model: must be smollm2, copy, gguf:FILE, ` +
				`meta:DIR, hf:DIR ` +
				`or openai:URL#MODEL, not "openai:http://localhost:8000/v1" ` +
				`(known are smollm2, copy, gguf:, meta:, hf:, openai:)`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.Parse("shop.yaml", []byte(test.text), test.overrides)
			var diagnostics document.Error
			if !errors.As(err, &diagnostics) {
				t.Fatalf("got %v, want diagnostics", err)
			}
			if diff := cmp.Diff(test.want, strings.Split(diagnostics.Error(), "\n")); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidateNamesFieldsWithoutAFile(t *testing.T) {
	t.Parallel()
	s := spec.Default()
	s.Name, s.Data.Folder, s.Trials = "shop", "x", 0
	err := spec.Validate(s)
	if got, want := errString(err), "spec: trials: must be at least 1, not 0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestDigestIgnoresFormatting(t *testing.T) {
	t.Parallel()
	digest := func(text string, overrides ...string) string {
		t.Helper()
		s, err := spec.Parse("shop.yaml", []byte(text), overrides)
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	equivalent := digest("# a comment\ndata:\n  folder: 'data/shop'\ntrain: {learning_rate: 0.0005}\nname: shop\n")
	if got := digest(minimalSpec); got != equivalent {
		t.Errorf("the digest depends on formatting: %s and %s", got, equivalent)
	}
	if got := digest(minimalSpec, "seed=2"); got == equivalent {
		t.Error("the digest does not depend on the seed")
	}
}

func TestWorkflowID(t *testing.T) {
	t.Parallel()
	s := spec.Default()
	s.Name = "shop"
	id, err := s.WorkflowID()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(id, "shop-") || len(id) != len("shop-")+12 {
		t.Errorf("workflow id %q, want the name and 12 digits", id)
	}
}

// TestExperiments loads every spec in experiments.
func TestExperiments(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../experiments/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no experiments found: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			s, err := spec.Load(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.TrimSuffix(filepath.Base(path), ".yaml"); s.Name != want {
				t.Errorf("name %q differs from the file's %q", s.Name, want)
			}
		})
	}
}

func TestLoadNamesAMissingFile(t *testing.T) {
	t.Parallel()
	_, err := spec.Load(filepath.Join(t.TempDir(), "no.yaml"), nil)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(errString(err), "no.yaml") {
		t.Errorf("got %v, want a missing no.yaml", err)
	}
}

func TestLookupByName(t *testing.T) {
	t.Parallel()
	if m, err := spec.MethodNamed("pod"); err != nil || m.Name != "pod" {
		t.Errorf("pod: got %v, %v", m, err)
	}
	if z, err := spec.SizeNamed("t5-base"); err != nil || z.Layers != 12 {
		t.Errorf("t5-base: got %v, %v", z, err)
	}
	_, err := spec.ProtocolNamed("clan")
	if got, want := errString(err), `no protocol "clan"; did you mean "clean"?`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzParse checks that no text panics and that an accepted spec round-trips through YAML.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimalSpec), "train.epochs=2")
	f.Add([]byte("name: a\ndata:\n  reviews: {path: x, columns: {user: u}}\n"), "methods=pod,p5")
	f.Add([]byte("a: &b [1, 2]\nc: *b\n<<: {d: !!int 3}\n---\n? x\n"), "data.reviews.=")
	f.Add([]byte(minimalSpec), "sasrec.hidden_sizes=64,128")
	f.Add([]byte("name: |\n  a\ntrain: {ratio: {topn: 1e-3}}\n"), "student.dropout=0.5")
	f.Fuzz(func(t *testing.T, text []byte, override string) {
		s, err := spec.Parse("fuzz.yaml", text, []string{override})
		if err != nil {
			return
		}
		want, err := s.Digest()
		if err != nil {
			t.Fatal(err)
		}
		written, err := s.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := spec.Parse("again.yaml", written, nil)
		if err != nil {
			t.Fatalf("the written spec is rejected: %v\n%s", err, written)
		}
		if got, err := again.Digest(); err != nil || got != want {
			t.Fatalf("digest changes from %s to %s (%v)\n%s", want, got, err, written)
		}
	})
}
