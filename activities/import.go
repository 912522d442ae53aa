package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
	"rdrec/internal/progress"
	"rdrec/internal/pseudonym"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// ImportInput is the settings of [Activities.Import].
type ImportInput struct {
	// Data has its item indexing written out.
	Data spec.Data `json:"data"`
	// Seed is the seed of the item indexing; 0 where the indexing has none.
	Seed int64 `json:"seed"`
	// UserKey is the digest of the key of the pseudonyms; empty where user ids are kept.
	UserKey string `json:"user_key,omitempty"`
	// Source is what the run identified the data by, if they are in a bucket; else empty.
	Source string `json:"source,omitempty"`
}

// Import makes a dataset artifact from raw reviews or from a folder in RDRec's format.
func (a *Activities) Import(ctx context.Context, in ImportInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "import")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	if in.Data.Pseudonyms {
		if err := a.UserKey.Check(in.UserKey); err != nil {
			return ref, err
		}
	}
	if err := checkSource(ctx, in); err != nil {
		return ref, err
	}
	local, release, err := a.localData(ctx, in.Data)
	if err != nil {
		return ref, err
	}
	defer release()
	in.Data = local
	if err = a.importData(ctx, in, work.dir); err != nil {
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "dataset", datasetFolder(in, work.dir))
}

// datasetFolder returns where an import in dir writes the dataset.
func datasetFolder(in ImportInput, dir string) string {
	if in.Data.Accumulated != nil {
		return filepath.Join(dir, "dataset")
	}
	return dir
}

// importData writes the dataset of files that are on this machine's disk.
func (a *Activities) importData(ctx context.Context, in ImportInput, dir string) error {
	out := datasetFolder(in, dir)
	switch {
	case in.Data.Accumulated != nil:
		return a.importAccumulated(ctx, in, dir, out)
	case in.Data.Reviews != nil:
		if err := a.checkImport(ctx, in.Data); err != nil {
			return err
		}
		return a.importReviews(ctx, in, out)
	default:
		return a.importFolder(ctx, in, out)
	}
}

// importAccumulated imports the reviews that nightly runs accumulated. Users and items of the
// dataset that the run starts from keep their ids.
func (a *Activities) importAccumulated(ctx context.Context, in ImportInput, dir, out string) error {
	from := *in.Data.Accumulated
	parts := filepath.Join(dir, "reviews")
	if err := a.Bucket.GetFolder(ctx, from.Reviews, parts); err != nil {
		return err
	}
	reviews := *in.Data.Reviews
	if in.Data.Pseudonyms {
		reviews = reviews.ForCopy()
	}
	reviews.Path = filepath.Join(parts, partsFolder, "*")
	in.Data.Reviews = &reviews
	if err := a.importReviews(ctx, in, out); err != nil {
		return err
	}
	if from.PreviousDataset.Digest == "" {
		return nil
	}
	old, err := a.readDataset(ctx, from.PreviousDataset, filepath.Join(dir, "previous"))
	if err != nil {
		return err
	}
	if err := a.checkDataset(ctx, out); err != nil {
		return err
	}
	data, err := readFolder(out)
	if err != nil {
		return err
	}
	progress.Step(ctx, "keep the item ids")
	if err := data.KeepIDs(old); err != nil {
		return fmt.Errorf("keep the item ids of dataset %s: %w: %w", from.PreviousDataset.Digest, ErrData, err)
	}
	if old.Codes != nil && in.Data.Codes != nil {
		if err := indexing.KeepCodes(data, old.Codes, in.Data.Indexing, *in.Data.Codes, in.Seed); err != nil {
			return fmt.Errorf("keep the item codes of dataset %s: %w: %w", from.PreviousDataset.Digest, ErrData, err)
		}
	}
	return dataset.Write(out, data)
}

