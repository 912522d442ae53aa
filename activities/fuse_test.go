package activities_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// TestFuseStoresRankingsAndWeights: the job gets the trained baseline's model of the student's seed
// and the earlier fusion, and the artifact has the rankings of the mix and without a part.
func TestFuseStoresRankingsAndWeights(t *testing.T) {
	s := newInboxEnv(t)
	student := &answering{}
	s.Students = student
	in := activities.FuseInput{
		Preprocessed: s.putArtifact("e", "e"), Model: s.putArtifact("m", "m"), Method: "rdrec", Seed: 7,
		Trained: map[string]storage.Ref{spec.SASRec: storagetest.PutArtifact(t, s.Bucket, map[string]string{
			"model-7/config.json": "{}", "sasrec.json": "{}",
		})},
		Fitted: s.putArtifact("f", "f"),
	}
	ref := must[storage.Ref](s, s.Fuse, in)
	artifact, err := s.Bucket.Artifact(t.Context(), ref)
	s.must(err)
	var names []string
	for _, file := range artifact.Files {
		names = append(names, file.Name)
	}
	want := []string{activities.FusionFile, "sequential-without-markov.jsonl", "sequential.jsonl"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	rows, err := s.Bucket.ReadArtifactFile(t.Context(), ref, "sequential.jsonl")
	if err != nil || !strings.HasPrefix(string(rows), `{"user":1,"truth":4,"items":[4,2]}`) {
		t.Errorf("rankings %q, error %v", rows, err)
	}
	job := student.fused[0]
	if got := job.Baselines[spec.SASRec]; filepath.Base(got) != "model-7" || filepath.Base(job.Earlier) != "fitted" {
		t.Errorf("the job reads %q and %q", got, job.Earlier)
	}
	student.broken = errors.New("out of order")
	if _, err := run[any](s, s.Fuse, in); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("error is %v", err)
	}
}

// TestReportShowsTheFusion has a mix that is right for user 1 of 3, and never without markov.
func TestReportShowsTheFusion(t *testing.T) {
	s := newStages(t)
	in := s.record()
	in.Spec.Protocol, in.Spec.Evaluate.Fusion = spec.Clean, &spec.Fusion{Parts: []string{"search", "markov"}}
	s.Students = &answering{}
	fused := activities.FuseInput{Preprocessed: in.Preprocessed, Model: in.Trials[0].Model}
	for i := range in.Trials {
		in.Trials[i].Fusion = must[storage.Ref](s, s.Fuse, fused)
	}
	r := s.report(in)
	var got []string
	for _, line := range scores(r.Tables[0]) {
		if strings.Contains(line, "fusion") {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff([]string{
		"fusion rdrec, fusion 1: 0.3333 of 3 2: 0.3333 of 3",
		"ablation rdrec, fusion without markov 1: 0.0000 of 3 2: 0.0000 of 3",
	}, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if len(r.Fusions) != 2 || r.Fusions[1].Seed != 2 || r.Fusions[0].Mix.Groups[0].Score[1] != 0.5 {
		t.Errorf("fusions %+v", r.Fusions)
	}
	if r.Verdict.Method != "rdrec, fusion" {
		t.Errorf("the verdict is about %q", r.Verdict.Method)
	}
	var against []string
	for _, c := range r.Tables[0].Comparisons {
		if c.Metric == "NDCG@10" && c.Test == report.Bootstrap && c.Student == "rdrec, fusion" {
			against = append(against, c.Other)
		}
	}
	if !cmp.Equal([]string{"rdrec"}, against[:1]) {
		t.Errorf("the fusion is compared with %v, want the student among them", against)
	}
}
