package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/recommender"
	"rdrec/internal/staging"
)

// miniDataset returns the dataset that the short experiment trains on.
func miniDataset(t *testing.T) *dataset.Dataset {
	t.Helper()
	data, err := dataset.Read(os.DirFS(filepath.Join(staging.Root(), "testdata/rdrec/beauty_mini")), "beauty_mini")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readRows reads an export in JSON lines.
func readRows(t *testing.T, path string) []recommender.Row {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []recommender.Row
	for line := range strings.Lines(string(text)) {
		var row recommender.Row
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// checkRows checks the rows of an export: every user in order, each with top different unseen
// items, under the shop's ids.
func checkRows(t *testing.T, data *dataset.Dataset, rows []recommender.Row, top int) {
	t.Helper()
	items := map[string]int{}
	for i, id := range data.ItemIDs {
		items[id] = i + 1
	}
	if len(rows) != top*len(data.Users) {
		t.Fatalf("%d rows for %d users, want %d each", len(rows), len(data.Users), top)
	}
	for i, row := range rows {
		user := data.Users[i/top]
		item := items[row.Item]
		if row.User != data.UserIDs[user.ID-1] || row.Rank != i%top+1 || item == 0 ||
			slices.Contains(user.Items, item) {
			t.Errorf("row %d: %+v for user %q", i+1, row, data.UserIDs[user.ID-1])
		}
		if row.Rank > 1 && (row.Score > rows[i-1].Score || row.Item == rows[i-1].Item) {
			t.Errorf("row %d: %+v after %+v", i+1, row, rows[i-1])
		}
	}
}

func TestExportResumesAfterWorkerDeath(t *testing.T) {
	t.Parallel()
	s := newFaultEnv(t)
	marks := s.mark()
	w := s.StartWorker()
	s.AwaitWeights(s.StartExperiment(staging.ShortSpec(t, "data.pseudonyms=true")))
	const top, shard = 4, 30
	data := marks.pseudonymous()
	shards := (len(data.Users) + shard - 1) / shard
	flags := []string{
		"export", "short", "--top", strconv.Itoa(top), "--users-per-shard", strconv.Itoa(shard), "--format", "jsonl",
	}
	dir := t.TempDir()

	first := make(chan string)
	go func() {
		out, stderr, _ := s.Starter(append(flags, "--out", dir)...)
		first <- out + stderr
	}()
	s.WaitFor("two shards", time.Minute, func() bool { return s.CountFiles("stages/export-shard/*.json") >= 2 })
	if os.Getenv("RDREC_FAULTS") != "" {
		w.Kill() // the running shards are retried after a heartbeat timeout
	} else {
		w.Drain()
	}
	if n := s.CountFiles("stages/export-shard/*.json"); n >= shards {
		t.Fatalf("all %d shards were finished before the worker ended, so nothing was tested", n)
	}
	s.StartWorker()
	stderr := <-first
	rows := readRows(t, filepath.Join(dir, activities.ExportFile(activities.FormatJSONL)))
	checkRows(t, data, rows, top)
	if n := s.CompletedActivities()["ExportShard"]; n != shards {
		t.Errorf("%d shards were finished, want each of %d once; the export printed:\n%s", n, shards, stderr)
	}

	// Exporting another format decodes nothing again. A URL as --out names the folder of the table.
	bucket := t.TempDir()
	var result struct {
		Table string
		Users int
	}
	out := s.MustStarter(append(flags[:7:7], "csv", "--json", "--out", "file://"+bucket)...)
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	if result.Users != len(data.Users) || result.Table != filepath.Join(bucket, "recommendations.csv") {
		t.Errorf("result %+v", result)
	}
	if n := s.CompletedActivities()["ExportShard"]; n != shards {
		t.Errorf("%d shards were finished after the second export, want still %d", n, shards)
	}
	text, err := os.ReadFile(result.Table)
	if err != nil || bytes.Count(text, []byte("\n")) != len(rows)+1 {
		t.Errorf("%d lines (%v), want %d and a header", bytes.Count(text, []byte("\n")), err, len(rows))
	}
	s.checkRecommendCommand(data, marks.data.UserIDs[0], rows)
	s.checkServedPseudonym(marks.data.UserIDs[0], rows)
	s.checkHistoriesWithout(rows[0].User)
	s.searchEverything(marks)
	s.checkUsageErrors(dir)
	s.checkActivitiesRanOnce(nil)
	s.recordAll("Export", "export-resumed", "export-found")
	s.recordAll("Recommend", "recommend")
}

// checkRecommendCommand checks single recommendations against the export's rows.
func (s *faultEnv) checkRecommendCommand(data *dataset.Dataset, user string, rows []recommender.Row) {
	s.T.Helper()
	var result activities.Recommendations
	out := s.MustStarter("recommend", "short", "--user", user, "--top", "3", "--explain", "--json")
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		s.T.Fatal(err)
	}
	if result.Cold || len(result.Items) != 3 {
		s.T.Fatalf("%+v", result)
	}
	for i, row := range result.Items {
		if row.Item != rows[i].Item || row.Explanation == "" {
			s.T.Errorf("%+v, the export has %+v", row, rows[i])
		}
	}
	out = s.MustStarter("recommend", "short", "--user", "nobody", "--top", "2")
	if !strings.Contains(out, `does not know user "nobody"`) || strings.Count(out, "\n") != 3 {
		s.T.Errorf("for a cold user:\n%s", out)
	}
	counts := map[int]int{}
	for _, u := range data.Users {
		for _, item := range u.Items[:len(u.Items)-1] {
			counts[item]++
		}
	}
	out = s.MustStarter("recommend", "short", "--user", "nobody", "--json", "--top", "1")
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		s.T.Fatal(err)
	}
	best := slices.Index(data.ItemIDs, result.Items[0].Item) + 1
	for item, n := range counts {
		if n > counts[best] {
			s.T.Errorf("a cold user gets item %d with %d users, item %d has %d", best, counts[best], item, n)
		}
	}
}

// checkServedPseudonym checks that a server of the run knows a user by the shop's id and by the
// pseudonym, which the export has.
func (s *faultEnv) checkServedPseudonym(user string, rows []recommender.Row) {
	s.T.Helper()
	c := s.serve("short")
	s.WaitFor("the model", time.Minute, func() bool {
		status, _ := c.get("/readyz")
		return status == http.StatusOK
	})
	for _, id := range []string{user, rows[0].User} {
		found := c.recommended(id, 3)
		if found.Cold || found.User != id || len(found.Items) != 3 || found.Items[0].Item != rows[0].Item {
			s.T.Errorf("user %s: %+v, the export has %+v", id, found, rows[0])
		}
	}
	c.Kill()
}

// checkHistoriesWithout checks that a user's id is in no history of a recommendation.
func (s *faultEnv) checkHistoriesWithout(user string) {
	s.T.Helper()
	found, err := s.Client.ListWorkflow(s.T.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: s.Namespace, Query: "WorkflowType = 'Recommend'",
	})
	if err != nil || len(found.GetExecutions()) != 3 {
		s.T.Fatalf("%d recommendations, %v", len(found.GetExecutions()), err)
	}
	for _, info := range found.GetExecutions() {
		events := s.Client.GetWorkflowHistory(s.T.Context(), info.GetExecution().GetWorkflowId(), "", false,
			enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			if err != nil {
				s.T.Fatal(err)
			}
			data, err := proto.Marshal(event)
			if err != nil || bytes.Contains(data, []byte(user)) {
				s.T.Errorf("event %d has user %s, or %v", event.GetEventId(), user, err)
			}
		}
	}
}

