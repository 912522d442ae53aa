package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/dataset"
	"rdrec/internal/exitcode"
	"rdrec/internal/pseudonym"
	"rdrec/storage"
	"rdrec/storage/storagetest"
	"rdrec/workflows"
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

// TestForgetAPseudonym removes a user by the shop's id from a bucket that knows only her pseudonym.
func TestForgetAPseudonym(t *testing.T) {
	text := workflows.NewPayloadKey()
	key, err := pseudonym.ReadKey(text)
	if err != nil {
		t.Fatal(err)
	}
	address := "file://" + filepath.ToSlash(t.TempDir())
	bucket, err := storage.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	imported := storagetest.PutArtifact(t, bucket, map[string]string{
		"datamaps.json": `{"user2id": {"` + key.Of("ann") + `": "1"}, "id2user": {"1": "` + key.Of("ann") + `"},
			"item2id": {"b": "1", "c": "2", "d": "3"}, "id2item": {"1": "b", "2": "c", "3": "d"}}`,
		"sequential.txt": "1 1 2 3\n",
	})
	err = bucket.Commit(t.Context(), storage.StageRecord{
		Stage: "import", Fingerprint: "f", Output: imported, Settings: `{"user_key": "` + key.Digest() + `"}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, want string
		code      int
	}{
		{"", "RDREC_USER_KEY is not set", exitcode.Usage},
		{workflows.NewPayloadKey(), "pseudonyms of the key with the digest " + key.Digest(), exitcode.Usage},
		{text, "", exitcode.OK},
	} {
		t.Setenv(pseudonym.KeyVariable, c.key)
		stderr := &watchedBuffer{}
		code := run(t.Context(), []string{"forget", "ann", "--yes", "--bucket", address}, io.Discard, stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("code %d, want %d with %q: %s", code, c.code, c.want, stderr)
		}
		if there, err := bucket.IsComplete(t.Context(), imported); err != nil || there == (code == exitcode.OK) {
			t.Errorf("after code %d: the dataset is there: %t, %v", code, there, err)
		}
	}
}
