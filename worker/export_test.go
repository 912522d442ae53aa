package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rdrec/activities"
	"rdrec/internal/advice"
	"rdrec/internal/dataset"
)

// builtStarter builds the starter once, beside the worker.
var builtStarter = sync.OnceValues(func() (string, error) {
	worker, err := built()
	if err != nil {
		return "", err
	}
	program := filepath.Join(filepath.Dir(worker), "starter")
	out, err := exec.Command("go", "build", "-buildvcs=false", stripped, "-o", program, "../starter").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return program, nil
})

// starter runs a command line of the starter against the site and returns what it prints.
func (s *site) starter(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	program, err := builtStarter()
	if err != nil {
		s.t.Fatal(err)
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), program,
		append([]string{"--bucket", s.url, "--address", s.address, "--namespace", s.namespace}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &out, &said
	err = cmd.Run()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// must is starter for command lines that work.
func (s *site) must(args ...string) string {
	s.t.Helper()
	out, said, code := s.starter(args...)
	if code != 0 {
		s.t.Fatalf("starter %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, said)
	}
	return out
}

// mini is the data that the short experiment trains on.
func mini(t *testing.T) *dataset.Dataset {
	t.Helper()
	data, err := dataset.Read(os.DirFS(filepath.Join(root, "testdata/rdrec/beauty_mini")), "beauty_mini")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readRows reads an export in JSON lines.
func readRows(t *testing.T, path string) []advice.Row {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []advice.Row
	for line := range strings.Lines(string(text)) {
		var row advice.Row
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// checkRows checks an export's promises: every user in order, so many unseen, different items each, with names of the shop.
func checkRows(t *testing.T, data *dataset.Dataset, rows []advice.Row, top int) {
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
		if row.User != data.UserIDs[user.ID-1] || row.Rank != i%top+1 || item == 0 || slices.Contains(user.Items, item) {
			t.Errorf("row %d: %+v for user %q", i+1, row, data.UserIDs[user.ID-1])
		}
		if row.Rank > 1 && (row.Score > rows[i-1].Score || row.Item == rows[i-1].Item) {
			t.Errorf("row %d: %+v after %+v", i+1, row, rows[i-1])
		}
	}
}

func TestExportOutlivesItsWorkers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.hire()
	s.finish(s.begin(short(t)))
	const top, shard = 4, 30
	data := mini(t)
	shards := (len(data.Users) + shard - 1) / shard
	flags := []string{"export", "short", "--top", strconv.Itoa(top), "--shard", strconv.Itoa(shard), "--format", "jsonl"}
	dir := t.TempDir()

	first := make(chan string)
	go func() {
		out, said, _ := s.starter(append(flags, "--out", dir)...)
		first <- out + said
	}()
	s.until("two shards", time.Minute, func() bool { return s.count("stages/export-shard/*.json") >= 2 })
	if os.Getenv("RDREC_FAULTS") != "" {
		w.kill() // the shards in work are missed after a heartbeat timeout
	} else {
		w.drain()
	}
	if n := s.count("stages/export-shard/*.json"); n >= shards {
		t.Fatalf("all %d shards were done before the worker ended: nothing was tested", n)
	}
	s.hire()
	said := <-first
	rows := readRows(t, filepath.Join(dir, activities.ExportFile(activities.FormatJSONL)))
	checkRows(t, data, rows, top)
	if n := s.finished()["ExportShard"]; n != shards {
		t.Errorf("%d shards were finished, want each of %d once; the export said:\n%s", n, shards, said)
	}

	// The same again, in another format: nothing is decoded anew. As a URL, it is one object.
	bucket := t.TempDir()
	var told struct {
		Table string
		Users int
	}
	if err := json.Unmarshal([]byte(s.must(append(flags[:7:7], "csv", "--json", "--out", "file://"+bucket)...)), &told); err != nil {
		t.Fatal(err)
	}
	if told.Users != len(data.Users) || told.Table != filepath.Join(bucket, "recommendations.csv") {
		t.Errorf("told %+v", told)
	}
	if n := s.finished()["ExportShard"]; n != shards {
		t.Errorf("%d shards were finished after the second export, want still %d", n, shards)
	}
	text, err := os.ReadFile(told.Table)
	if err != nil || bytes.Count(text, []byte("\n")) != len(rows)+1 {
		t.Errorf("%d lines (%v), want %d and a header", bytes.Count(text, []byte("\n")), err, len(rows))
	}
	s.answers(data, rows)
	s.refusals(dir)
	s.once(nil)
}

// answers checks single recommendations against the export's rows.
func (s *site) answers(data *dataset.Dataset, rows []advice.Row) {
	s.t.Helper()
	var answer activities.Advice
	user := rows[0].User
	if err := json.Unmarshal([]byte(s.must("recommend", "short", "--user", user, "--top", "3", "--explain", "--json")), &answer); err != nil {
		s.t.Fatal(err)
	}
	if answer.Cold || len(answer.Items) != 3 {
		s.t.Fatalf("%+v", answer)
	}
	for i, row := range answer.Items {
		if row.Item != rows[i].Item || row.Explanation == "" {
			s.t.Errorf("%+v, the export has %+v", row, rows[i])
		}
	}
	if out := s.must("recommend", "short", "--user", "nobody", "--top", "2"); !strings.Contains(out, `does not know user "nobody"`) || strings.Count(out, "\n") != 3 {
		s.t.Errorf("a cold user is told:\n%s", out)
	}
	counts := map[int]int{}
	for _, u := range data.Users {
		for _, item := range u.Items[:len(u.Items)-1] {
			counts[item]++
		}
	}
	if err := json.Unmarshal([]byte(s.must("recommend", "short", "--user", "nobody", "--json", "--top", "1")), &answer); err != nil {
		s.t.Fatal(err)
	}
	best := slices.Index(data.ItemIDs, answer.Items[0].Item) + 1
	for item, n := range counts {
		if n > counts[best] {
			s.t.Errorf("a cold user gets item %d with %d users, item %d has %d", best, counts[best], item, n)
		}
	}
}

// refusals checks what is wrong with a command line or a name, and that it is said.
func (s *site) refusals(dir string) {
	s.t.Helper()
	for _, c := range []struct {
		code int
		part string
		args []string
	}{
		{5, `records of run "absent"`, []string{"export", "absent", "--out", dir}},
		{2, "--out or --student", []string{"export", "short"}},
		{2, "not empty", []string{"export", "short", "--student", dir}},
		{1, `none of method "p5"`, []string{"recommend", "short", "--user", "x", "--method", "p5"}},
		{6, "want 1 to 100", []string{"export", "short", "--out", dir, "--top", "101"}},
	} {
		if out, said, code := s.starter(c.args...); code != c.code || !strings.Contains(said, c.part) {
			s.t.Errorf("%q: exit code %d, want %d with %q:\n%s%s", c.args, code, c.code, c.part, out, said)
		}
	}
}

// python is a Python that has modules; the test is skipped where there is none.
func python(t *testing.T, modules string) string {
	t.Helper()
	for _, program := range append(filepath.SplitList(os.Getenv("RDREC_PYTHON")), "python3") {
		if exec.Command(program, "-c", "import "+modules).Run() == nil {
			return program
		}
	}
	t.Skipf("no Python with %s: set RDREC_PYTHON to one, or to a list", modules)
	return ""
}

const readTables = `
import sys, json, pandas, duckdb
folder = sys.argv[1]
want = [json.loads(line) for line in open(folder + "/recommendations.jsonl", encoding="utf8")]
frames = {"parquet": pandas.read_parquet(folder + "/recommendations.parquet"),
    "csv": pandas.read_csv(folder + "/recommendations.csv", dtype={"user": str, "item": str, "explanation": str}, keep_default_na=False),
    "duckdb": duckdb.sql(f"from '{folder}/recommendations.parquet'").df()}
for name, frame in frames.items():
    assert list(frame.columns) == ["user", "rank", "item", "title", "score", "explanation"], (name, frame.columns)
    assert len(frame) == len(want), (name, len(frame), len(want))
    for row, line in zip(frame.itertuples(index=False), want):
        assert (row.user, row.rank, row.item) == (line["user"], line["rank"], line["item"]), (name, row, line)
        assert abs(row.score - line["score"]) < 1e-9 and row.explanation == line["explanation"], (name, row, line)
print(len(want), frames["parquet"]["user"].nunique())
`

// TestPandasAndDuckDBOpenTheExport needs a Python with pandas, pyarrow and duckdb.
func TestPandasAndDuckDBOpenTheExport(t *testing.T) {
	t.Parallel()
	program := python(t, "pandas, pyarrow, duckdb")
	s := newSite(t)
	s.hire()
	s.finish(s.begin(short(t)))
	dir := t.TempDir()
	for _, format := range activities.ExportFormats() {
		s.must("export", "short", "--top", "2", "--explain", "--format", format, "--out", dir)
	}
	out, err := exec.Command(program, "-c", readTables, dir).CombinedOutput()
	if users := len(mini(t).Users); err != nil || strings.TrimSpace(string(out)) != strconv.Itoa(2*users)+" "+strconv.Itoa(users) {
		t.Errorf("%v, %s", err, out)
	}
	if parts, err := filepath.Glob(filepath.Join(dir, "*.part")); err != nil || len(parts) > 0 {
		t.Errorf("left behind: %v, %v", parts, err)
	}
}

// openStudent runs the program of the folder's README: it must write what the worker writes.
const openStudent = `
import json, sys, re
folder = sys.argv[1]
exec(re.search("` + "```python\\n(.*?)```" + `", open(folder + "/README.md", encoding="utf8").read(), re.S).group(1))
from transformers import AutoTokenizer, T5Tokenizer, T5ForConditionalGeneration
_, info = T5ForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
assert not info["missing_keys"] and set(info["unexpected_keys"]) <= {"prompt_embeddings.weight", "whole_word_embeddings.weight"}, info
model, tokenizer, tables = open_student(folder)
plain = T5Tokenizer.from_pretrained(folder)
texts = json.load(sys.stdin)
for text in texts:
    assert plain(text).input_ids == tokenizer(text).input_ids
json.dump({
    "ids": [tokenizer(text).input_ids for text in texts],
    "written": [ask(model, tokenizer, tables, text, task=0, max_length=50, min_length=10, num_beams=5, early_stopping=True)[0] for text in texts],
}, sys.stdout)
`

// TestTransformersOpensTheStudent needs a Python with torch, transformers and sentencepiece.
func TestTransformersOpensTheStudent(t *testing.T) {
	t.Parallel()
	program := python(t, "torch, transformers, sentencepiece, safetensors")
	s := newSite(t)
	s.hire()
	s.finish(s.begin(short(t, "evaluate.explanation_beams=5", "evaluate.explanation_groups=1")))
	dir := filepath.Join(t.TempDir(), "student")
	s.must("export", "short", "--student", dir)

	// What the worker writes about the items that it recommends.
	var texts, want []string
	for _, number := range []int{1, 12} {
		data := mini(t)
		var answer activities.Advice
		asked := s.must("recommend", "short", "--user", data.UserIDs[number-1], "--explain", "--top", "2", "--json")
		if err := json.Unmarshal([]byte(asked), &answer); err != nil {
			t.Fatal(err)
		}
		for _, row := range answer.Items {
			texts = append(texts, fmt.Sprintf("user_%d item_%d", number, slices.Index(data.ItemIDs, row.Item)+1))
			want = append(want, row.Explanation)
		}
	}
	input, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", openStudent, dir)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &said
	out, err := cmd.Output()
	var got struct {
		IDs     [][]int32
		Written []string
	}
	if err == nil {
		err = json.Unmarshal(out, &got)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	for i, text := range texts {
		if written := strings.Join(strings.Fields(got.Written[i]), " "); written != want[i] {
			t.Errorf("%q: transformers writes %q, the worker %q", text, written, want[i])
		}
	}
	if _, err := os.Stat(dir + ".part"); !os.IsNotExist(err) {
		t.Errorf("the unfinished folder is left: %v", err)
	}
}
