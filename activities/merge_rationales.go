package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/teacher"
	"rdrec/registry"
	"rdrec/storage"
)

// MergeRationales merges the finished rationales of a dataset into one artifact. It fails if more
// rows than the teacher's max_bad are quarantined: training on the rest would hide the problem. A
// sample is for reading, so it never fails.
func (a *Activities) MergeRationales(ctx context.Context, in DistillInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "distill")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	requests, all, err := a.requests(ctx, in, work.dir)
	if err != nil {
		return ref, err
	}
	done, err := storedRationales(ctx, in.store(a.Bucket), requests)
	if err != nil {
		return ref, err
	}
	rows := done.inOrder(requests)
	record := teacher.Distillation{
		Teacher: in.Teacher.Model, Prompt: in.Teacher.Prompt, Explanations: all, Wanted: len(requests),
		Skipped: len(requests) - len(rows),
		Quality: teacher.Measure(rows),
	}
	if in.Sample == 0 {
		if err := checkQuality(record, in.Teacher.MaxBad); err != nil {
			return ref, err
		}
	}
	out := filepath.Join(work.dir, "rationales")
	if err := writeRationales(out, rows, record); err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "rationales", out)
}

func writeRationales(dir string, rows []teacher.Rationale, record teacher.Distillation) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make folder for rationales: %w", err)
	}
	if err := writeJSONL(filepath.Join(dir, rationalesFile), rows); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, registry.DistillationFile), record)
}
