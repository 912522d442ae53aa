package sasrec_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/golden"
	"rdrec/internal/metric"
	"rdrec/internal/sasrec"
	"rdrec/internal/torch"
)

// TestMain limits libtorch to one thread: on a busy test machine, threads that wait for each other
// wait long.
func TestMain(m *testing.M) {
	torch.Threads(1)
	os.Exit(m.Run())
}

var (
	beauty  = flag.Int("beauty", 0, "epochs of TestBeauty; 0 skips it")
	width   = flag.Int("width", 64, "width of TestBeauty's vectors")
	dropout = flag.Float64("dropout", 0.5, "dropout of TestBeauty")
	rate    = flag.Float64("rate", 0.001, "learning rate of TestBeauty")
)

// small returns a point that trains in seconds.
func small() sasrec.Settings {
	return sasrec.Settings{
		HiddenSize: 32, Blocks: 1, Heads: 2, MaxLength: 20, Dropout: 0.2,
		LearningRate: 0.005, Batch: 32, Epochs: 30, Patience: 5,
	}
}

// chains returns a dataset in which each item determines its successor: the users' sequences follow
// one cycle of items, whose ids do not give the order away.
func chains(users int) *dataset.Dataset {
	const items = 60
	d := &dataset.Dataset{Name: "chains", Items: items, Negatives: map[int][]int{}}
	id := func(index int) int { return 1 + (index%items)*17%items } // 17 and items share no factor
	for i := range users {
		user := dataset.User{ID: i + 1}
		for step := range 5 + i%4 {
			user.Items = append(user.Items, id(i*7+step))
		}
		for step := 20; step < 25; step++ {
			d.Negatives[user.ID] = append(d.Negatives[user.ID], id(i*7+step))
		}
		d.Users = append(d.Users, user)
	}
	return d
}

