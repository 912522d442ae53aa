package activities_test

import (
	"testing"

	"rdrec/activities"
	"rdrec/internal/spec"
)

// TestAnotherSourceIsDrawnFromItsBeginning changes the path, the table and the column.
func TestAnotherSourceIsDrawnFromItsBeginning(t *testing.T) {
	s := newInboxEnv(t)
	s.Importer = &fakeSource{watermarks: []string{"1", "2"}}
	ingest := func(source spec.Source) int {
		t.Helper()
		out, err := run[spec.Ingested](
			s, s.IngestSource, activities.IngestSourceInput{Name: "shop", Inbox: "inbox", Source: source},
		)
		if err != nil {
			t.Fatal(err)
		}
		return out.Rows
	}
	for _, c := range []struct {
		source spec.Source
		want   int
	}{
		{spec.Source{Path: "a", Watermark: "c"}, 2},
		{spec.Source{Path: "a", Watermark: "c"}, 0},
		{spec.Source{Path: "b", Watermark: "c"}, 2},
		{spec.Source{Path: "b", Table: "t", Watermark: "c"}, 2},
		{spec.Source{Path: "b", Table: "t", Watermark: "c"}, 0},
		{spec.Source{Path: "b", Table: "t", Watermark: "d"}, 2},
	} {
		if got := ingest(c.source); got != c.want {
			t.Errorf("%+v: %d rows, want %d", c.source, got, c.want)
		}
	}
}
