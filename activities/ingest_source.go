package activities

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// IngestSourceInput names a nightly's source and its inbox.
type IngestSourceInput struct {
	Name   string      `json:"name"`
	Inbox  string      `json:"inbox"`
	Source spec.Source `json:"source"`
}

// IngestSource puts what is new in a source into the inbox, as one Parquet file, and then moves the
// watermark. A worker that dies between the two leaves a file that the next attempt writes again,
// the same where the source is; else rows may come in twice, and the import keeps one of them.
func (a *Activities) IngestSource(ctx context.Context, in IngestSourceInput) (out IngestSourceResult, err error) {
	ctx, work, err := a.begin(ctx, "ingest source")
	defer work.finish(&err)
	if err != nil {
		return out, err
	}
	previous, err := a.Bucket.Watermark(ctx, in.Name)
	if err != nil {
		return out, err
	}
	latest := storage.Watermark{Source: in.Source.Path + in.Source.Table, Column: in.Source.Watermark}
	if previous.Source != latest.Source || previous.Column != latest.Column {
		previous.Value = "" // another source begins from its beginning
	}
	file := filepath.Join(work.dir, "ingested.parquet")
	if out, err = a.Importer.IngestSource(ctx, IngestSourceJob{in.Source, previous.Value, file}); err != nil {
		return out, err
	}
	if out.WithoutWatermark > 0 {
		a.Log.Warn().Int("rows", out.WithoutWatermark).Str("column", in.Source.Watermark).Msg("source rows without a watermark are skipped")
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

// ingestedName is different for different watermarks, and says which, as far as a file's name can.
func ingestedName(w storage.Watermark) string {
	readable := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return '-'
	}, w.Value)
	return fmt.Sprintf("ingested-%.40s-%.8s.parquet", readable, storage.Digest([]byte(w.Source+"\n"+w.Column+"\n"+w.Value)))
}

// IngestSourceJob names what is drawn from a source: the rows whose watermark is greater than
// After; all, where that is empty.
type IngestSourceJob struct {
	Source      spec.Source
	After, File string
}

// IngestSourceResult is what was new in a source.
type IngestSourceResult struct {
	Rows int `json:"rows"`
	// WithoutWatermark rows have no watermark and are never drawn.
	WithoutWatermark int `json:"without_watermark"`
	// Watermark is the greatest value that was drawn, as text; empty where nothing was.
	Watermark string `json:"watermark"`
}
