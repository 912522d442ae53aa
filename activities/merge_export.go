package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"rdrec/internal/metric"
	"rdrec/internal/progress"
	"rdrec/storage"
)

// MergeExportInput is the finished shards, in the order of the users.
type MergeExportInput struct {
	ExportInput
	Shards []storage.Ref `json:"shards"`
	Users  int           `json:"users"`
	Items  int           `json:"items"`
}

// ExportSummary is the content of an export's export.json.
type ExportSummary struct {
	Model   string `json:"model"`
	Method  string `json:"method"`
	Users   int    `json:"users"`
	Top     int    `json:"top"`
	Explain bool   `json:"explain"`
	// Lists shows whether the model recommends the same to everybody.
	Lists metric.ListDiversity `json:"lists"`
}

// MergeExport merges the shards into one table.
func (a *Activities) MergeExport(ctx context.Context, in MergeExportInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "export")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	id, err := in.Model.ID()
	if err != nil {
		return ref, err
	}
	return a.store(ctx, filepath.Join(work.dir, "table"), func(dir string) error {
		meter := newRowMeter(in.Items)
		if err := a.concatenate(ctx, in.Shards, work, filepath.Join(dir, ExportFile(FormatJSONL)), meter); err != nil {
			return err
		}
		return writeJSON(filepath.Join(dir, ExportSummaryFile), ExportSummary{
			Model: id, Method: in.Model.Method, Users: in.Users, Top: in.Top, Explain: in.Explain,
			Lists: meter.diversity(),
		})
	})
}

// rowMeter measures the lists of an export from its rows, which are in the order of the users.
type rowMeter struct {
	*metric.ListMeter
	// ids are the numbers of the items so far, from 1, by their ids in the rows.
	ids  map[string]int
	user string
	list []int
}

func newRowMeter(items int) *rowMeter {
	return &rowMeter{ListMeter: metric.NewListMeter(items), ids: map[string]int{}}
}

// read reads rows as JSON lines.
func (m *rowMeter) read(lines io.Reader) error {
	for rows := json.NewDecoder(lines); ; {
		var row struct {
			User string `json:"user"`
			Item string `json:"item"`
		}
		switch err := rows.Decode(&row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", ErrData, err)
		}
		if row.User != m.user {
			m.endList()
			m.user = row.User
		}
		if m.ids[row.Item] == 0 {
			m.ids[row.Item] = len(m.ids) + 1
		}
		m.list = append(m.list, m.ids[row.Item])
	}
}

func (m *rowMeter) endList() {
	if len(m.list) > 0 {
		m.Add(m.list)
	}
	m.list = m.list[:0]
}

func (m *rowMeter) diversity() metric.ListDiversity {
	m.endList()
	return m.Diversity()
}

// concatenate writes the lines of the shards one after the other, and measures their lists.
func (a *Activities) concatenate(
	ctx context.Context, shards []storage.Ref, work attempt, path string, meter *rowMeter,
) (err error) {
	out, err := os.Create(path) //nolint:gosec // a file of our own scratch folder
	if err != nil {
		return fmt.Errorf("merge the table: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for i, shard := range shards {
		work.report(Progress{Progress: progress.Progress{Done: i, Total: len(shards), Unit: "parts"}})
		dir := filepath.Join(work.dir, "shard")
		if err := a.Bucket.GetFolder(ctx, shard, dir); err != nil {
			return err
		}
		lines, err := os.Open(filepath.Join(dir, ExportFile(FormatJSONL)))
		if err != nil {
			return fmt.Errorf("merge the table: shard %d: %w", i+1, err)
		}
		err = meter.read(progress.Reader(ctx, io.TeeReader(lines, out)))
		if err := errors.Join(err, lines.Close()); err != nil {
			return fmt.Errorf("merge the table: shard %d: %w", i+1, err)
		}
	}
	return nil
}
