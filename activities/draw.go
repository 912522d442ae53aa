package activities

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// DrawInput names a nightly's source and its inbox.
type DrawInput struct {
	Name, Inbox string
	Source      spec.Source
}

// Draw puts what is new in a source into the inbox, as one Parquet file, and then moves the watermark. A worker that dies between the
// two leaves a file that the next attempt writes again, the same where the source is; else rows may come in twice, and the import keeps
// one of them.
func (a *Activities) Draw(ctx context.Context, in DrawInput) (out Drawn, err error) {
	ctx, work, err := a.begin(ctx, "draw")
	defer work.end(&err)
	if err != nil {
		return out, err
	}
	before, err := a.Bucket.Watermark(ctx, in.Name)
	if err != nil {
		return out, err
	}
	now := storage.Watermark{Source: in.Source.Path + in.Source.Table, Column: in.Source.Watermark}
	if before.Source != now.Source || before.Column != now.Column {
		before.Value = "" // another source begins from its beginning
	}
	file := filepath.Join(work.dir, "drawn.parquet")
	if out, err = a.Importer.Draw(ctx, DrawJob{in.Source, before.Value, file}); err != nil {
		return out, err
	}
	if out.Unmarked > 0 {
		a.Log.Warn().Int("rows", out.Unmarked).Str("column", in.Source.Watermark).Msg("rows of the source have no watermark and are left out")
	}
	if out.Rows == 0 {
		return out, nil
	}
	now.Value = out.Watermark
	if err := a.Bucket.PutInbox(ctx, strings.TrimSuffix(in.Inbox, "/")+"/"+drawnName(now), file); err != nil {
		return out, err
	}
	return out, a.Bucket.PutWatermark(ctx, in.Name, now)
}

// drawnName is different for different watermarks, and says which, as far as a file's name can.
func drawnName(w storage.Watermark) string {
	readable := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return '-'
	}, w.Value)
	return fmt.Sprintf("drawn-%.40s-%.8s.parquet", readable, storage.Digest([]byte(w.Source+"\n"+w.Column+"\n"+w.Value)))
}
