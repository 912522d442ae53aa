package main_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"rdrec/internal/dataset"
	"rdrec/internal/pseudonym"
	"rdrec/workflows"
)

// marks are what a run must not write anywhere: secrets of its environment, and the shop's user
// ids.
type marks struct {
	data    *dataset.Dataset
	key     pseudonym.Key
	secrets []string
	// codec decodes the payloads of histories.
	codec converter.PayloadCodec
}

// mark gives the programs of the environment a key for pseudonyms, and secrets in the environment
// and in the bucket's URL.
func (s *faultEnv) mark() *marks {
	s.T.Helper()
	text := workflows.NewPayloadKey()
	key, err := pseudonym.ReadKey(text)
	if err != nil {
		s.T.Fatal(err)
	}
	const password, webhook, teacher = "marked-password-4711", "marked-webhook-4711", "marked-teacher-4711"
	s.Variables = append(s.Variables,
		pseudonym.KeyVariable+"="+text, "RDREC_WEBHOOK_SECRET="+webhook, "RDREC_TEACHER_KEY="+teacher)
	s.URL = "file://marked:" + password + "@" + s.Bucket
	return &marks{
		miniDataset(s.T), key, []string{password, webhook, teacher, text}, workflows.Payloads{}.Codec(),
	}
}

// encrypt gives the programs of the environment a marked key for payloads.
func (s *faultEnv) encrypt(m *marks) {
	s.T.Helper()
	text := workflows.NewPayloadKey()
	payloads, err := workflows.NewPayloads("marked=" + text)
	if err != nil {
		s.T.Fatal(err)
	}
	s.Variables = append(s.Variables, workflows.PayloadKeys+"=marked="+text)
	m.secrets, m.codec = append(m.secrets, text), payloads.Codec()
}

// decode decodes the payloads of an event.
func (m *marks) decode(ctx context.Context, event proto.Message) error {
	return proxy.VisitPayloads(ctx, event, proxy.VisitPayloadsOptions{
		Visitor: func(_ *proxy.VisitPayloadsContext, all []*commonpb.Payload) ([]*commonpb.Payload, error) {
			return m.codec.Decode(all)
		},
	})
}

// pseudonymous returns the dataset as the import makes it.
func (m *marks) pseudonymous() *dataset.Dataset {
	data := *m.data
	data.UserIDs = slices.Clone(data.UserIDs)
	for i, id := range data.UserIDs {
		data.UserIDs[i] = m.key.Of(id)
	}
	return &data
}

// in returns the marks that data has, which may be packed with gzip.
func (m *marks) in(data []byte) (found []string) {
	if unpacked, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		if plain, err := io.ReadAll(unpacked); err == nil {
			data = plain
		}
	}
	for _, mark := range slices.Concat(m.secrets, m.data.UserIDs) {
		if bytes.Contains(data, []byte(mark)) {
			found = append(found, mark)
		}
	}
	return found
}

// searchEverything looks for the marks in the bucket, the workers' logs and scratch folders, and
// the histories.
func (s *faultEnv) searchEverything(m *marks) {
	s.T.Helper()
	count := map[string]int{}
	search := func(kind, name string, data []byte) {
		count[kind] += len(data)
		if found := m.in(data); len(found) > 0 {
			s.T.Errorf("%s: %s has %q", kind, name, found)
		}
	}
	folders := map[string]string{"bucket": s.Bucket}
	for _, w := range s.Workers {
		folders["logs and scratch "+filepath.Base(filepath.Dir(w.Log))] = filepath.Dir(w.Log)
	}
	for kind, folder := range folders {
		kind, _, _ = strings.Cut(kind, " 0")
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path) //nolint:gosec // a file of the test's own
			search(kind, path, data)
			return err
		})
		if err != nil {
			s.T.Error(err)
		}
	}
	all, err := s.Client.ListWorkflow(s.T.Context(), &workflowservice.ListWorkflowExecutionsRequest{})
	if err != nil {
		s.T.Fatal(err)
	}
	for _, info := range all.GetExecutions() {
		for _, event := range s.Events(info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId()) {
			if err := m.decode(s.T.Context(), event); err != nil {
				s.T.Fatal(err)
			}
			data, err := proto.Marshal(event)
			if err != nil {
				s.T.Error(err)
			}
			search("histories", event.GetEventType().String(), data)
			if bytes.Contains(data, []byte("binary/encrypted")) {
				s.T.Errorf("%s is not decrypted", event.GetEventType())
			}
		}
	}
	s.T.Logf("searched for %d secrets and %d users, in bytes: %v", len(m.secrets), len(m.data.UserIDs), count)
	if count["bucket"] == 0 || count["histories"] == 0 || len(count) < 3 {
		s.T.Error("nothing was searched")
	}
}
