package activities_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2" // makes the tables

	"rdrec/activities"
	"rdrec/internal/review"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// tableImporter converts tables as the worker does.
type tableImporter struct{ activities.Importer }

func (tableImporter) Import(ctx context.Context, job activities.ImportJob) error {
	return review.Tables{Folder: job.Tables, Dir: job.Dir}.Run(ctx)
}

// tables writes a dataset of three users as Parquet tables.
func tables(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, query := range map[string]string{
		"users":     "SELECT num, 'u' || num AS id FROM range(1, 4) t(num)",
		"items":     "SELECT num, 'i' || num AS id FROM range(1, 5) t(num)",
		"sequences": `SELECT u AS "user", i AS item, i AS pos FROM range(1, 4) a(u), range(1, 5) b(i)`,
		"explanations": `SELECT u AS "user", u AS item, 'soap' AS feature, 'Good soap' AS explanation,
			'likes soap' AS preference FROM range(1, 4) a(u)`,
	} {
		path := filepath.Join(folder, name+".parquet")
		if _, err := db.ExecContext(t.Context(), "COPY ("+query+") TO '"+path+"'"); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// A folder of Parquet tables is imported as a dataset folder, and identified by all of its files.
// It needs no teacher where it has all rationales.
func TestImportOfTables(t *testing.T) {
	s := newInboxEnv(t)
	s.Importer, s.Teachers = tableImporter{}, missingTeacher{}
	folder := tables(t)
	in := activities.IdentifyInput{
		Data: spec.Data{Folder: folder}, Teacher: spec.Default().Teacher, UsesTeacher: true,
	}
	before, err := run[activities.IdentifyResult](s, s.Identify, in)
	if err != nil {
		t.Fatal(err)
	}
	data := spec.Data{Folder: folder, Indexing: spec.AsIs}
	ref, err := run[storage.Ref](s, s.Import, activities.ImportInput{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	sequences, err := s.Bucket.ReadArtifactFile(t.Context(), ref, "sequential.txt")
	if want := "1 1 2 3 4\n2 1 2 3 4\n3 1 2 3 4\n"; err != nil || string(sequences) != want {
		t.Errorf("sequences %q, %v", sequences, err)
	}
	artifact, err := s.Bucket.Artifact(t.Context(), ref)
	for _, file := range artifact.Files {
		if strings.Contains(file.Name, ".parquet") || strings.HasPrefix(file.Name, ".") {
			t.Errorf("the dataset has %s", file.Name)
		}
	}
	if err != nil || len(artifact.Files) < 4 {
		t.Errorf("%d files, %v", len(artifact.Files), err)
	}
	if err := os.Rename(filepath.Join(folder, "items.parquet"), filepath.Join(folder, "other.parquet")); err != nil {
		t.Fatal(err)
	}
	if after, err := run[activities.IdentifyResult](s, s.Identify, in); err == nil && after.Data == before.Data {
		t.Error("the digest does not depend on items.parquet")
	}
}
