package activities

import (
	"context"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"

	"rdrec/internal/dataset"
	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// DistillInput names the explanations to distill and the teacher.
type DistillInput struct {
	Dataset storage.Ref  `json:"dataset"`
	Teacher spec.Teacher `json:"teacher"`
	// Weights is the digest of the teacher's weights.
	Weights string `json:"weights"`
	// HeldOut excludes the explanations of validation and test pairs.
	HeldOut bool `json:"held_out"`
	// Nonce, where set, requests every row again and stores the rows apart from those of earlier
	// distillations.
	Nonce string `json:"nonce,omitempty"`
	// Sample, where not 0, is how many explanations are distilled for people to read, sampled
	// evenly.
	Sample int `json:"sample,omitempty"`
}

// store returns the stored rationales of the input's teacher.
func (in *DistillInput) store(b *storage.Bucket) storage.Rationales[teacher.Rationale] {
	name := teacher.Fingerprint(in.Teacher, in.Weights)
	if in.Nonce != "" {
		name = storage.Digest([]byte(name + " nocache " + in.Nonce))
	}
	return storage.OpenRationales[teacher.Rationale](b, name)
}

// requests returns the distinct texts to distill, in training order and bounded by the settings,
// and the number of distinct texts in the dataset.
func (a *Activities) requests(ctx context.Context, in DistillInput, dir string) ([]teacher.Request, int, error) {
	folder := filepath.Join(dir, "dataset")
	if _, err := a.readDatasetParts(ctx, in.Dataset, folder, 0); err != nil {
		return nil, 0, err
	}
	progress.Step(ctx, "read the explanations")
	limit := in.Teacher.MaxReviews
	if limit <= 0 {
		limit = math.MaxInt
	}
	stream := dataset.StreamExplanations(os.DirFS(folder))
	defer stream.Close()
	requests, all, err := distinctTexts(stream, in.HeldOut, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("read dataset %s: %w: %w", in.Dataset.Digest, ErrData, err)
	}
	if in.Sample > 0 {
		var sample []teacher.Request
		for _, index := range dataset.SampleEvenly(len(requests), in.Sample) {
			sample = append(sample, requests[index])
		}
		requests = sample
	}
	return requests, all, nil
}

// distinctTexts returns the first distinct texts of a dataset that have no rationale in it, in
// training order, and the number of all.
func distinctTexts(
	stream *dataset.ExplanationStream, heldOut bool, limit int,
) (requests []teacher.Request, all int, err error) {
	if stream == nil {
		return nil, 0, nil
	}
	splits := []iter.Seq2[dataset.Explanation, error]{stream.Train()}
	if !heldOut {
		splits = append(splits, stream.Val(), stream.Test())
	}
	seen := map[string]bool{} // ids, which take less memory than texts
	for _, split := range splits {
		for e, err := range split {
			if err != nil {
				return nil, 0, err
			}
			id := storage.Digest([]byte(e.Explanation))[:32]
			if e.HasRationale() || seen[id] {
				continue
			}
			seen[id] = true
			if all++; all <= limit {
				requests = append(requests, teacher.Request{ID: id, Text: e.Explanation})
			}
		}
	}
	return requests, all, nil
}

// rationaleSet is finished rows by the ids of their requests.
type rationaleSet map[string]teacher.Rationale

// storedRationales returns the rows in the bucket that belong to the requests.
func storedRationales(
	ctx context.Context, store storage.Rationales[teacher.Rationale], requests []teacher.Request,
) (rationaleSet, error) {
	rows, err := store.Load(ctx)
	if err != nil {
		return nil, err
	}
	asked := make(map[string]bool, len(requests))
	for _, r := range requests {
		asked[r.ID] = true
	}
	done := make(rationaleSet, len(rows))
	for _, row := range rows {
		if asked[row.ID] {
			done[row.ID] = row
		}
	}
	return done, nil
}

// inOrder returns the finished rows in the order of the requests.
func (done rationaleSet) inOrder(requests []teacher.Request) []teacher.Rationale {
	rows := make([]teacher.Rationale, 0, len(requests))
	for _, r := range requests {
		if row, ok := done[r.ID]; ok {
			rows = append(rows, row)
		}
	}
	return rows
}

func (done rationaleSet) missing(requests []teacher.Request) []teacher.Request {
	var missing []teacher.Request
	for _, r := range requests {
		if _, ok := done[r.ID]; !ok {
			missing = append(missing, r)
		}
	}
	return missing
}

// rationalesFile is the file of an artifact of rationales that holds the rows.
const rationalesFile = "rationales.jsonl"

// checkQuality returns an error if more replies are quarantined than max_bad allows.
func checkQuality(d teacher.Distillation, maxBad float64) error {
	if d.Wanted == 0 {
		return nil
	}
	if bad := float64(d.Quality.Quarantined) / float64(d.Wanted); bad > maxBad {
		return fmt.Errorf("%w: %d of %d replies of teacher %q are quarantined, "+
			"more than teacher.max_bad %g allows; first reasons: %v",
			ErrData, d.Quality.Quarantined, d.Wanted, d.Teacher, maxBad, d.Quality.Reasons)
	}
	return nil
}