// TestMatchesPyTorch compares loss, gradient and scores with testdata/golden.py. Tolerance: float32
// against float64.
func TestMatchesPyTorch(t *testing.T) {
	var want struct {
		Items, Dim, Heads, Blocks, Length int
		Histories, Labels                 [][]int
		Weights, Gradient                 []float64
		Loss                              float64
		Scores                            [][]float64
	}
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	settings := sasrec.Settings{
		HiddenSize: want.Dim, Heads: want.Heads, Blocks: want.Blocks, MaxLength: want.Length, Batch: 1, Epochs: 1,
	}
	m, err := sasrec.New(settings, want.Items, 1, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	weights := make([]float32, len(want.Weights))
	for i, w := range want.Weights {
		weights[i] = float32(w)
	}
	err = torch.Run(func(s *torch.Scope) error {
		m.Flat().SetTo(s.FromFloat32(weights, int64(len(weights))))
		loss, gradient := m.Gradient(s, sasrec.NewBatch(want.Histories, want.Labels, want.Length), 1)
		if got := loss.Float(); math.Abs(got-want.Loss) > 1e-6*want.Loss {
			t.Errorf("loss %.9f, want %.9f", got, want.Loss)
		}
		checkClose(t, "gradient", gradient.Float32s(), want.Gradient, 2e-6)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	queries := make([]baseline.Query, len(want.Histories))
	expected := make([][]int, len(want.Histories))
	for i, history := range want.Histories {
		queries[i] = baseline.Query{History: history, K: want.Items}
		for item := 1; item <= want.Items; item++ {
			if !slices.Contains(history, item) {
				expected[i] = append(expected[i], item)
			}
		}
		scores := want.Scores[i]
		slices.SortFunc(expected[i], func(a, b int) int {
			if scores[a-1] > scores[b-1] {
				return -1
			}
			return 1
		})
	}
	got, err := m.Rank(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if !slices.Equal(got[i], expected[i]) {
			t.Errorf("history %v ranks %v, want %v", want.Histories[i], got[i], expected[i])
		}
	}
}

func checkClose(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Abs(float64(got[i])-want[i]) > tolerance {
			t.Errorf("%s[%d] = %g, want %g", what, i, got[i], want[i])
		}
	}
}

// trainJob runs a job and returns the test users' lists of each seed.
func trainJob(t *testing.T, job sasrec.Job) (sasrec.TuneResult, map[int64][]metric.List) {
	t.Helper()
	users := baseline.Users(job.Data, 0)
	lists := map[int64][]metric.List{}
	tuned, err := sasrec.Run(t.Context(), job, func(seed int64, m *sasrec.Model) error {
		ranked, err := m.Rank(t.Context(), baseline.SequentialQueries(users, 10))
		for i, items := range ranked {
			lists[seed] = append(lists[seed], metric.List{Items: items, Truth: []int{users[i].TestItem()}})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tuned, lists
}

func ndcg(lists []metric.List) float64 {
	sum := 0.0
	for _, list := range lists {
		sum += metric.StrictNDCG(list, 10)
	}
	return sum / float64(len(lists))
}

// TestModelPredictsSuccessors trains twice: the model predicts the successors, the same seed gives
// the same lists, another seed other ones, and all tensors are freed.
func TestModelPredictsSuccessors(t *testing.T) {
	before := torch.Live()
	bad := small()
	bad.LearningRate = 1e-9
	job := sasrec.Job{Data: chains(200), Grid: []sasrec.Settings{bad, small()}, Seeds: []int64{1, 2}}
	tuned, lists := trainJob(t, job)
	if tuned.Chosen != 1 || len(tuned.Grid) != 2 || len(tuned.Trials) != 2 || tuned.Trials[1].Seed != 2 {
		t.Errorf("chosen %d of %d, %d trials", tuned.Chosen, len(tuned.Grid), len(tuned.Trials))
	}
	for seed, ranked := range lists {
		if got := ndcg(ranked); got < 0.95 {
			t.Errorf("seed %d: NDCG@10 %.3f on chains in which each item determines its successor", seed, got)
		}
	}
	again, againLists := trainJob(t, job)
	if diff := cmp.Diff(tuned, again); diff != "" {
		t.Errorf("the same job gave another result: %s", diff)
	}
	if diff := cmp.Diff(lists, againLists); diff != "" {
		t.Errorf("the same job gave other lists: %s", diff)
	}
	if cmp.Equal(tuned.Trials[0].Losses, tuned.Trials[1].Losses) {
		t.Error("two seeds have the same losses")
	}
	if after := torch.Live(); after != before {
		t.Errorf("%d tensors were left behind", after-before)
	}
}

// TestTrainingIgnoresTestItems replaces every user's last item: the training's result may not
// change.
func TestTrainingIgnoresTestItems(t *testing.T) {
	one, two := chains(60), chains(60)
	for i := range two.Users {
		items := two.Users[i].Items
		items[len(items)-1] = 1 + (items[len(items)-1]+30)%60
	}
	settings := small()
	settings.Epochs = 3
	job := sasrec.Job{Data: one, Grid: []sasrec.Settings{settings}, Seeds: []int64{1}}
	first, _ := trainJob(t, job)
	job.Data = two
	second, _ := trainJob(t, job)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the test item changed the result: %s", diff)
	}
}

// TestPatienceResets trains on noise, with a validation metric that goes up and down: training
// stops Patience epochs after the best, however many worse epochs came before the best.
func TestPatienceResets(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	d := chains(200)
	for i := range d.Users {
		for j := range d.Users[i].Items {
			if random.IntN(3) == 0 {
				d.Users[i].Items[j] = 1 + random.IntN(60)
			}
		}
	}
	settings := small()
	const patience = 2
	settings.Epochs, settings.Patience, settings.LearningRate = 60, patience, 0.001
	tuned, _ := trainJob(t, sasrec.Job{Data: d, Grid: []sasrec.Settings{settings}, Seeds: []int64{1, 2, 3, 4, 5, 6}})
	most := 0
	for _, f := range tuned.Trials {
		worse := 0
		for i := 1; i < f.BestEpoch; i++ {
			if f.Validations[i] < slices.Max(f.Validations[:i]) {
				worse++
			}
		}
		most = max(most, worse)
		if f.Epochs != min(60, f.BestEpoch+patience) {
			t.Errorf("seed %d stopped after %d epochs, best %d", f.Seed, f.Epochs, f.BestEpoch)
		}
		if f.Validation != slices.Max(f.Validations) || f.Validations[f.BestEpoch-1] != f.Validation {
			t.Errorf("seed %d kept %v of %v", f.Seed, f.Validation, f.Validations)
		}
	}
	if most < patience {
		t.Errorf("at most %d epochs before the best were worse than an earlier one: "+
			"a patience that never resets would pass too", most)
	}
}

func TestCandidates(t *testing.T) {
	m, err := sasrec.New(small(), 60, 1, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	d := chains(10)
	users := baseline.Users(d, 0)
	lists, err := m.Rank(t.Context(), baseline.TopNQueries(d, users, 10))
	if err != nil {
		t.Fatal(err)
	}
	for i, user := range users {
		want := append(slices.Clone(d.Negatives[user.ID]), user.TestItem())
		got := slices.Sorted(slices.Values(lists[i]))
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("user %d: %s", user.ID, diff)
		}
	}
	lists, err = m.Rank(t.Context(), []baseline.Query{{K: 3}, {History: []int{2}, K: 0}})
	if diff := cmp.Diff([][]int{{1, 2, 3}, {}}, lists, cmp.Comparer(slices.Equal[[]int])); diff != "" || err != nil {
		t.Errorf("without a history and with K 0: %s, %v", diff, err)
	}
}

func TestStopAndInvalidJobs(t *testing.T) {
	before := torch.Live()
	use := func(int64, *sasrec.Model) error { return nil }
	stop := make(chan struct{})
	job := sasrec.Job{Data: chains(100), Grid: []sasrec.Settings{small()}, Seeds: []int64{1}, Stop: stop}
	epochs := 0
	job.Progress = func(p sasrec.Progress) {
		if epochs = p.Epoch; epochs == 3 {
			select {
			case <-stop:
			default:
				close(stop)
			}
		}
	}
	if _, err := sasrec.Run(t.Context(), job, use); !errors.Is(err, sasrec.ErrStopped) || epochs != 3 {
		t.Errorf("stopped in epoch %d with %v", epochs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	job.Stop, job.Progress = nil, func(sasrec.Progress) { cancel() }
	if _, err := sasrec.Run(ctx, job, use); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled with %v", err)
	}
	odd := small()
	odd.Heads = 3
	short := &dataset.Dataset{Items: 3, Users: []dataset.User{{ID: 1, Items: []int{1, 2, 3}}}}
	for name, job := range map[string]sasrec.Job{
		"no grid":   {Data: job.Data, Seeds: []int64{1}},
		"odd heads": {Data: job.Data, Grid: []sasrec.Settings{odd}, Seeds: []int64{1}},
		"short":     {Data: short, Grid: []sasrec.Settings{small()}, Seeds: []int64{1}},
	} {
		if _, err := sasrec.Run(t.Context(), job, use); !errors.Is(err, sasrec.ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := torch.Live(); after != before {
		t.Errorf("%d tensors were left behind", after-before)
	}
}

// TestBeauty trains on the real Beauty, which takes an hour on one thread; -beauty is the number of
// epochs (docs/log.md has the metrics).
func TestBeauty(t *testing.T) {
	if *beauty == 0 {
		t.Skip("takes an hour: go test ./internal/sasrec -run TestBeauty -v -timeout 3h -args -beauty 100")
	}
	project := filepath.Dir(filepath.Dir(golden.Data(t, "rdrec")))
	path := filepath.Join(project, "..", "shared", "data", "rdrec", "beauty")
	if _, err := os.Stat(path); err != nil {
		t.Skip("the paper's dataset \"beauty\" is absent (looked for ../shared/data/rdrec/beauty beside the project)")
	}
	d, err := dataset.Read(os.DirFS(path), "beauty")
	if err != nil {
		t.Fatal(err)
	}
	settings := sasrec.Settings{
		HiddenSize: *width, Blocks: 2, Heads: 2, MaxLength: 50, Dropout: *dropout,
		LearningRate: *rate, Batch: 128, Epochs: *beauty, Patience: 10,
	}
	job := sasrec.Job{Data: d, Grid: []sasrec.Settings{settings}, Seeds: []int64{1}, Threads: 1}
	job.Progress = func(p sasrec.Progress) {
		if p.Steps == 0 {
			t.Logf("after epoch %d: loss %.4f, best validation NDCG@10 %.4f", p.Epoch-1, p.Loss, p.Best)
		}
	}
	tuned, lists := trainJob(t, job)
	scores := metric.ScoreRankings(lists[1], true, 1)
	for _, score := range scores {
		t.Logf("%s %.4f (%d users)", score.Metric, score.Value, score.N)
	}
	row, _ := baseline.Find(baseline.Markov)
	if markov := ndcg(baseline.Sequential(baseline.Users(d, 0), row.Fit(d), 10)); ndcg(lists[1]) <= markov {
		t.Errorf("NDCG@10 %.4f does not beat Markov's %.4f; trained %+v", ndcg(lists[1]), markov, tuned.Trials)
	}
}
