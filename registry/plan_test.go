package registry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// planBucketOn returns a bucket with finished runs whose trainings took the seconds on a GPU, or on
// a CPU if its name is empty.
func planBucketOn(t *testing.T, gpu string, s spec.Spec, seconds ...float64) *storage.Bucket {
	t.Helper()
	b, err := storage.Open(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	for i, took := range seconds {
		record := registry.RunRecord{Spec: s, Stages: []registry.StageTime{
			{Name: "import", Stage: "import", Cached: i > 0, Seconds: 5},
			{
				Name: "pretrain rdrec/1", Stage: "pretrain", Seconds: took,
				Stats: storage.Stats{Units: 100, Unit: "steps", GPU: gpu},
			},
		}}
		data, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.PutRun(t.Context(), "shop", string(rune('a'+i)), storage.RunRecord, data); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// planBucket is [planBucketOn] for a CPU.
func planBucket(t *testing.T, s spec.Spec, seconds ...float64) *storage.Bucket {
	t.Helper()
	return planBucketOn(t, "", s, seconds...)
}

func planned(label, stage string) registry.PlannedStage {
	return registry.PlannedStage{StageRecord: storage.StageRecord{Stage: stage, Label: label}, GPU: stage == "pretrain"}
}

func TestEstimatesScaleMeasuredTimes(t *testing.T) {
	t.Parallel()
	base := spec.Default()
	base.Name, base.Data.Folder, base.Train.Epochs = "shop", "folder", 2
	longer, larger, limited := base, base, base
	longer.Train.Epochs = 6
	larger.Student.Size = "t5-base"
	unknown, elsewhere, half, copied := base, base, base, base
	unknown.Train.Epochs = 0
	elsewhere.Data.Folder, half.Train.Precision, copied.Teacher.Model = "other", spec.BFloat16, "copy"
	limited.Train.EpochSteps = 50 // of base, the steps of a whole epoch are unknown
	for name, c := range map[string]struct {
		now     spec.Spec
		seconds []float64
		want    registry.Estimate
		rows    int
	}{
		"no run":        {base, nil, registry.Estimate{}, 0},
		"one run":       {base, []float64{8}, registry.Estimate{Low: 6, High: 10, Runs: 1}, 100},
		"two runs":      {base, []float64{10, 20}, registry.Estimate{Low: 9, High: 22, Runs: 2}, 100},
		"three times":   {longer, []float64{10, 20}, registry.Estimate{Low: 27, High: 66, Runs: 2}, 300},
		"no epochs":     {unknown, []float64{10, 20}, registry.Estimate{Low: 9, High: 22, Runs: 2}, 100},
		"limited steps": {limited, []float64{10, 20}, registry.Estimate{}, 0},
		"other data":    {elsewhere, []float64{10, 20}, registry.Estimate{}, 0},
		"bfloat16":      {half, []float64{10, 20}, registry.Estimate{}, 0},
		"a teacher":     {copied, []float64{10, 20}, registry.Estimate{}, 0},
		"another model": {larger, []float64{10, 20}, registry.Estimate{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Another seed costs the same.
			stages := []registry.PlannedStage{planned("pretrain rdrec/7", "pretrain")}
			plan, err := registry.NewPlan(t.Context(), planBucket(t, base, c.seconds...), c.now, stages, false)
			if err != nil {
				t.Fatal(err)
			}
			near := cmpopts.EquateApprox(0, 1e-9)
			if diff := cmp.Diff(c.want, plan.Stages[0].Estimate, near); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(plan.Total, plan.GPU); diff != "" || plan.Stages[0].Rows != c.rows {
				t.Errorf("%d rows, want %d; %s", plan.Stages[0].Rows, c.rows, diff)
			}
			if unknown := plan.Unknown == 1; unknown != (c.want.Runs == 0) {
				t.Errorf("%d stages without a basis", plan.Unknown)
			}
		})
	}
}

// TestTotalHasTheSmallestBasis: the import was measured once, the training twice.
func TestTotalHasTheSmallestBasis(t *testing.T) {
	t.Parallel()
	s := spec.Default()
	s.Name, s.Data.Folder = "shop", "folder"
	stages := []registry.PlannedStage{planned("import", "import"), planned("pretrain rdrec/1", "pretrain")}
	plan, err := registry.NewPlan(t.Context(), planBucket(t, s, 10, 10), s, stages, true)
	if err != nil {
		t.Fatal(err)
	}
	near := cmpopts.EquateApprox(0, 1e-9)
	if diff := cmp.Diff(registry.Estimate{Low: 3.75 + 9, High: 6.25 + 11, Runs: 1}, plan.Total, near); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(registry.Estimate{Low: 9, High: 11, Runs: 2}, plan.GPU, near); diff != "" {
		t.Error(diff)
	}
	for _, row := range plan.Stages {
		if diff := cmp.Diff([]registry.Reason{{Change: registry.Forced}}, row.Why); diff != "" {
			t.Error(diff)
		}
	}
}

// TestRoomOfTheStagesThatRun leaves out what cached and absent stages take.
func TestRoomOfTheStagesThatRun(t *testing.T) {
	t.Parallel()
	cached := registry.PlanRow{Stage: "import", Cached: true}
	plan := registry.Plan{Stages: []registry.PlanRow{cached, {Stage: "pretrain"}, {Stage: "pretrain"}}}
	training := room.Need{Work: room.TrainingWork, What: room.Memory, Least: 1}
	plan.AddRoom([]room.Need{{Work: room.ImportWork, Least: 2}, {Work: room.DistillWork, Least: 3}, training})
	if diff := cmp.Diff([]room.Need{training}, plan.Room); diff != "" {
		t.Error(diff)
	}
}

// TestRoomOfAKnownDataset takes the sizes of the imported dataset, and those of the preprocessed
// one if that is in the bucket.
func TestRoomOfAKnownDataset(t *testing.T) {
	t.Parallel()
	b, _ := storagetest.OpenFolder(t)
	cached := func(name string, bytes int) registry.PlannedStage {
		stage := planned(name, name)
		stage.Cached = true
		stage.Output = storagetest.PutArtifact(t, b, map[string]string{"sequential.txt": strings.Repeat("1", bytes)})
		return stage
	}
	importing := room.Need{Work: room.ImportWork, What: room.Memory, Least: 1}
	estimated := []room.Need{importing, {Work: room.PreprocessWork, What: room.Memory, Expected: 7}}
	missing := cached("import", 6)
	missing.Output.Digest = strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		stages []registry.PlannedStage
		want   int64
	}{
		"not imported": {[]registry.PlannedStage{planned("import", "import")}, 7},
		"lost":         {[]registry.PlannedStage{missing}, 7},
		"imported":     {[]registry.PlannedStage{cached("import", 600)}, 2 * (3<<20 + 100*21)},
		"preprocessed": {
			[]registry.PlannedStage{cached("import", 6), cached("preprocess", 1200)}, 2 * (3<<20 + 200*21),
		},
	} {
		needs, err := registry.DatasetRoom(t.Context(), b, c.stages, estimated)
		if err != nil || len(needs) < 2 || needs[0] != importing || needs[1].Expected != c.want {
			t.Errorf("%s: %+v, %v", name, needs, err)
		}
	}
}

// TestGPUHoursAreThoseOfGPUs plans an import and a training, after runs on a GPU and on a CPU.
func TestGPUHoursAreThoseOfGPUs(t *testing.T) {
	t.Parallel()
	s := spec.Default()
	s.Name, s.Data.Folder = "shop", "folder"
	stages := []registry.PlannedStage{planned("import", "import"), planned("pretrain rdrec/1", "pretrain")}
	near := cmpopts.EquateApprox(0, 1e-9)
	for gpu, want := range map[string]registry.Estimate{"": {}, "cuda:0": {Low: 9, High: 11, Runs: 2}} {
		plan, err := registry.NewPlan(t.Context(), planBucketOn(t, gpu, s, 10, 10), s, stages, true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, plan.OnGPU, near); diff != "" {
			t.Errorf("on %q: %s", gpu, diff)
		}
	}
}

// TestSamplesCountWithoutOtherRuns plans a training after a run of a twentieth of its steps, and
// after a whole one besides.
func TestSamplesCountWithoutOtherRuns(t *testing.T) {
	t.Parallel()
	whole := spec.Default()
	whole.Name, whole.Data.Folder, whole.Train.Epochs, whole.Train.EpochSteps = "shop", "folder", 2, 100
	sample := whole
	sample.Name, sample.Train.Epochs, sample.Train.EpochSteps = "shop-sample", 1, 10
	b := planBucket(t, whole)
	near := cmpopts.EquateApprox(0, 1e-9)
	for _, c := range []struct {
		run     spec.Spec
		seconds float64
		stats   storage.Stats
		want    registry.Estimate
	}{
		{sample, 2, storage.Stats{}, registry.Estimate{Low: 20, High: 60, Runs: 1}},
		// 10 steps at 8 a second leave 0.75 s for the start.
		{sample, 2, storage.Stats{Units: 10, Rate: 8}, registry.Estimate{Low: 12.875, High: 38.625, Runs: 1}},
		{whole, 24, storage.Stats{}, registry.Estimate{Low: 18, High: 30, Runs: 1}},
	} {
		record := registry.RunRecord{Spec: c.run, Stages: []registry.StageTime{{
			Name: "pretrain rdrec/1", Stage: "pretrain", Seconds: c.seconds, Stats: c.stats,
		}}}
		data, err := json.Marshal(record)
		if err == nil {
			err = b.PutRun(t.Context(), c.run.Name, "a", storage.RunRecord, data)
		}
		if err != nil {
			t.Fatal(err)
		}
		stages := []registry.PlannedStage{planned("pretrain rdrec/1", "pretrain")}
		plan, err := registry.NewPlan(t.Context(), b, whole, stages, false)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, plan.Stages[0].Estimate, near); diff != "" {
			t.Errorf("after the run of %s: %s", c.run.Name, diff)
		}
	}
}

// TestReasonsOfAPlan has a stage of its own reasons, one that waits for it, and one that waits and
// changed itself.
func TestReasonsOfAPlan(t *testing.T) {
	t.Parallel()
	s := spec.Default()
	s.Name, s.Data.Folder = "shop", "folder"
	waits := planned("preprocess", "preprocess")
	waits.After = []string{"import"}
	stages := []registry.PlannedStage{planned("import", "import"), waits}
	plan, err := registry.NewPlan(t.Context(), planBucket(t, s), s, stages, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]registry.Reason{{{Change: registry.NeverDone}}, {{registry.StageRuns, "import"}}} {
		if diff := cmp.Diff(want, plan.Stages[i].Why); diff != "" {
			t.Errorf("%s (-want +got):\n%s", plan.Stages[i].Label, diff)
		}
	}
}

// TestDiffJSONNeedsTwoObjects compares settings of which one cannot be read.
func TestDiffJSONNeedsTwoObjects(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{`{"a": 1}`, "{"}, {"{", `{"a": 1}`}} {
		if got := registry.DiffJSON(c[0], c[1]); got != nil {
			t.Errorf("%s and %s differ in %q", c[0], c[1], got)
		}
	}
	if diff := cmp.Diff([]string{"a 1 → 2"}, registry.DiffJSON(`{"a": 1}`, `{"a": 2}`)); diff != "" {
		t.Error(diff)
	}
}

