package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/testsuite"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// wreckSpec trains for a few seconds, on the ranking that the gate compares.
const wreckSpec = `
name: shop
data: {reviews: {format: amazon-2018}, negatives: 9}
protocol: clean
methods: [pod]
baselines: [popularity]
teacher: {model: copy}
student: {size: t5-tiny}
train:
  {batch: 16, ratio: {explanation: 0, sequential: 1, rationale: 0, topn: 0}, learning_rate: 0.003, epochs: 1,
  epoch_steps: 150, validation_rows: 8, checkpoint_steps: 1000}
evaluate: {batch: 60, topn_users: -1, explanations: -1, num_beams: 10, num_return_sequences: 10}
nightly: {inbox: inbox/}
`

// shop has four tastes of nine items each, whose ids start with the same digit. Each user has seen
// some items of one taste, so that the next item is another one of it.
func shop(users int) *dataset.Dataset {
	random := rand.New(rand.NewPCG(1, 2))
	d := &dataset.Dataset{Name: "shop", Items: 39}
	for item := range d.Items {
		d.ItemIDs = append(d.ItemIDs, fmt.Sprint("item ", item+1))
	}
	for id := 1; id <= users; id++ {
		user := dataset.User{ID: id}
		for _, k := range random.Perm(9)[:7] {
			user.Items = append(user.Items, id%4*10+k+1)
		}
		d.Users, d.UserIDs = append(d.Users, user), append(d.UserIDs, fmt.Sprint("user ", id))
		text := dataset.Explanation{User: id, Item: user.Items[0], Explanation: "soft and clean", Feature: "soft"}
		d.Explanations.Train = append(d.Explanations.Train, text)
	}
	return d
}

// shuffled returns the dataset with the training items permuted between the users.
func shuffled(d *dataset.Dataset) *dataset.Dataset {
	random := rand.New(rand.NewPCG(3, 4))
	changed := *d
	changed.Users = nil
	for _, user := range d.Users {
		user.Items = append([]int{}, user.Items...)
		changed.Users = append(changed.Users, user)
	}
	for range 100 * len(d.Users) {
		a, b := changed.Users[random.IntN(len(d.Users))].Items, changed.Users[random.IntN(len(d.Users))].Items
		i, j := random.IntN(5), random.IntN(5)
		a[i], b[j] = b[j], a[i]
	}
	return &changed
}

// gateEnv does the steps of a nightly run, with real students.
type gateEnv struct {
	t    *testing.T
	acts *activities.Activities
	spec spec.Spec
	// items is the number of items, data the shop's dataset, ranked its baselines.
	items        int
	data, ranked storage.Ref
}

