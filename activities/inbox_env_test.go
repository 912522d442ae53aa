package activities_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"

	"rdrec/activities"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// inboxEnv is a bucket with an inbox, and the activities on it.
type inboxEnv struct {
	*activities.Activities
	t    *testing.T
	root string
}

func newInboxEnv(t *testing.T) *inboxEnv {
	t.Helper()
	bucket, root := storagetest.OpenFolder(t)
	return &inboxEnv{
		&activities.Activities{Bucket: bucket, Scratch: t.TempDir(), Now: time.Now, StallTimeout: time.Minute}, t, root,
	}
}

// run does an activity.
func run[Out any](s *inboxEnv, activity, in any) (out Out, err error) {
	s.t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(s.Activities)
	env.SetTestTimeout(time.Minute)
	value, err := env.ExecuteActivity(activity, in)
	if err != nil {
		return out, err
	}
	if value.HasValue() {
		err = value.Get(&out)
	}
	return out, err
}

// putFile puts a file into the inbox.
func (s *inboxEnv) putFile(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.root, "inbox", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *inboxEnv) ingest(change func(*activities.IngestInput)) activities.IngestResult {
	s.t.Helper()
	in := activities.IngestInput{Name: "shop", Inbox: "inbox/"}
	if change != nil {
		change(&in)
	}
	result, err := run[activities.IngestResult](s, s.Ingest, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return result
}

// putArtifact stores an artifact of one file.
func (s *inboxEnv) putArtifact(name, text string) storage.Ref {
	s.t.Helper()
	return storagetest.PutArtifact(s.t, s.Bucket, map[string]string{name: text})
}

// names are the keys that were taken.
func names(files []storage.File) (all []string) {
	for _, f := range files {
		all = append(all, strings.TrimPrefix(f.Name, "inbox/"))
	}
	return all
}

// parts are the contents of a nightly run's reviews, in their order.
func (s *inboxEnv) parts(ref storage.Ref) (all []string) {
	s.t.Helper()
	artifact, err := s.Bucket.Artifact(s.t.Context(), ref)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range artifact.Files {
		if !strings.HasPrefix(f.Name, "parts/") {
			continue
		}
		data, err := s.Bucket.Get(s.t.Context(), f.Ref)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, string(data))
	}
	return all
}

// promote promotes a model that was made from what was gathered.
func (s *inboxEnv) promote(g activities.IngestResult, weights string) registry.Promotion {
	s.t.Helper()
	ref := s.putArtifact("model.safetensors", weights)
	p := registry.Promotion{
		Reviews: g.Reviews, Dataset: ref, Preprocessed: ref,
		Model: registry.PromotedModel{Weights: ref, Spec: []byte("{}")},
	}
	promotion, err := run[registry.Promotion](
		s, s.Promote, activities.PromoteInput{Name: "shop", Previous: g.Promoted.Number, Promotion: p},
	)
	if err != nil {
		s.t.Fatal(err)
	}
	return promotion
}

func equal(t *testing.T, name string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

// recommend requests one user's recommendations as the starter does.
func (s *inboxEnv) recommend(in activities.ExportInput, user string) (reply activities.Recommendations, err error) {
	s.t.Helper()
	question, err := json.Marshal(activities.RecommendQuestion{User: user})
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := s.Bucket.PutRequest(s.t.Context(), question)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := run[any](s, s.Recommend, activities.RecommendInput{ExportInput: in, Request: request}); err != nil {
		return reply, err
	}
	data, err := s.Bucket.Reply(s.t.Context(), request)
	if err != nil {
		return reply, err
	}
	return reply, json.Unmarshal(data, &reply)
}
