package main_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/exitcode"
	"rdrec/internal/t5/modeltest"
	"rdrec/registry"
)

// shop returns a table of reviews: each of 20 users reviews 6 of 10 items.
func shop() string {
	var table strings.Builder
	table.WriteString("user,item,time,rating,text\n")
	for user := range 20 {
		for k := range 6 {
			fmt.Fprintf(&table, "u%02d,i%d,%d,5,The strap of my watch %d is great and the battery lasts.\n",
				user, (user+k)%10, 1_600_000_000+1000*user+k, (user+k)%10)
		}
	}
	return table.String()
}

// shopSpec returns a spec of the table at a path, which runs for seconds. Its student starts from a
// folder.
func shopSpec(path, pretrained string) string {
	return fmt.Sprintf("name: shop\ndata: {reviews: {path: %s}, negatives: 3}\nstudent: {pretrained: %s}", path, pretrained) + `
teacher: {model: copy}
train: {batch: 4, epochs: 2, epoch_steps: 10, validation_rows: 8}
evaluate: {sequential_users: 4, topn_users: -1, explanations: -1, num_beams: 4, num_return_sequences: 4, topn: 4}
`
}

// plan returns the stages that will run, each with why, and the plan.
func (s *faultEnv) plan(args ...string) (map[string][]string, registry.Plan) {
	s.T.Helper()
	var plan registry.Plan
	out := s.MustStarter(append([]string{"plan", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		s.T.Fatal(err)
	}
	why := map[string][]string{}
	for _, row := range plan.Stages {
		if row.Cached {
			continue
		}
		for _, reason := range row.Why {
			why[row.Label] = append(why[row.Label], reason.String())
		}
	}
	return why, plan
}

// checkExplanations explains and compares the first and the last run, of which the latter read an
// appended row.
func (s *faultEnv) checkExplanations(first, last string) {
	s.T.Helper()
	for run, want := range map[string]string{first: "never done", last: "since " + first + ":\n  data changed"} {
		if out := s.MustStarter("explain", run, "import"); !strings.Contains(out, want) {
			s.T.Errorf("explain %s import:\n%s\nwant %q", run, out, want)
		}
	}
	var c registry.RunComparison
	if err := json.Unmarshal([]byte(s.MustStarter("compare", "--json", first, last)), &c); err != nil {
		s.T.Fatal(err)
	}
	if len(c.Settings) > 0 || len(c.Stages) != 6 || c.Stages[0].Shared || c.Runs[1].Computed == 0 {
		s.T.Errorf("comparison %+v", c)
	}
	for _, m := range c.Metrics {
		if cell := m.Runs[1]; cell.Value == nil || cell.Difference == nil && cell.Note == "" {
			s.T.Errorf("%s of the last run: %+v", m.Metric, cell)
		}
	}
	if len(c.Metrics) == 0 {
		s.T.Error("no metric is compared")
	}
}

// checkPaper plans the paper's spec on a folder of the authors' files and with a folder of T5's
// weights, and refuses a folder whose weights do not fit its configuration.
func (s *faultEnv) checkPaper(pretrained string) {
	s.T.Helper()
	args := []string{
		"experiments/paper-beauty-rdrec.yaml", "--set", "data.folder=testdata/rdrec/beauty_mini",
		"--set", "student.pretrained=" + pretrained,
	}
	stages, plan := s.plan(args...)
	if len(plan.Stages) != 44 || len(stages["evaluate topn rdrec/10"]) == 0 {
		s.T.Errorf("the plan of ten trials has %d stages: %v", len(plan.Stages), stages)
	}
	writeFile(s.T, filepath.Join(pretrained, "config.json"), modeltest.FlanT5Config)
	_, stderr, code := s.Starter(append([]string{"plan"}, args...)...)
	if code != exitcode.Experiment || !strings.Contains(stderr, `SelfAttention.q.weight": shape [8 8], want [12 8]`) {
		s.T.Errorf("weights that do not fit: exit code %d\n%s", code, stderr)
	}
}

// TestPlan plans a spec before and after its run, after one changed setting and one appended row,
// and the paper's spec. The students start from folders of flan-T5 and T5.
func TestPlan(t *testing.T) {
	t.Parallel()
	s := newFaultEnv(t)
	spans, address := newCollector(t)
	s.Variables = append(s.Variables, "OTEL_EXPORTER_OTLP_ENDPOINT="+address)
	w := s.StartWorker()
	dir := t.TempDir()
	spec, table := filepath.Join(dir, "shop.yaml"), filepath.Join(dir, "reviews.csv")
	writeFile(t, table, shop())
	writeFile(t, spec, shopSpec(table, modeltest.Pretrained(t, modeltest.FlanT5Config)))
	s.checkPaper(modeltest.Pretrained(t, modeltest.T5Config))

	const evaluate, pretrain = "evaluate sequential rdrec/1", "pretrain rdrec/1"
	never, after := "never done", "after a stage that runs: "
	before, plan := s.plan(spec)
	if diff := cmp.Diff(map[string][]string{
		"import": {never}, "distill": {after + "import"}, "preprocess": {after + "import", after + "distill"},
		"baseline": {after + "preprocess"}, pretrain: {after + "preprocess"},
		evaluate: {after + "preprocess", after + pretrain},
	}, before); diff != "" {
		t.Errorf("before a run (-want +got):\n%s", diff)
	}
	if plan.Total.Runs != 0 || plan.Unknown != 6 {
		t.Errorf("an estimate without a basis: %+v", plan.Total)
	}
	if n := s.CountFiles("stages/*/*") + s.CountFiles("runs/*"); n != 0 {
		t.Errorf("a plan left %d records", n)
	}

	s.MustStarter("run", spec)
	done, plan := s.plan(spec)
	first := plan.Since
	if len(done) > 0 || plan.Since == "" {
		t.Errorf("after the run, these stages would run again: %v", done)
	}
	changed, plan := s.plan(spec, "--set", "train.epochs=3")
	if diff := cmp.Diff(map[string][]string{
		pretrain: {"spec changed: train.epochs 2 → 3"}, evaluate: {after + pretrain},
	}, changed); diff != "" {
		t.Errorf("after a changed setting (-want +got):\n%s", diff)
	}
	if plan.Total.Runs != 1 || plan.Total.Low <= 0 || plan.GPU != plan.Total || plan.Unknown != 0 {
		t.Errorf("the estimate of two stages after a run: %+v, %+v", plan.Total, plan.GPU)
	}

	writeFile(t, table, shop()+"u00,i9,1600900000,5,The strap is great.\n")
	appended, _ := s.plan(spec)
	want := before
	want["import"] = []string{"data changed"}
	if diff := cmp.Diff(want, appended); diff != "" {
		t.Errorf("after an appended row (-want +got):\n%s", diff)
	}
	_, stderr, code := s.Starter("run", spec)
	if code != 0 || !strings.Contains(stderr, "plan: 0 of 6 stages are cached, 6 will run: ") {
		t.Errorf("run printed no plan (exit code %d):\n%s", code, stderr)
	}
	_, plan = s.plan(spec)
	s.checkExplanations(first, plan.Since)
	w.Drain()
	spans.checkTraces(t, 2)
}
