package activities

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"rdrec/internal/pseudonym"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// IngestSourceInput names a nightly schedule's source and its inbox.
type IngestSourceInput struct {
	Name   string      `json:"name"`
	Inbox  string      `json:"inbox"`
	Source spec.Source `json:"source"`
	// Pseudonyms replaces user ids, whose column is found by the names in Columns.
	Pseudonyms bool              `json:"pseudonyms,omitempty"`
	Columns    map[string]string `json:"columns,omitempty"`
}

// IngestSource writes the new rows of a source into the inbox, as one Parquet file, and then moves
// the watermark. A worker that dies in between leaves a file that the next attempt writes again,
// with the same bytes if the source is unchanged. Otherwise rows may arrive twice, and the import
// keeps one of them.
func (a *Activities) IngestSource(ctx context.Context, in IngestSourceInput) (out spec.Ingested, err error) {
	ctx, work, err := a.begin(ctx, "ingest source")
	defer work.finish(&err)
	if err != nil {
		return out, err
	}
	previous, err := a.Bucket.Watermark(ctx, in.Name)
	if err != nil {
		return out, err
	}
	latest := storage.Watermark{Source: in.Source.Path + in.Source.Table + in.Source.View, Column: in.Source.Watermark}
	if previous.Source != latest.Source || previous.Column != latest.Column {
		previous.Value = "" // another source begins from its beginning
	}
	file := filepath.Join(work.dir, "ingested.parquet")
	job := IngestSourceJob{Source: in.Source, After: previous.Value, File: file, Columns: in.Columns}
	if in.Pseudonyms {
		if _, err := a.UserKey.Required(); err != nil {
			return out, err
		}
		job.UserKey = a.UserKey
	}
	if out, err = a.Importer.IngestSource(ctx, job); err != nil {
		return out, err
	}
	if out.WithoutWatermark > 0 {
		a.log(ctx).Warn().Int("rows", out.WithoutWatermark).Str("column", in.Source.Watermark).Msg(
			"source rows without a watermark are skipped",
		)
	}
	if out.Bad+out.Replaced > 0 {
		a.log(ctx).Warn().Int("bad", out.Bad).Int("replaced", out.Replaced).Msg(
			"source rows cannot be read, or lost characters",
		)
	}
	if out.Rows == 0 {
		return out, nil
	}
	latest.Value = out.Watermark
	if err := a.Bucket.PutInbox(ctx, strings.TrimSuffix(in.Inbox, "/")+"/"+ingestedName(latest), file); err != nil {
		return out, err
	}
	return out, a.Bucket.PutWatermark(ctx, in.Name, latest)
}

// ingestedName returns a file name that is unique to the watermark and contains it in readable
// form.
func ingestedName(w storage.Watermark) string {
	readable := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return '-'
	}, w.Value)
	return fmt.Sprintf(
		"ingested-%.40s-%.8s.parquet", readable, storage.Digest([]byte(w.Source+"\n"+w.Column+"\n"+w.Value)),
	)
}

// IngestSourceJob names the rows to ingest from a source: those whose watermark is greater than
// After, or all rows where After is empty.
type IngestSourceJob struct {
	Source      spec.Source
	After, File string
	// UserKey, unless zero, makes pseudonyms of the column that Columns names for the user.
	UserKey pseudonym.Key
	Columns map[string]string
}
