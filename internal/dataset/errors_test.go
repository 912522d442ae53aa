package dataset_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// TestReindexByHand moves everything that contains an item id, and rejects anything but a
// permutation.
func TestReindexByHand(t *testing.T) {
	d := &dataset.Dataset{
		Name: "d", Items: 3, ItemIDs: []string{"a", "b", "c"}, Titles: []string{"A", "B", "C"},
		Users: []dataset.User{{ID: 1, Items: []int{1, 2, 3, 1}}}, Negatives: map[int][]int{1: {3, 2}},
		Explanations: dataset.Splits{
			Train: []dataset.Explanation{{Item: 1}}, Val: []dataset.Explanation{{Item: 2}},
			Test: []dataset.Explanation{{Item: 3}},
		},
	}
	if err := d.Reindex([]int{2, 3, 1}); err != nil {
		t.Fatal(err)
	}
	want := &dataset.Dataset{
		Name: "d", Items: 3, ItemIDs: []string{"c", "a", "b"}, Titles: []string{"C", "A", "B"},
		Users: []dataset.User{{ID: 1, Items: []int{2, 3, 1, 2}}}, Negatives: map[int][]int{1: {1, 3}},
		Explanations: dataset.Splits{
			Train: []dataset.Explanation{{Item: 2}}, Val: []dataset.Explanation{{Item: 3}},
			Test: []dataset.Explanation{{Item: 1}},
		},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("reindexed (-want +got):\n%s", diff)
	}
	for want, ids := range map[string][]int{
		"2 ids for 3 items":               {1, 2},
		"4 ids for 3 items":               {1, 2, 3, 4},
		"the one at sorted position 1 is": {0, 1, 2},
		"the one at sorted position 2 is": {1, 3, 3},
		"sorted position 3 is 4":          {1, 2, 4},
	} {
		err := d.Reindex(ids)
		if err == nil || !strings.Contains(err.Error(), want) ||
			!strings.HasPrefix(err.Error(), `reindex dataset "d": `) {
			t.Errorf("%v: %v, want %s", ids, err, want)
		}
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("rejected ids changed the dataset (-want +got):\n%s", diff)
	}
}

// TestKeepIDsReportsTheFirstRemoved expects the first user or item of the old data that is not in
// the new data, and the number of others.
func TestKeepIDsReportsTheFirstRemoved(t *testing.T) {
	old := &dataset.Dataset{UserIDs: []string{"ann", "bob"}, ItemIDs: []string{"soap", "comb", "oil"}, Items: 3}
	for _, c := range []struct {
		users, items []string
		want         string
	}{
		{[]string{"ann", "bob"}, []string{"soap"}, `item "comb" (id 2) is no longer in the data, and 1 more`},
		{[]string{"ann", "bob"}, []string{"comb", "soap"}, `item "oil" (id 3) is no longer in the data, and 0 more`},
		{nil, nil, `user "ann" (id 1) is no longer in the data, and 1 more`},
	} {
		d := &dataset.Dataset{UserIDs: c.users, ItemIDs: c.items, Items: len(c.items)}
		if err := d.KeepIDs(old); !errors.Is(err, dataset.ErrRemoved) || err.Error() != c.want {
			t.Errorf("users %v, items %v: %v, want %s", c.users, c.items, err, c.want)
		}
	}
	odd := &dataset.Dataset{Name: "odd", UserIDs: old.UserIDs, ItemIDs: old.ItemIDs, Items: 4}
	if err := odd.KeepIDs(old); err == nil || !strings.Contains(err.Error(), "3 ids for 4 items") {
		t.Errorf("four items of three ids: %v", err)
	}
}

