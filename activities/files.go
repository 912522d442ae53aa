package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/progress"
	"rdrec/internal/task"
	"rdrec/storage"
)

// readJSONL decodes JSON lines; an error names the line.
func readJSONL[Row any](data []byte) ([]Row, error) {
	var rows []Row
	dec := json.NewDecoder(bytes.NewReader(data))
	for {
		var row Row
		before := dec.InputOffset()
		err := dec.Decode(&row)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			rest := bytes.TrimLeft(data[before:], " \t\r\n") // begins with the row that can't be read
			return nil, fmt.Errorf("line %d: %w", bytes.Count(data[:len(data)-len(rest)], []byte("\n"))+1, err)
		}
		rows = append(rows, row)
	}
}

// writeJSONL writes rows as JSON lines.
func writeJSONL[Row any](path string, rows []Row) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for _, row := range rows {
		if err := enc.Encode(row); err != nil {
			return fmt.Errorf("encode %q: %w", path, err)
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

// writeJSON writes one indented JSON document.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("encode %q: %w", path, err)
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}

// fetch writes artifacts into folders under dir, each named by its key.
func (a *Activities) fetch(ctx context.Context, dir string, artifacts map[string]storage.Ref) error {
	for _, name := range slices.Sorted(maps.Keys(artifacts)) {
		if err := a.Bucket.GetFolder(ctx, artifacts[name], filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return a.checkDataset(ctx, filepath.Join(dir, "preprocessed"))
}

// readDataset fetches a dataset artifact into dir and reads it.
func (a *Activities) readDataset(ctx context.Context, ref storage.Ref, dir string) (*dataset.Dataset, error) {
	return a.readDatasetParts(ctx, ref, dir, dataset.All)
}

// readDatasetParts is readDataset for a stage that needs only parts of it.
func (a *Activities) readDatasetParts(
	ctx context.Context, ref storage.Ref, dir string, parts dataset.Part,
) (*dataset.Dataset, error) {
	if err := a.Bucket.GetFolder(ctx, ref, dir); err != nil {
		return nil, err
	}
	if err := a.checkDataset(ctx, dir); err != nil {
		return nil, err
	}
	progress.Step(ctx, "read the dataset")
	data, err := dataset.ReadParts(os.DirFS(dir), "dataset", parts)
	if err != nil {
		return nil, fmt.Errorf("read dataset %s: %w: %w", ref.Digest, ErrData, err)
	}
	return data, nil
}

func readFolder(path string) (*dataset.Dataset, error) {
	data, err := dataset.Read(os.DirFS(path), filepath.Base(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("folder %q: %w: %w", path, ErrInvalid, err)
	}
	if err != nil {
		return nil, fmt.Errorf("folder %q: %w: %w", path, ErrData, err)
	}
	return data, nil
}

// readArtifactJSON decodes one JSON file of an artifact. A file that is not such JSON is [ErrData].
func readArtifactJSON[T any](
	ctx context.Context, b *storage.Bucket, ref storage.Ref, name string,
) (value T, err error) {
	data, err := b.ReadArtifactFile(ctx, ref, name)
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(data, &value); err != nil {
		return value, fmt.Errorf("read %s of artifact %s: %w: %w", name, ref.Digest, ErrData, err)
	}
	return value, nil
}

// readArtifactJSONL decodes one JSONL file of an artifact. An undecodable line is [ErrData].
func readArtifactJSONL[Row any](ctx context.Context, b *storage.Bucket, ref storage.Ref, name string) ([]Row, error) {
	data, err := b.ReadArtifactFile(ctx, ref, name)
	if err != nil {
		return nil, err
	}
	rows, err := readJSONL[Row](data)
	if err != nil {
		return nil, fmt.Errorf("read %s of artifact %s: %w: %w", name, ref.Digest, ErrData, err)
	}
	return rows, nil
}

// readPredictions returns the predictions in the named file of the first evaluation that has it,
// and nil where none of the evaluations does. An evaluation that is missing from the bucket is an
// error.
func readPredictions[Row any](
	ctx context.Context, b *storage.Bucket, evaluations []storage.Ref, name string,
) ([]Row, error) {
	for _, ref := range evaluations {
		evaluation, err := b.Artifact(ctx, ref)
		if err != nil {
			return nil, err
		}
		if hasFile(evaluation, name) {
			return readArtifactJSONL[Row](ctx, b, ref, name)
		}
	}
	return nil, nil
}

// predictionsFile names the predictions of a task in their artifact.
func predictionsFile(t task.Task) string { return t.String() + ".jsonl" }

// headFile names the sequential rankings of the item head, in the artifact of those of the search.
const headFile = "sequential-head.jsonl"

// hasFile reports whether an artifact has a file.
func hasFile(a storage.Artifact, name string) bool {
	return slices.ContainsFunc(a.Files, func(f storage.File) bool { return f.Name == name })
}
