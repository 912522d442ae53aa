package task_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/golden"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

func TestTemplatesMatchTheReference(t *testing.T) {
	var want struct {
		Templates struct {
			Explanation, Sequential, TopN, Rationale []string
		} `json:"templates"`
	}
	golden.Load(t, "tokenization.json", &want)
	set, err := task.TemplateSetNamed("pod")
	if err != nil {
		t.Fatal(err)
	}
	for tk, c := range map[string]struct{ want, got []string }{
		"explanation": {want.Templates.Explanation, set.Explanation},
		"sequential":  {want.Templates.Sequential, set.Sequential},
		"topn":        {want.Templates.TopN, set.TopN},
		"rationale":   {want.Templates.Rationale, []string{set.Preference, set.Attribute}},
	} {
		if diff := cmp.Diff(c.want, pythonPlaceholders(c.got)); diff != "" {
			t.Errorf("%s templates (-want +got):\n%s", tk, diff)
		}
	}
}

// pythonPlaceholders writes placeholders in Python's form.
func pythonPlaceholders(texts []string) []string {
	var out []string
	for _, text := range texts {
		out = append(out, strings.NewReplacer("{user}", "{}", "{item}", "{}", "{items}", "{}").Replace(text))
	}
	return out
}

func TestEncoderPadsAsTransformers(t *testing.T) {
	var want struct {
		Batch struct {
			Texts []string  `json:"texts"`
			IDs   [][]int64 `json:"input_ids"`
			Mask  [][]int64 `json:"attention_mask"`
		} `json:"batch"`
	}
	golden.Load(t, "tokenization.json", &want)
	var examples []task.Example
	for _, text := range want.Batch.Texts {
		examples = append(examples, task.Example{Source: text, Target: text})
	}
	b := newEncoder(t, paper("rdrec"), 1000).Encode(examples)
	if diff := cmp.Diff(slices.Concat(want.Batch.IDs...), b.Source); diff != "" {
		t.Errorf("source (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Concat(want.Batch.Mask...), b.Mask); diff != "" {
		t.Errorf("mask (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(slices.Concat(want.Batch.IDs...), b.Target); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

// goldenBatch is a batch of batchify.json.
type goldenBatch struct {
	Source [2]int `json:"source"`
	Target [2]int `json:"target"`
	Hash   string `json:"sha256"`
}

func TestListsMatchTheReference(t *testing.T) {
	var want map[string]json.RawMessage
	golden.Load(t, "batchify.json", &want)
	listName := regexp.MustCompile(`^(explanation|rationale|sequential)_(valid|test)_b(\d+)(?:_len(\d+))?$`)
	lists := 0
	for name, raw := range want {
		parts := listName.FindStringSubmatch(name)
		if parts == nil {
			continue
		}
		lists++
		t.Run(name, func(t *testing.T) {
			var batches []goldenBatch
			if err := json.Unmarshal(raw, &batches); err != nil {
				t.Fatal(err)
			}
			checkList(t, goldenData(t, want["data"]), parts[1:], batches)
		})
	}
	if lists == 0 {
		t.Error("batchify.json has no list of batches")
	}
}

// goldenData reads the dataset at the path that the reference was given.
func goldenData(t *testing.T, raw json.RawMessage) *dataset.Dataset {
	t.Helper()
	var folder string
	if err := json.Unmarshal(raw, &folder); err != nil {
		t.Fatal(err)
	}
	return read(t, path.Base(folder))
}

func read(t testing.TB, name string) *dataset.Dataset {
	t.Helper()
	data, err := dataset.Read(os.DirFS(golden.Data(t, "rdrec/"+name)), name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func checkList(t *testing.T, data *dataset.Dataset, parts []string, want []goldenBatch) {
	t.Helper()
	tasks := map[string]task.Task{
		"explanation": task.Explanation, "rationale": task.Rationale, "sequential": task.Sequential,
	}
	size, target := atoi(t, parts[2]), 1000
	if parts[3] != "" {
		target = atoi(t, parts[3])
	}
	corpus := newCorpus(t, data, paper("rdrec"))
	list, err := corpus.Validation(tasks[parts[0]], 1, 1)
	if parts[1] == "test" {
		list, err = corpus.Test(tasks[parts[0]], 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	var got []goldenBatch
	for b := range list.Batches(newEncoder(t, paper("rdrec"), target), size) {
		got = append(got, goldenBatch{[2]int{b.Size, b.SourceLen}, [2]int{b.Size, b.TargetLen}, hash(b)})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func hash(b task.Batch) string {
	sum := sha256.New()
	for _, values := range [][]int64{b.Prompts, b.Source, b.Mask, b.Whole, b.Target} {
		for _, v := range values {
			sum.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func TestRatiosSplitAsTheReference(t *testing.T) {
	var want struct {
		Data   json.RawMessage
		Ratios []struct {
			Batch       int    `json:"batch_size"`
			Ratio       string `json:"ratio"`
			Explanation *int   `json:"explanation"`
			Sequential  int    `json:"sequential"`
			Rationale   int    `json:"rationale_records"`
			TopN        int    `json:"topn"`
			Steps       int    `json:"batch_num"`
			Rows        int    `json:"rows"`
		}
	}
	golden.Load(t, "batchify.json", &want)
	corpus := newCorpus(t, goldenData(t, want.Data), paper("rdrec"))
	for _, c := range want.Ratios {
		ratio := parseRatio(t, c.Ratio)
		counts, err := task.Split(ratio, c.Batch)
		if c.Explanation == nil { // the reference crashes
			if err == nil {
				t.Errorf("ratio %s of %d: no error, got %v", c.Ratio, c.Batch, counts)
			}
			continue
		}
		if err != nil {
			t.Errorf("ratio %s of %d: %v", c.Ratio, c.Batch, err)
			continue
		}
		mixer, err := corpus.Mixer(spec.Train{Batch: c.Batch, Ratio: ratio}, 1)
		if err != nil {
			t.Errorf("ratio %s of %d: %v", c.Ratio, c.Batch, err)
			continue
		}
		wanted := task.Counts{
			task.Explanation: *c.Explanation, task.Sequential: c.Sequential, task.TopN: c.TopN,
			task.Rationale: c.Rationale,
		}
		if counts != wanted || mixer.Counts() != wanted {
			t.Errorf("ratio %s of %d: %v, in the mixer %v, want %v", c.Ratio, c.Batch, counts, mixer.Counts(), wanted)
		}
		// The reference divides by zero at the end of an epoch without batches; an epoch is one
		// step then.
		if steps := max(1, c.Steps); counts.Rows() != c.Rows || mixer.EpochSteps() != steps {
			t.Errorf("ratio %s of %d: %d rows, %d steps, want %d, %d",
				c.Ratio, c.Batch, counts.Rows(), mixer.EpochSteps(), c.Rows, steps)
		}
		if got := len(mixer.Next()); got != c.Rows {
			t.Errorf("ratio %s of %d: a batch has %d rows, want %d", c.Ratio, c.Batch, got, c.Rows)
		}
	}
}

func parseRatio(t *testing.T, text string) spec.Ratio {
	t.Helper()
	var w [4]float64
	for i, part := range strings.SplitN(text, ":", 4) {
		var err error
		if w[i], err = strconv.ParseFloat(part, 64); err != nil {
			t.Fatal(err)
		}
	}
	return spec.Ratio{Explanation: w[0], Sequential: w[1], Rationale: w[2], TopN: w[3]}
}

// e2e is the inputs of e2e.json.gz.
type e2e struct {
	TopN struct {
		Histories json.RawMessage
		Inputs    []string
	}
	Explanation struct {
		Arguments []string
		Records   []struct{ Explanation string }
		Generated string `json:"generated_txt"`
	}
}

func TestTopNUsesTheNegativesFile(t *testing.T) {
	var want e2e
	golden.Load(t, "e2e.json.gz", &want)
	data := read(t, "beauty_mini")
	data.Users = histories(t, want.TopN.Histories)
	list, err := newCorpus(t, data, paper("rdrec")).Test(task.TopN, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, example := range list.Examples {
		// The reference shuffles without a seed, so only the order may differ.
		want, got := strings.Fields(want.TopN.Inputs[i]), strings.Fields(example.Source)
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("user %d (-want +got):\n%s", example.User, diff)
		}
	}
}

func TestReferenceTextsMatchTheReference(t *testing.T) {
	var want e2e
	golden.Load(t, "e2e.json.gz", &want)
	tokens := 100
	if i := slices.Index(want.Explanation.Arguments, "--exp_len"); i >= 0 {
		tokens = atoi(t, want.Explanation.Arguments[i+1])
	}
	t5, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	pairs := strings.Split(strings.TrimSuffix(want.Explanation.Generated, "\n\n"), "\n\n")
	if len(pairs) != len(want.Explanation.Records) {
		t.Fatalf("%d texts for %d records", len(pairs), len(want.Explanation.Records))
	}
	for i, record := range want.Explanation.Records {
		got, err := task.Reference(t5, record.Explanation, tokens)
		if err != nil {
			t.Fatal(err)
		}
		if text, _, _ := strings.Cut(pairs[i], "\n"); got != text {
			t.Errorf("record %d: %q, want %q", i, got, text)
		}
	}
}