// TestWriteErrorNamesTheFile covers each file.
func TestWriteErrorNamesTheFile(t *testing.T) {
	d := readMini(t)
	d.Titles = make([]string, d.Items)
	d.Titles[0] = "soap"
	d.Users[0].Times = make([]int64, len(d.Users[0].Items))
	for _, name := range []string{
		"datamaps.json", "sequential.txt", "times.txt", "negative.txt", "explanation.json",
		"explanation_rationale.json",
		"titles.json",
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil { // a folder in place of the file
			t.Fatal(err)
		}
		err := dataset.Write(dir, d)
		if err == nil || !strings.Contains(err.Error(), name) ||
			!strings.HasPrefix(err.Error(), `write dataset "beauty_mini": `) {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dataset.Write(filepath.Join(file, "folder"), d); err == nil {
		t.Error("no error for a folder that is a file")
	}
}

// TestWriteToAFullDisk covers each file: the error is returned and no file remains.
func TestWriteToAFullDisk(t *testing.T) {
	const full = "/dev/full" // every write to it fails
	if _, err := os.Stat(full); err != nil {
		t.Skip("no /dev/full here")
	}
	d := readMini(t)
	d.Titles = make([]string, d.Items)
	for i := range d.Titles {
		d.Titles[i] = "soap"
	}
	for i := range d.Users {
		d.Users[i].Times = make([]int64, len(d.Users[i].Items))
	}
	for _, name := range []string{
		"datamaps.json", "sequential.txt", "times.txt", "negative.txt", "explanation.json",
		"explanation_rationale.json",
		"titles.json",
	} {
		dir := t.TempDir()
		if err := os.Symlink(full, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := dataset.Write(dir, d); err == nil || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	// A buffer that never fills up fails at the final flush.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(full, link); err != nil {
		t.Fatal(err)
	}
	err := dataset.Create(link, func(w *bufio.Writer) error {
		_, err := w.WriteString("little")
		return err
	})
	if err == nil {
		t.Error("no error on a full disk")
	}
}

// TestTimesAreWrittenIfTheFirstUserHasThem, and not for a dataset without users.
func TestTimesAreWrittenIfTheFirstUserHasThem(t *testing.T) {
	for name, users := range map[string][]dataset.User{
		"": nil, "1 5\n": {{ID: 1, Items: []int{1}, Times: []int64{5}}},
	} {
		out := t.TempDir()
		d := &dataset.Dataset{
			Items: 1, UserIDs: []string{"a"}, ItemIDs: []string{"w"}, Users: users, Titles: []string{""},
		}
		if err := dataset.Write(out, d); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(out, "times.txt"))
		if string(data) != name || (name == "") != errors.Is(err, os.ErrNotExist) {
			t.Errorf("times %q, %v; want %q", data, err, name)
		}
		if got := unpack(t, out, "titles.json"); got != "{}" {
			t.Errorf("titles %q, want none", got)
		}
	}
}

// TestUnreadableFilesAreReported as such, not as empty.
func TestUnreadableFilesAreReported(t *testing.T) {
	fsys := folder(nil)
	fsys["negative.txt"] = &fstest.MapFile{Mode: fs.ModeDir}
	_, err := dataset.Read(fsys, "tiny")
	if err == nil || !strings.HasPrefix(err.Error(), `read dataset "tiny": negative.txt: cannot be read: `) ||
		strings.Contains(err.Error(), "\n") {
		t.Errorf("a folder in place of a file: %v", err)
	}
	// A truncated packed file ends on the line after its last complete one.
	packed := "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" // the header of a gzip file without content
	_, err = dataset.Read(folder(map[string]string{"sequential.txt": "-", "sequential.txt.gz": packed}), "tiny")
	if err == nil || !strings.Contains(err.Error(),
		"sequential.txt.gz:1: gzip is truncated or damaged: unexpected EOF after 0 ") {
		t.Errorf("a packed file without text: %v", err)
	}
}

// TestStatsOfAnEmptyDataset must not divide by zero.
func TestStatsOfAnEmptyDataset(t *testing.T) {
	d := &dataset.Dataset{Users: []dataset.User{{ID: 1, Items: []int{1}}}}
	if got, want := d.Stats(), (dataset.Stats{
		Users: 1, Interactions: 1, Shortest: 1, Median: 1, Longest: 1,
		Short: 1,
	}); got != want {
		t.Errorf("without items %+v, want %+v", got, want)
	}
}

// TestBombsAreRefused reads a datamaps file of 200 KB that unpacks to 200 MB.
func TestBombsAreRefused(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	part := bytes.Repeat([]byte{' '}, 1<<20)
	for range 200 {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	fsys := folder(nil)
	delete(fsys, "datamaps.json")
	fsys["datamaps.json.gz"] = &fstest.MapFile{Data: packed.Bytes()}
	_, err := dataset.Read(fsys, "bomb")
	want := fmt.Sprintf("%d bytes of gzip unpack to more than %d", packed.Len(), 1<<20+200*packed.Len())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
