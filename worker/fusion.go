package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"rdrec/activities"
	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/fusion"
	"rdrec/internal/prediction"
	"rdrec/internal/sasrec"
	"rdrec/internal/spec"
	"rdrec/internal/torch"
)

// Fuse fits a mix, or reads an earlier one, and ranks the test users with it.
func (s students) Fuse(ctx context.Context, job activities.FuseJob) (ranked activities.FusedRankings, err error) {
	data, err := s.data.read(job.Preprocessed.Digest, job.Data, dataset.Titles)
	if err != nil {
		return ranked, err
	}
	open := recommenders{device: s.device, threads: s.threads}
	student, err := open.student(activities.RecommenderJob{
		Method: job.Method, Evaluate: job.Evaluate, Data: data, Model: job.Model,
	})
	if err != nil {
		return ranked, err
	}
	defer student.Close()
	names, folders := job.Fusion.Parts, job.Baselines
	var fitted fusion.Fitted
	if job.Earlier != "" {
		if fitted, err = readFusion(job.Earlier); err != nil {
			return ranked, err
		}
		names, folders = fitted.Mix.Parts, trainedParts(job.Earlier, fitted.Mix)
		fitted.Without = nil // only the new fusion's parts are measured
	}
	parts, err := open.parts(names, data, student, folders)
	if err != nil {
		return ranked, err
	}
	defer parts.free()
	if job.Earlier == "" {
		fitted, err = fusion.Fit(ctx, parts.all, data.Users, fusion.Settings{
			Candidates: job.Fusion.Candidates, Users: job.Fusion.Users, Groups: job.Fusion.Groups,
		}, job.Progress)
		if errors.Is(err, fusion.ErrTooFew) {
			return ranked, fmt.Errorf("%w: %w", activities.ErrData, err)
		}
		if err != nil {
			return ranked, err
		}
	}
	if err := writeFusion(job.Out, fitted, folders); err != nil {
		return ranked, err
	}
	return rankFused(ctx, fitted.Mix.Select(parts.all), fitted, data, job)
}

// rankFused ranks for the test users with the mix, and with those that lack a part.
func rankFused(
	ctx context.Context, parts []fusion.Part, fitted fusion.Fitted, data *dataset.Dataset, job activities.FuseJob,
) (ranked activities.FusedRankings, err error) {
	users := baseline.Users(data, job.Evaluate.SequentialUsers)
	asked := make([]dataset.User, len(users))
	for i, user := range users {
		asked[i] = dataset.User{ID: user.ID, Items: user.History()}
	}
	all, err := fitted.RankAll(ctx, parts, asked, job.Evaluate.NumReturnSequences, job.Progress)
	if err != nil {
		return ranked, err
	}
	for _, rows := range all {
		for i := range rows {
			rows[i].Truth = users[i].TestItem()
		}
	}
	ranked.Mixed, ranked.Without = all[0], map[string][]prediction.Prediction{}
	for i, rows := range all[1:] {
		ranked.Without[fitted.Mix.Parts[i]] = rows
	}
	return ranked, nil
}

// mixParts are the parts of a mix that are in memory.
type mixParts struct {
	all  []fusion.Part
	free func()
}

// The floors of scores: logarithms of a probability that is as good as none, and of a count of 0.
const (
	noProbability = -20
	countOffset   = 0.02
)

// parts returns the named parts of a mix with a student; folders has the models of the baselines
// that are trained.
func (a recommenders) parts(
	names []string, data *dataset.Dataset, student *loadedStudent, folders map[string]string,
) (parts mixParts, err error) {
	var models []*sasrec.Model
	parts.free = func() {
		for _, model := range models {
			model.Free()
		}
	}
	device, err := torch.ParseDevice(a.device)
	if err != nil {
		return parts, err
	}
	for _, name := range names {
		part := fusion.Part{Name: name, Floor: noProbability}
		row, known := baseline.Find(name)
		switch {
		case name == spec.PartSearch:
			part.Recommend = student.search
		case name == spec.PartItemHead && student.model.ItemHead:
			part.Recommend = student.head
		case known && spec.IsTrained(name):
			model, err := sasrec.Load(folders[name], device)
			if err != nil {
				parts.free()
				return parts, fmt.Errorf("%w: part %q of the fusion: %w", activities.ErrData, name, err)
			}
			models = append(models, model)
			part.Recommend = model.Recommend
		case known:
			part.Floor, part.Recommend = math.Log(countOffset), counted(row.FitScorer(data))
		default:
			parts.free()
			return parts, fmt.Errorf("%w: the student has no part %q of the fusion", activities.ErrInvalid, name)
		}
		parts.all = append(parts.all, part)
	}
	return parts, nil
}