// checkUsageErrors checks the exit codes and messages of wrong command lines and names.
func (s *faultEnv) checkUsageErrors(dir string) {
	s.T.Helper()
	for _, c := range []struct {
		code int
		part string
		args []string
	}{
		{5, `records of run "absent"`, []string{"export", "absent", "--out", dir}},
		{2, "--out or --student", []string{"export", "short"}},
		{2, "not empty", []string{"export", "short", "--student", dir}},
		{1, `no student of method "p5"`, []string{"recommend", "short", "--user", "x", "--method", "p5"}},
		{6, "want 1 to 100", []string{"export", "short", "--out", dir, "--top", "101"}},
	} {
		if out, stderr, code := s.Starter(c.args...); code != c.code || !strings.Contains(stderr, c.part) {
			s.T.Errorf("%q: exit code %d, want %d with %q:\n%s%s", c.args, code, c.code, c.part, out, stderr)
		}
	}
}

// python returns a Python interpreter that has the modules; it skips the test if there is none.
func python(t *testing.T, modules string) string {
	t.Helper()
	for _, program := range append(filepath.SplitList(os.Getenv("RDREC_PYTHON")), "python3") {
		if exec.Command(program, "-c", "import "+modules).Run() == nil {
			return program
		}
	}
	t.Skipf("no Python with %s: set RDREC_PYTHON to an interpreter or a list of them", modules)
	return ""
}

