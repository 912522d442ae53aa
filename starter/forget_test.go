package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"rdrec/internal/dataset"
	"rdrec/internal/exitcode"
	"rdrec/storage"
)

// TestForgetCommand removes a user of a real dataset, with the rationale of each of her
// explanations.
func TestForgetCommand(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "testdata", "rdrec", "beauty_mini")
	data, err := dataset.Read(os.DirFS(folder), "beauty_mini")
	if err != nil {
		t.Fatal(err)
	}
	written := data.Explanations.Train[0]
	user, texts := data.UserIDs[written.User-1], map[string]bool{}
	rows := []map[string]string{{"text": "of nobody"}}
	for _, split := range [][]dataset.Explanation{
		data.Explanations.Train, data.Explanations.Val, data.Explanations.Test,
	} {
		for _, e := range split {
			if e.User == written.User && !texts[e.Explanation] {
				texts[e.Explanation] = true
				rows = append(rows, map[string]string{"text": e.Explanation})
			}
		}
	}
	address := "file://" + filepath.ToSlash(t.TempDir())
	bucket, err := storage.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	imported, err := bucket.PutFolder(t.Context(), "dataset", folder)
	if err == nil {
		err = bucket.Commit(t.Context(), storage.StageRecord{Stage: "import", Fingerprint: "f", Output: imported})
	}
	if err == nil {
		err = storage.OpenRationales[map[string]string](bucket, "t").Append(t.Context(), rows)
	}
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	stderr := &watchedBuffer{}
	forget := []string{"forget", user, "--json", "--bucket", address}
	if code := run(t.Context(), forget, &out, stderr); code != exitcode.Usage {
		t.Errorf("without --yes: code %d", code)
	}
	out.Reset()
	if code := run(t.Context(), append(forget, "--yes"), &out, stderr); code != exitcode.OK {
		t.Fatalf("code %d: %s", code, stderr)
	}
	var record storage.ForgetRecord
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	if there, err := bucket.IsComplete(t.Context(), imported); there || err != nil || record.Rationales != len(texts) {
		t.Errorf("the dataset is there: %t, %v; %d rationales, want %d", there, err, record.Rationales, len(texts))
	}
	if bytes.Contains(out.Bytes(), []byte(user)) {
		t.Errorf("the record names the user:\n%s", &out)
	}
}