// TestEstimatesScaleBatchesAndRationales plans twice the rows in a batch, all explanations
// after half of them, and three times the epochs of SASRec, which took 20, 10 and 40 seconds.
// Rationales of earlier runs cost nothing.
func TestEstimatesScaleBatchesAndRationales(t *testing.T) {
	t.Parallel()
	before := spec.Default()
	before.Name, before.Data.Folder, before.Teacher.MaxReviews = "shop", "folder", 50
	before.Train.EpochSteps, before.Train.Batch = 10, 32
	now := before
	now.Train.Batch, now.Teacher.MaxReviews, now.Sasrec.Epochs = 64, 0, 3*before.Sasrec.Epochs
	record := registry.RunRecord{Spec: before, Stages: []registry.StageTime{
		{Name: "import", Stage: "import", Seconds: 1, Stats: storage.Stats{Units: 100}},
		{Name: "distill", Stage: "distill", Seconds: 10},
		{Name: "pretrain rdrec/1", Stage: "pretrain", Seconds: 20},
		{Name: "sasrec", Stage: spec.SASRec, Seconds: 40},
	}}
	b := planBucket(t, before)
	data, err := json.Marshal(record)
	if err == nil {
		err = b.PutRun(t.Context(), "shop", "a", storage.RunRecord, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	stages := []registry.PlannedStage{
		planned("distill", "distill"), planned("pretrain rdrec/1", "pretrain"), planned("sasrec", spec.SASRec),
	}
	plan, err := registry.NewPlan(t.Context(), b, now, stages, false)
	if err != nil {
		t.Fatal(err)
	}
	near := cmpopts.EquateApprox(0, 1e-9)
	for i, want := range []registry.Estimate{
		{Low: 0, High: 25, Runs: 1}, {Low: 30, High: 50, Runs: 1}, {Low: 90, High: 150, Runs: 1},
	} {
		if diff := cmp.Diff(want, plan.Stages[i].Estimate, near); diff != "" {
			t.Errorf("%s: %s", plan.Stages[i].Label, diff)
		}
	}
}