const readTables = `
import sys, json, pandas, duckdb
folder = sys.argv[1]
want = [json.loads(line) for line in open(folder + "/recommendations.jsonl", encoding="utf8")]
frames = {"parquet": pandas.read_parquet(folder + "/recommendations.parquet"),
    "csv": pandas.read_csv(folder + "/recommendations.csv", dtype={"user": str, "item": str, "explanation": str},
        keep_default_na=False),
    "duckdb": duckdb.sql(f"from '{folder}/recommendations.parquet'").df()}
for name, frame in frames.items():
    assert list(frame.columns) == ["user", "rank", "item", "title", "score", "explanation"], (name, frame.columns)
    assert len(frame) == len(want), (name, len(frame), len(want))
    for row, line in zip(frame.itertuples(index=False), want):
        assert (row.user, row.rank, row.item) == (line["user"], line["rank"], line["item"]), (name, row, line)
        assert abs(row.score - line["score"]) < 1e-9 and row.explanation == line["explanation"], (name, row, line)
print(len(want), frames["parquet"]["user"].nunique())
`

// TestPandasAndDuckDBReadTheExport needs a Python with pandas, pyarrow and duckdb.
func TestPandasAndDuckDBReadTheExport(t *testing.T) {
	t.Parallel()
	program := python(t, "pandas, pyarrow, duckdb")
	s := newFaultEnv(t)
	s.StartWorker()
	s.AwaitWeights(s.StartExperiment(staging.ShortSpec(t)))
	dir := t.TempDir()
	for _, format := range activities.ExportFormats() {
		s.MustStarter("export", "short", "--top", "2", "--explain", "--format", format, "--out", dir)
	}
	out, err := exec.Command(program, "-c", readTables, dir).CombinedOutput()
	users := len(miniDataset(t).Users)
	if err != nil || strings.TrimSpace(string(out)) != fmt.Sprintf("%d %d", 2*users, users) {
		t.Errorf("%v, %s", err, out)
	}
	if parts, err := filepath.Glob(filepath.Join(dir, "*.part")); err != nil || len(parts) > 0 {
		t.Errorf("left behind: %v, %v", parts, err)
	}
}

// openStudent runs the program in the folder's README, which must generate the worker's
// explanations.
const openStudent = `
import json, sys, re
folder = sys.argv[1]
exec(re.search("` + "```python\\n(.*?)```" + `", open(folder + "/README.md", encoding="utf8").read(), re.S).group(1))
from transformers import AutoTokenizer, T5Tokenizer, T5ForConditionalGeneration
_, info = T5ForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
assert not info["missing_keys"], info
assert set(info["unexpected_keys"]) <= {"prompt_embeddings.weight", "whole_word_embeddings.weight"}, info
model, tokenizer, tables = open_student(folder)
plain = T5Tokenizer.from_pretrained(folder)
texts = json.load(sys.stdin)
for text in texts:
    assert plain(text).input_ids == tokenizer(text).input_ids
how = {"max_length": 50, "min_length": 10, "num_beams": 5, "early_stopping": True}
json.dump({
    "ids": [tokenizer(text).input_ids for text in texts],
    "generated": [ask(model, tokenizer, tables, text, task=0, **how)[0] for text in texts],
}, sys.stdout)
`

// TestTransformersLoadsTheStudent needs a Python with torch, transformers and sentencepiece.
func TestTransformersLoadsTheStudent(t *testing.T) {
	t.Parallel()
	program := python(t, "torch, transformers, sentencepiece, safetensors")
	s := newFaultEnv(t)
	s.StartWorker()
	s.AwaitWeights(s.StartExperiment(staging.ShortSpec(t,
		"evaluate.explanation_num_beams=5", "evaluate.explanation_num_beam_groups=1")))
	dir := filepath.Join(t.TempDir(), "student")
	s.MustStarter("export", "short", "--student", dir)

	// texts are the inputs for items that the worker recommends, want its explanations of them.
	var texts, want []string
	for _, number := range []int{1, 12} {
		data := miniDataset(t)
		var result activities.Recommendations
		out := s.MustStarter("recommend", "short", "--user", data.UserIDs[number-1],
			"--explain", "--top", "2", "--json")
		if err := json.Unmarshal([]byte(out), &result); err != nil {
			t.Fatal(err)
		}
		for _, row := range result.Items {
			texts = append(texts, fmt.Sprintf("user_%d item_%d", number, slices.Index(data.ItemIDs, row.Item)+1))
			want = append(want, row.Explanation)
		}
	}
	input, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", openStudent, dir)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	out, err := cmd.Output()
	var got struct {
		IDs       [][]int32
		Generated []string
	}
	if err == nil {
		err = json.Unmarshal(out, &got)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for i, text := range texts {
		if generated := strings.Join(strings.Fields(got.Generated[i]), " "); generated != want[i] {
			t.Errorf("%q: transformers generates %q, the worker %q", text, generated, want[i])
		}
	}
	if _, err := os.Stat(dir + ".part"); !os.IsNotExist(err) {
		t.Errorf("the unfinished folder is left: %v", err)
	}
}
