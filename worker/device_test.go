package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdk "go.temporal.io/sdk/worker"

	"rdrec/activities"
	"rdrec/internal/exitcode"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// deadStudents fail as libtorch does on a device whose context is destroyed.
type deadStudents struct {
	activities.Students
	message string
}

func (d deadStudents) Recommend(context.Context, activities.RecommendJob) ([]prediction.Prediction, error) {
	return nil, &torch.Error{Op: "index_select", Message: d.message}
}

// TestALostDeviceStopsTheWorker injects errors of CUDA into an evaluation: one that destroys the
// context, and one that does not.
func TestALostDeviceStopsTheWorker(t *testing.T) {
	for message, want := range map[string]string{
		"CUDA error: device-side assert triggered": "the device is lost to this process: ",
		"CUDA error: invalid argument":             "",
	} {
		e := newGateEnv(t, shop(8))
		acts := *e.acts
		acts.Students = deadStudents{message: message}
		fatal := make(chan error, 1)
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		stop := []interceptor.WorkerInterceptor{&deviceInterceptor{fatal: fatal}}
		env.SetWorkerOptions(sdk.Options{Interceptors: stop})
		env.RegisterActivity(&acts)
		in := activities.EvaluateInput{Preprocessed: e.data, Model: e.data, Task: task.Sequential}
		for range 2 { // the second one finds the channel full
			_, err := env.ExecuteActivity(acts.Evaluate, in)
			var failed *temporal.ApplicationError
			if !errors.As(err, &failed) || failed.NonRetryable() || !strings.Contains(err.Error(), message) {
				t.Errorf("the activity: %v; want an error to retry", err)
			}
		}
		select {
		case err := <-fatal:
			if want == "" || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), message) {
				t.Errorf("the worker stops: %v", err)
			}
			if found := row(err); found.code != exitcode.DeviceLost || found.hint == "" {
				t.Errorf("exit code %d, hint %q", found.code, found.hint)
			}
		default:
			if want != "" {
				t.Errorf("%q: the worker goes on", message)
			}
		}
	}
}

// TestADamagedModelIsFinal evaluates with model folders that no worker can read, and trains from
// one.
func TestADamagedModelIsFinal(t *testing.T) {
	e := newGateEnv(t, shop(8))
	method, protocol := e.method()
	for name, files := range map[string]map[string]string{
		"no files":            {},
		"no weights":          {"config.json": `{"d_model": 64, "d_kv": 16, "d_ff": 128}`},
		"torn configuration":  {"config.json": "{"},
		"truncated weights":   {"config.json": "{}", "model.safetensors": "\x10\x00\x00\x00\x00\x00\x00\x00{}"},
		"weights of no model": {"config.json": "{}", "model.safetensors": "\x02\x00\x00\x00\x00\x00\x00\x00{}"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "model")
			if err := os.MkdirAll(dir, 0o750); err != nil {
				t.Fatal(err)
			}
			for file, text := range files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			data := filepath.Join(t.TempDir(), "data")
			if err := e.acts.Bucket.GetFolder(t.Context(), e.data, data); err != nil {
				t.Fatal(err)
			}
			s := newStudents("cpu", 1, time.Now)
			_, err := s.Recommend(t.Context(), activities.RecommendJob{
				EvaluateInput: activities.EvaluateInput{
					Task: task.Sequential, Protocol: protocol, Method: method.Name, Evaluate: e.spec.Evaluate,
				},
				Data: data, Model: dir, Progress: func(int, int) {},
			})
			if !errors.Is(err, activities.ErrData) {
				t.Errorf("evaluating: %v", err)
			}
			job := activities.TrainJob{PretrainInput: activities.PretrainInput{
				Method: method.Name, Protocol: protocol, Student: e.spec.Student, Train: e.spec.Train, Seed: 1,
			}, Data: data, Out: filepath.Join(t.TempDir(), "out"), Scratch: t.TempDir()}
			job.Student.Pretrained = dir
			if err := s.Train(t.Context(), job); !errors.Is(err, activities.ErrData) {
				t.Errorf("training: %v", err)
			}
			_, _, err = teachers{device: "cpu", threads: 1}.Open(t.Context(), spec.Teacher{Model: "hf:" + dir})
			if !errors.Is(err, activities.ErrInvalid) {
				t.Errorf("the teacher: %v", err)
			}
		})
	}
}
