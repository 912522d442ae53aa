package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
	"weak"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/progress"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
	"rdrec/internal/train"
)

// students trains and evaluates T5 students on libtorch.
type students struct {
	device  string
	threads int
	now     func() time.Time
	data    *datasetCache
}

// newStudents returns the students of a device.
func newStudents(device string, threads int, now func() time.Time) students {
	return students{device, threads, now, &datasetCache{}}
}

// CheckPretrained returns an error if a folder cannot start a student. It reads no weights, but
// their names and shapes.
func (students) CheckPretrained(dir string) error {
	err := t5.CheckPretrained(dir)
	if errors.Is(err, t5.ErrModel) {
		return fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	return err
}

// Train trains a student and writes its Hugging Face folder, with training.json, to job.Out.
func (s students) Train(ctx context.Context, job activities.TrainJob) error {
	training, err := s.training(job)
	if err != nil {
		return err
	}
	training.Save = func(ctx context.Context, c train.Checkpoint) error { return job.Save(ctx, c.Step, c.Dir) }
	training.Progress = func(p train.Progress) { job.Progress(progressOf(p)) }
	if job.Train.Processes > 1 {
		working, parallel, end, err := s.parallel(ctx, job)
		if err != nil {
			return err
		}
		defer end()
		ctx, training.Parallel = working, parallel
	}
	result, err := train.Run(ctx, training)
	if errors.Is(err, train.ErrStopped) {
		return fmt.Errorf("%w: %w", activities.ErrDrained, err)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil { // a lost process
		return errors.Join(cause, modelError(err))
	}
	if err != nil {
		return modelError(err)
	}
	if err := writeRecord(result.Dir, result.TrainingRecord); err != nil {
		return err
	}
	return os.Rename(result.Dir, job.Out)
}

// training returns the training of a job.
func (s students) training(job activities.TrainJob) (train.Job, error) {
	method, err := spec.MethodNamed(job.Method)
	if err != nil {
		return train.Job{}, fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	method = method.Trained(job.Train.Ratio)
	data, err := s.data.read(job.Preprocessed.Digest, job.Data, partsToTrain(method))
	if err != nil {
		return train.Job{}, err
	}
	return train.Job{
		Data: data, Method: method, Protocol: job.Protocol, Seed: job.Seed, Device: s.device,
		Threads: s.threadsEach(job.Train.Processes),
		Spec: spec.Spec{
			Seed: job.Seed, Student: job.Student, Train: job.Train, Data: spec.Data{Negatives: job.Negatives},
		},
		Dir: job.Scratch, Resume: job.Resume, Stop: job.Stop, Now: s.now,
	}, nil
}

// threadsEach divides the threads among the processes of a training.
func (s students) threadsEach(processes int) int {
	if processes <= 1 {
		return s.threads
	}
	return max(1, s.threads/processes)
}

// partsToTrain are the parts of a dataset that a method trains on.
func partsToTrain(method spec.Method) dataset.Part {
	if method.Explanation || method.Rationale {
		return dataset.Explanations
	}
	return 0
}

// partsToEvaluate are the parts of a dataset that a task is evaluated on.
func partsToEvaluate(t task.Task) dataset.Part {
	switch t {
	case task.Sequential:
		return 0
	case task.TopN:
		return dataset.Negatives
	default:
		return dataset.Explanations
	}
}

// modelError makes an unusable model final: no worker can read it.
func modelError(err error) error {
	if errors.Is(err, t5.ErrModel) || errors.Is(err, token.ErrTokenizer) {
		return fmt.Errorf("%w: %w", activities.ErrData, err)
	}
	return err
}

func progressOf(p train.Progress) activities.Progress {
	note := fmt.Sprintf("epoch %d/%d, loss %.4f", p.Epoch, p.Epochs, p.Loss)
	if p.Validating {
		note = fmt.Sprintf("epoch %d/%d, validating", p.Epoch, p.Epochs)
	} else if p.SamplesPerSecond > 0 {
		note += fmt.Sprintf(", %.0f samples/s", p.SamplesPerSecond)
	}
	return activities.Progress{
		Progress: progress.Progress{Done: p.Step, Total: p.Steps, Unit: "steps"}, Loss: p.Loss, Note: note,
	}
}

// writeRecord writes the record of a training run beside the weights.
func writeRecord(dir string, record prediction.TrainingRecord) error {
	data, err := json.MarshalIndent(record, "", " ")
	if err != nil {
		return fmt.Errorf("encode training record: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, prediction.TrainingRecordFile), append(data, '\n'), 0o600)
}

// datasetCache remembers the last dataset as long as it is in memory anyway: the shards of an
// evaluation or an export follow each other within seconds. It takes no memory of its own. What it
// returns is shared and must not be changed.
type datasetCache struct {
	mutex  sync.Mutex
	digest string
	parts  dataset.Part
	last   weak.Pointer[dataset.Dataset]
}

// read returns at least these parts of the dataset with a digest, which is in a folder. Without a
// digest it is always read.
func (c *datasetCache) read(digest, dir string, parts dataset.Part) (*dataset.Dataset, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if data := c.last.Value(); data != nil && digest != "" && c.digest == digest && parts&^c.parts == 0 {
		return data, nil
	}
	data, err := readData(dir, parts)
	if err == nil {
		c.digest, c.parts, c.last = digest, parts, weak.Make(data)
	}
	return data, err
}

func readData(dir string, parts dataset.Part) (*dataset.Dataset, error) {
	data, err := dataset.ReadParts(os.DirFS(dir), "dataset", parts)
	if err != nil {
		return nil, fmt.Errorf("read examples: %w: %w", activities.ErrData, err)
	}
	return data, nil
}

// Recommend ranks items for the test users of a sequential or top-N job.
func (s students) Recommend(
	ctx context.Context, job activities.RecommendJob,
) (predictions []prediction.Prediction, err error) {
	if job.Head {
		config, err := t5.ReadConfig(job.Model)
		if err != nil || !config.ItemHead {
			return nil, err
		}
	}
	rank := recommend.Sequential
	switch {
	case job.Head:
		rank = recommend.SequentialByHead
	case job.Task == task.TopN:
		rank = recommend.TopN
	}
	err = s.withStudent(job, func(r recommend.Job) (err error) {
		predictions, err = rank(ctx, r)
		return err
	})
	return predictions, err
}

// Explain generates the explanations of the test records.
func (s students) Explain(ctx context.Context, job activities.RecommendJob) (texts []prediction.Text, err error) {
	err = s.withStudent(job, func(r recommend.Job) (err error) {
		texts, err = recommend.Explain(ctx, r)
		return err
	})
	return texts, err
}

// withStudent loads the student and calls f with the job for it.
func (s students) withStudent(job activities.RecommendJob, f func(recommend.Job) error) error {
	data, err := s.data.read(job.Preprocessed.Digest, job.Data, partsToEvaluate(job.Task))
	if err != nil {
		return err
	}
	settings, err := settingsOf(job, data)
	if err != nil {
		return err
	}
	tokenizer, err := token.OpenStudent(job.Model)
	if err != nil {
		return modelError(err)
	}
	device, err := torch.ParseDevice(s.device)
	if err != nil {
		return err
	}
	return torch.Run(func(*torch.Scope) error {
		torch.Threads(s.threads)
		model, err := t5.Load(job.Model, device)
		if err != nil {
			return modelError(err)
		}
		defer model.Free()
		if err := useItems(model, data); err != nil {
			return err
		}
		return f(recommend.Job{
			Model: model, Tokenizer: tokenizer, Data: data, Settings: settings, Evaluate: job.Evaluate,
			Seed: job.Seed, Shard: job.Shard, Shards: job.Shards, Progress: job.Progress,
		})
	})
}

// useItems gives a model the codes of the data's items, if they have some.
func useItems(model *t5.Model, data *dataset.Dataset) error {
	if data.Codes == nil || model.ItemCodes == 0 { // a model of ids stays one
		return nil
	}
	if err := model.UseItems(data.Codes); err != nil {
		return fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	return nil
}

func settingsOf(job activities.RecommendJob, data *dataset.Dataset) (task.Settings, error) {
	method, err := spec.MethodNamed(job.Method)
	if err != nil {
		return task.Settings{}, fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	return task.Settings{Method: method, Protocol: job.Protocol, Negatives: data.Stats().Negatives}, nil
}
