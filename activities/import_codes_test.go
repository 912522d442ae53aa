package activities_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// growing is an importer whose second import has one more item, which the first user bought first.
type growing struct {
	toolbox
	imports int
}

func (g *growing) Import(ctx context.Context, job activities.ImportJob) error {
	if err := g.toolbox.Import(ctx, job); err != nil {
		return err
	}
	if g.imports++; g.imports == 1 {
		return nil
	}
	d, err := dataset.Read(os.DirFS(job.Dir), "grown")
	if err != nil {
		return err
	}
	d.Items++
	d.ItemIDs = append(d.ItemIDs, "added")
	if d.Titles != nil {
		d.Titles = append(d.Titles, "")
	}
	d.Users[0].Items, d.Users[0].Times = append([]int{d.Items}, d.Users[0].Items...), nil
	for i := range d.Users {
		d.Users[i].Times = nil
	}
	if err := os.RemoveAll(job.Dir); err != nil {
		return err
	}
	if err := dataset.Write(job.Dir, d); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(job.Dir, "import.json"), []byte(importCounts), 0o600)
}

// codesOf returns the codes of a dataset by the shop's ids.
func (s *inboxEnv) codesOf(ref storage.Ref) map[string][]int {
	s.t.Helper()
	var maps struct {
		ItemIDs map[string]string `json:"id2item"`
	}
	var codes dataset.Codes
	for name, out := range map[string]any{"datamaps.json": &maps, "codes.json": &codes} {
		text, err := s.Bucket.ReadArtifactFile(s.t.Context(), ref, name)
		s.must(err)
		s.must(json.Unmarshal(text, out))
	}
	byID := map[string][]int{}
	for index, id := range maps.ItemIDs {
		var item int
		s.must(json.Unmarshal([]byte(index), &item))
		byID[id] = codes.Items[item-1]
	}
	return byID
}

// TestItemsKeepTheirCodesInANightlyRun imports accumulated reviews, and then the same with one more
// item: the old items keep their codes, and the new one gets some.
func TestItemsKeepTheirCodesInANightlyRun(t *testing.T) {
	s := newStages(t)
	s.Importer = &growing{toolbox: toolbox{&answering{}}}
	s.putFile("a", "one")
	codes := spec.DefaultCodes()
	codes.Levels, codes.Width, codes.Dimensions = 1, 16, 2
	data := spec.Data{Reviews: &spec.Reviews{Path: "reviews.json"}, Indexing: spec.ItemCodes, Codes: &codes}
	data.Accumulated = &spec.Accumulated{Reviews: s.ingest(nil).Reviews}
	first := must[storage.Ref](s, s.Import, activities.ImportInput{Data: data, Seed: 7})
	data.Accumulated.PreviousDataset = first
	second := must[storage.Ref](s, s.Import, activities.ImportInput{Data: data, Seed: 7})
	before, after := s.codesOf(first), s.codesOf(second)
	if len(after["added"]) != 2 {
		t.Errorf("the new item has the codes %v", after["added"])
	}
	delete(after, "added")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("codes change (-before +after):\n%s", diff)
	}
}
