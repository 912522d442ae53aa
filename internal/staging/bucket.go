package staging

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rdrec/internal/faultproxy"
	"rdrec/storage"
)

// NewestStep returns the step of the newest checkpoint of the newest attempt that has one.
func (e *Env) NewestStep() int {
	checkpoints := e.Checkpoints()
	if len(checkpoints) == 0 {
		return 0
	}
	return StepOf(checkpoints[len(checkpoints)-1])
}

// KeepCheckpoints leaves the checkpoints of finished trainings in the bucket, for tests that look
// at them afterwards.
func (e *Env) KeepCheckpoints() {
	e.T.Helper()
	b, err := storage.Open(e.T.Context(), e.URL)
	if err != nil {
		e.T.Fatal(err)
	}
	defer b.Close()
	keep := storage.Settings{Retention: storage.Retention{KeepCheckpoints: true}}
	if err := b.PutSettings(e.T.Context(), keep); err != nil {
		e.T.Fatal(err)
	}
}

// Checkpoints returns the folders of the complete checkpoints, oldest first.
func (e *Env) Checkpoints() []string {
	folders := e.files("checkpoints/*/*/*/manifest.json")
	for i, manifest := range folders {
		folders[i] = filepath.Dir(manifest)
	}
	return folders
}

// StepOf returns the step of a checkpoint's folder.
func StepOf(checkpoint string) int {
	step, err := strconv.Atoi(filepath.Base(checkpoint))
	if err != nil {
		return -1
	}
	return step
}

// BadObjects returns the bucket's objects that differ from what was written.
func (e *Env) BadObjects() []storage.BadObject {
	e.T.Helper()
	b, err := storage.Open(e.T.Context(), "file://"+e.Bucket)
	if err != nil {
		e.T.Fatal(err)
	}
	defer b.Close()
	v, err := b.Verify(e.T.Context(), "")
	if err != nil {
		e.T.Fatal(err)
	}
	return v.BadObjects
}

// Records returns all stage records of the bucket by path.
func (e *Env) Records() map[string]string {
	e.T.Helper()
	found := map[string]string{}
	for _, path := range e.files("stages/*/*.json") {
		data, err := os.ReadFile(path)
		if err != nil {
			e.T.Fatal(err)
		}
		found[path] = string(data)
	}
	return found
}

// Outputs returns the digest of each stage's output, by stage and fingerprint.
func (e *Env) Outputs() map[string]string {
	e.T.Helper()
	outputs := map[string]string{}
	for path, data := range e.Records() {
		var done storage.StageRecord
		if err := json.Unmarshal([]byte(data), &done); err != nil {
			e.T.Fatalf("%s: %v", path, err)
		}
		outputs[done.Stage+" "+done.Fingerprint[:12]] = done.Output.Digest
	}
	return outputs
}

// Rows are the texts of the rationales that the bucket has.
func (e *Env) Rows() map[string]bool {
	rows := map[string]bool{}
	for _, part := range e.files("rationales/*/*.jsonl") {
		data, err := os.ReadFile(part)
		if err != nil {
			continue // it was merged with others meanwhile
		}
		for line := range strings.Lines(string(data)) {
			var row struct{ Text string }
			if json.Unmarshal([]byte(line), &row) == nil {
				rows[row.Text] = true
			}
		}
	}
	return rows
}

// StageArtifact returns the artifact of a stage that ran once.
func (e *Env) StageArtifact(stage string) storage.Artifact {
	e.T.Helper()
	b, err := storage.Open(e.T.Context(), "file://"+e.Bucket)
	if err != nil {
		e.T.Fatal(err)
	}
	defer b.Close()
	records := e.files("stages/" + stage + "/*.json")
	if len(records) != 1 {
		e.T.Fatalf("records of %s: %v, want one", stage, records)
	}
	done, found, err := b.LookUp(e.T.Context(), stage, strings.TrimSuffix(filepath.Base(records[0]), ".json"))
	if err != nil || !found {
		e.T.Fatalf("record of %s: %t, %v", stage, found, err)
	}
	artifact, err := b.Artifact(e.T.Context(), done.Output)
	if err != nil {
		e.T.Fatal(err)
	}
	return artifact
}

// Weights returns the digest of model.safetensors in the only model artifact of the bucket.
func (e *Env) Weights() string {
	e.T.Helper()
	artifact := e.StageArtifact("pretrain")
	for _, f := range artifact.Files {
		if f.Name == "model.safetensors" {
			return f.Digest
		}
	}
	e.T.Fatalf("no weights among %v", artifact.Files)
	return ""
}

// PartialCheckpoint returns the folder of the last checkpoint if it has files but no manifest, else
// "".
func (e *Env) PartialCheckpoint() string {
	folders := e.files("checkpoints/*/*/0*")
	if len(folders) == 0 {
		return ""
	}
	last := slices.Max(folders)
	files, err := os.ReadDir(last)
	isManifest := func(f os.DirEntry) bool { return f.Name() == "manifest.json" }
	if err != nil || len(files) == 0 || slices.ContainsFunc(files, isManifest) {
		return ""
	}
	return last
}

// TempFiles returns the temporary files in the bucket's folder.
func (e *Env) TempFiles() []string {
	var left []string
	err := filepath.WalkDir(e.Bucket, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".tmp") {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		e.T.Fatal(err)
	}
	return left
}

// CorruptCheckpoint changes a byte in the middle of a checkpoint's largest file.
func CorruptCheckpoint(t *testing.T, dir string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(found[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// UseS3 moves the bucket to an S3-compatible server, behind a proxy that injects faults. The server
// stores objects as files, so the test can still read them.
func (e *Env) UseS3() *faultproxy.Proxy {
	e.T.Helper()
	if err := os.MkdirAll(e.Bucket, 0o750); err != nil {
		e.T.Fatal(err)
	}
	proxy := faultproxy.NewProxy(e.T, faultproxy.StartServer(e.T, faultproxy.S3, func(port string) []string {
		return []string{
			"-host", "127.0.0.1:" + port, "-backend", "directfs", "-directfs.path", e.Bucket,
			"-directfs.bucket", "rdrec", "-directfs.meta", e.T.TempDir(),
		}
	}), true)
	url, env := faultproxy.S3Bucket(proxy.Address)
	e.URL = url
	e.addVariables(env)
	return proxy
}