// counted returns the recommendations of a baseline that counts, with the logarithms of its scores.
func counted(score baseline.Scorer) func(context.Context, []dataset.User, int) ([]prediction.Prediction, error) {
	return func(ctx context.Context, users []dataset.User, k int) ([]prediction.Prediction, error) {
		all := make([]prediction.Prediction, len(users))
		for i, user := range users {
			items, scores := score(baseline.Query{History: user.Items, K: k})
			for j := range scores {
				scores[j] = math.Log(scores[j] + countOffset)
			}
			all[i] = prediction.Prediction{User: user.ID, Items: items, Scores: scores}
		}
		return all, ctx.Err()
	}
}

// search recommends by the student's search, which finds no more items than it has beams.
func (a *loadedStudent) search(ctx context.Context, users []dataset.User, k int) ([]prediction.Prediction, error) {
	return a.Recommender.Recommend(ctx, users, min(k, a.beams), nil)
}

// head recommends by the student's item head.
func (a *loadedStudent) head(ctx context.Context, users []dataset.User, k int) ([]prediction.Prediction, error) {
	return a.RecommendByHead(ctx, users, k, nil)
}

// readFusion reads the weights of a fusion's folder.
func readFusion(dir string) (fitted fusion.Fitted, err error) {
	text, err := os.ReadFile(filepath.Join(dir, activities.FusionFile)) //nolint:gosec // just fetched
	if err != nil {
		return fitted, fmt.Errorf("read the fusion: %w", err)
	}
	if err = json.Unmarshal(text, &fitted); err == nil {
		err = fitted.Mix.Check()
	}
	if err != nil {
		return fitted, fmt.Errorf("read %s: %w: %w", activities.FusionFile, activities.ErrData, err)
	}
	return fitted, nil
}

// trainedParts returns the folders of the trained baselines of a mix.
func trainedParts(dir string, mix fusion.Mix) map[string]string {
	folders := map[string]string{}
	for _, part := range mix.Parts {
		if spec.IsTrained(part) {
			folders[part] = filepath.Join(dir, part)
		}
	}
	return folders
}

// writeFusion writes the weights, and copies the models of the trained baselines that take part.
func writeFusion(dir string, fitted fusion.Fitted, folders map[string]string) error {
	text, err := json.MarshalIndent(fitted, "", " ")
	if err != nil {
		return fmt.Errorf("encode the fusion: %w", err)
	}
	for name, folder := range folders {
		if !slices.Contains(fitted.Mix.Parts, name) {
			continue
		}
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(folder)); err != nil {
			return fmt.Errorf("copy the model of %s: %w", name, err)
		}
	}
	return os.WriteFile(filepath.Join(dir, activities.FusionFile), append(text, '\n'), 0o600)
}

// fusedStudent recommends by a mix, and explains by the student.
type fusedStudent struct {
	*loadedStudent
	mix  fusion.Recommender
	free func()
}

// fuse returns a student that recommends by the mix of a fusion's folder.
func (a recommenders) fuse(student *loadedStudent, data *dataset.Dataset, dir string) (*fusedStudent, error) {
	fitted, err := readFusion(dir)
	if err != nil {
		return nil, err
	}
	parts, err := a.parts(fitted.Mix.Parts, data, student, trainedParts(dir, fitted.Mix))
	if err != nil {
		return nil, err
	}
	return &fusedStudent{student, fusion.Recommender{Parts: parts.all, Mix: fitted.Mix}, parts.free}, nil
}

// Recommend recommends by the mix.
func (a *fusedStudent) Recommend(
	ctx context.Context, users []dataset.User, k int, progress func(done, total int),
) ([]prediction.Prediction, error) {
	return a.mix.Recommend(ctx, users, k, progress)
}

// Close frees the student and the parts.
func (a *fusedStudent) Close() {
	a.free()
	a.loadedStudent.Close()
}