// do runs an activity.
func do[Out any](e *gateEnv, activity, in any) (out Out) {
	e.t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetDisableRegistrationAliasing(true)
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute)
	env.RegisterActivity(e.acts)
	value, err := env.ExecuteActivity(activity, in)
	if err == nil {
		err = value.Get(&out)
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

// preprocess stores a dataset as a stage would.
func (e *gateEnv) preprocess(d *dataset.Dataset) storage.Ref {
	e.t.Helper()
	dir := filepath.Join(e.t.TempDir(), "dataset")
	if err := dataset.Write(dir, d); err != nil {
		e.t.Fatal(err)
	}
	ref, err := e.acts.Bucket.PutFolder(e.t.Context(), "dataset", dir)
	if err != nil {
		e.t.Fatal(err)
	}
	return do[storage.Ref](e, e.acts.Preprocess, activities.PreprocessInput{
		Dataset: ref, Negatives: e.spec.Data.Negatives, Seed: 1,
	})
}

// student trains a student on the data and evaluates it on the shop.
func (e *gateEnv) student(data storage.Ref, change func(*spec.Train)) []storage.Ref {
	e.t.Helper()
	settings := e.spec.Train
	change(&settings)
	method, protocol := e.method()
	model := do[storage.Ref](e, e.acts.Pretrain, activities.PretrainInput{
		Preprocessed: data, Protocol: protocol.ForTraining(method, settings.Ratio), Method: method.Name,
		Student: e.spec.Student, Train: settings, Negatives: e.spec.Data.Negatives, Seed: 1,
		Fingerprint: storage.Digest([]byte(fmt.Sprint(data, settings))),
	})
	return []storage.Ref{do[storage.Ref](e, e.acts.Evaluate, activities.EvaluateInput{
		Preprocessed: e.data, Model: model, Task: task.Sequential, Protocol: protocol.ForRankings(),
		Method: method.Name, Evaluate: e.spec.Evaluate, Seed: 1,
	})}
}

func (e *gateEnv) method() (spec.Method, spec.Protocol) {
	e.t.Helper()
	method, err := spec.MethodNamed(e.spec.Methods[0])
	if err != nil {
		e.t.Fatal(err)
	}
	protocol, err := e.spec.Resolve()
	if err != nil {
		e.t.Fatal(err)
	}
	return method, protocol
}

// newGateEnv returns the environment of the shop.
func newGateEnv(t *testing.T, d *dataset.Dataset) *gateEnv {
	t.Helper()
	s, err := spec.Parse("wreck.yaml", []byte(wreckSpec), nil)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := storage.Open(t.Context(), "file://"+filepath.Join(t.TempDir(), "bucket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bucket.Close(); err != nil {
			t.Error(err)
		}
	})
	e := &gateEnv{t: t, spec: s, items: d.Items, acts: &activities.Activities{
		Bucket: bucket, Students: newStudents("cpu", 2, time.Now), Scratch: t.TempDir(), Log: zerolog.Nop(),
		Now: time.Now,
	}}
	e.data = e.preprocess(d)
	e.ranked = do[storage.Ref](e, e.acts.RankBaselines, activities.RankBaselinesInput{
		Preprocessed: e.data, Evaluate: s.Evaluate,
	})
	return e
}

// decide lets the gate decide with its defaults.
func (e *gateEnv) decide(candidate, current []storage.Ref) activities.CompareModelsResult {
	e.t.Helper()
	return do[activities.CompareModelsResult](e, e.acts.CompareModels, activities.CompareModelsInput{
		Gate: e.spec.Nightly.Gate, Items: e.items, Strict: true, Seed: 1, New: candidate, Old: current,
		Baselines: e.ranked,
	})
}

// TestWrecksAreRejected trains a good student and three wrecks. The gate accepts the good one as
// the first model and beside itself. It rejects each wreck, as the first model and beside the good
// one.
func TestWrecksAreRejected(t *testing.T) {
	d := shop(60)
	e := newGateEnv(t, d)
	good := e.student(e.data, func(*spec.Train) {})
	for name, current := range map[string][]storage.Ref{"first": nil, "in use already": good} {
		if out := e.decide(good, current); len(out.Reasons) > 0 {
			t.Fatalf("the good student, %s, is rejected: %q", name, out.Reasons)
		}
	}
	for name, c := range map[string]struct {
		data   storage.Ref
		change func(*spec.Train)
	}{
		"learning rate 1":     {e.data, func(t *spec.Train) { t.LearningRate, t.EpochSteps = 1, 20 }},
		"shuffled labels":     {e.preprocess(shuffled(d)), func(t *spec.Train) { t.EpochSteps = 60 }},
		"an epoch of nothing": {e.data, func(t *spec.Train) { t.EpochSteps = 1 }},
	} {
		wreck := e.student(c.data, c.change)
		beside, first := e.decide(wreck, good), e.decide(wreck, nil)
		t.Logf("%s: %s; %s; as the first model: %s", name, beside.Comparison.Change(),
			strings.Join(beside.Reasons, "; "), strings.Join(first.Reasons, "; "))
		if len(first.Reasons) == 0 || len(beside.Reasons) == 0 || beside.Comparison.P < 0.5 {
			t.Errorf("%s: rejected for %q, and as the first model for %q", name, beside.Reasons, first.Reasons)
		}
	}
}