// importReviews imports raw reviews. Random and appearance indexing happen inside DuckDB, out of
// core; the other indexings need the dataset in memory.
func (a *Activities) importReviews(ctx context.Context, in ImportInput, dir string) error {
	name := in.Data.Indexing
	job := ImportJob{
		Reviews: *in.Data.Reviews, Appearance: name == spec.Appearance, Seed: in.Seed, Dir: dir,
		Progress: reporterIn(ctx),
	}
	if in.Data.Pseudonyms {
		job.UserKey = a.UserKey
	}
	if err := a.Importer.Import(ctx, job); err != nil {
		return err
	}
	if err := a.logImport(ctx, dir); err != nil {
		return err
	}
	if name == spec.Appearance || name == spec.Random {
		return writeJSON(filepath.Join(dir, indexingRecord), indexing.Record{Indexing: name, Seed: in.Seed})
	}
	if err := a.checkDataset(ctx, dir); err != nil {
		return err
	}
	progress.Step(ctx, "read the imported reviews")
	data, err := dataset.Read(os.DirFS(dir), filepath.Base(dir))
	if err != nil {
		return fmt.Errorf("read imported reviews: %w", err)
	}
	return writeIndexed(ctx, dir, data, in)
}

// logImport logs how the reviews' files were read, and counts their rows.
func (a *Activities) logImport(ctx context.Context, dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, importRecord))
	if err != nil {
		return fmt.Errorf("read the import's summary: %w", err)
	}
	var sum dataset.ImportSummary
	if err := json.Unmarshal(data, &sum); err != nil {
		return fmt.Errorf("read %s: %w: %w", importRecord, ErrData, err)
	}
	countUnits(ctx, sum.Rows, "rows")
	for _, source := range sum.Sources {
		a.log(ctx).Info().Str("read_as", source).Msg("read reviews")
	}
	if len(sum.PassedOver) > 0 {
		a.log(ctx).Info().Strs("files", sum.PassedOver).Msg("passed over files without rows")
	}
	return nil
}

// importFolder reads a dataset folder, which validates it completely, indexes its items and writes
// it to a new folder.
func (a *Activities) importFolder(ctx context.Context, in ImportInput, to string) error {
	folder, err := a.textFolder(ctx, in.Data.Folder, filepath.Join(to, tablesFolder))
	if err != nil {
		return err
	}
	if err := a.checkDataset(ctx, folder); err != nil {
		return err
	}
	data, err := readFolder(folder)
	if err := errors.Join(err, os.RemoveAll(filepath.Join(to, tablesFolder))); err != nil {
		return err
	}
	if in.Data.Pseudonyms {
		for i, id := range data.UserIDs {
			data.UserIDs[i] = a.UserKey.Of(id)
		}
	}
	return writeIndexed(ctx, to, data, in)
}

// tablesFolder is the folder of an import in which Parquet tables are converted.
const tablesFolder = ".tables"

// textFolder returns a dataset folder or, of one of Parquet tables, a conversion in dir.
func (a *Activities) textFolder(ctx context.Context, folder, dir string) (string, error) {
	if !hasTables(folder) {
		return folder, nil
	}
	return dir, a.Importer.Import(ctx, ImportJob{Tables: folder, Dir: dir, Progress: reporterIn(ctx)})
}

// hasTables reports whether a dataset folder has Parquet tables.
func hasTables(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, spec.SequenceTable+".parquet"))
	return err == nil
}

// importRecord is the file beside a dataset that was imported from raw reviews:
// [dataset.ImportSummary].
const importRecord = "import.json"

// indexingRecord is the file beside the dataset that describes its item indexing
// ([indexing.Record]).
const indexingRecord = "indexing.json"

// writeIndexed writes a dataset folder with the items indexed by the settings.
func writeIndexed(ctx context.Context, dir string, data *dataset.Dataset, in ImportInput) error {
	progress.Step(ctx, "index the items")
	record, err := indexing.Apply(data, in.Data.Indexing, in.Data.Codes, in.Seed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	progress.Step(ctx, "write the dataset")
	if err := dataset.Write(dir, data); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, indexingRecord), record)
}

// ImportJob is one import of raw reviews, or one conversion of tables.
type ImportJob struct {
	Reviews spec.Reviews
	// Tables, if set, is a folder of Parquet tables to convert, and Reviews are none.
	Tables string
	// Appearance indexes users and items in the order in which they appear; otherwise they are
	// indexed at random.
	Appearance bool
	Seed       int64
	// UserKey, unless zero, makes the users' ids pseudonyms.
	UserKey pseudonym.Key
	// Dir is the dataset folder to write.
	Dir string
	// Progress receives the rows that were read, in the step of the note.
	Progress func(Progress)
}
