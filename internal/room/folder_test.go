package room_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"rdrec/internal/dataset"
	"rdrec/internal/room"
)

// history is how many reviews each synthetic user has, and sampled how many negatives.
const history, sampled = 9, 99

// synthetic returns a dataset of so many reviews, each with a time, a sentence, a word of it and
// two sentences of a rationale; each item has a title.
func synthetic(reviews int) *dataset.Dataset {
	d := &dataset.Dataset{Name: "synthetic", Items: max(reviews/20, 1000)}
	for item := range d.Items {
		d.ItemIDs = append(d.ItemIDs, fmt.Sprintf("B%09d", item*7919))
		d.Titles = append(d.Titles, fmt.Sprintf("Moisturizing Hand Cream With Olive Oil, %d Ounces", item))
	}
	splits := []*[]dataset.Explanation{&d.Explanations.Train, &d.Explanations.Val, &d.Explanations.Test}
	for user := range reviews / history {
		u := dataset.User{ID: user + 1}
		d.UserIDs = append(d.UserIDs, fmt.Sprintf("A%013d", user*104_729))
		for i := range history {
			item := (user*31+i*i*97)%d.Items + 1
			u.Items, u.Times = append(u.Items, item), append(u.Times, int64(1_400_000_000+user+i*86_400))
			e := dataset.Explanation{
				User: u.ID, Item: item, Feature: "smell", Rating: "5",
				Explanation: fmt.Sprintf("the smell of number %d is light and it lasts the whole day %d", item, user),
				Preference:  fmt.Sprintf("The user %d prefers light scents that last for the whole day.", user),
				Attribution: fmt.Sprintf("The item %d has a light scent that lasts for the whole day.", item),
			}
			split := splits[max(0, i-history+3)]
			*split = append(*split, e)
		}
		d.Users = append(d.Users, u)
	}
	return d
}

// The variables that make this test's program preprocess a folder.
const folderVariable, outVariable = "ROOM_FOLDER", "ROOM_OUT"

// preprocess does what the stage does with a folder without rationales of a teacher.
func preprocess(folder fs.FS, out string) error {
	d, err := dataset.ReadParts(folder, "synthetic", dataset.All&^dataset.Explanations)
	if err != nil {
		return err
	}
	texts := dataset.StreamExplanations(folder)
	defer texts.Close()
	source := d.Source()
	source.Negatives = d.StreamNegatives(sampled, 1)
	source.Train, source.Val, source.Test = texts.Train(), texts.Val(), texts.Test()
	return dataset.Stream(out, source)
}

// status has the greatest memory of this process on Linux, in the line that begins so.
const status, greatest = "/proc/self/status", "VmHWM:"

// TestPreprocessAlone is what [TestMemoryOfADataset] runs in a process of its own. It prints the
// greatest memory of the process, in KiB.
func TestPreprocessAlone(t *testing.T) {
	folder, out := os.Getenv(folderVariable), os.Getenv(outVariable)
	if out == "" {
		t.Skip("run by TestMemoryOfADataset")
	}
	if folder != "" {
		if err := preprocess(os.DirFS(folder), out); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), greatest)
	t.Log(greatest, strings.Fields(after)[0], "kB")
}

// peak returns the greatest memory of a process that preprocesses a folder, beyond that of one that
// does nothing, in bytes. It collects garbage whenever the heap has grown by so many percent.
func peak(t *testing.T, folder string, percent int) (bytes int64) {
	t.Helper()
	if _, err := os.Stat(status); err != nil {
		t.Skip("the memory of a process is unknown here")
	}
	for sign, folder := range map[int64]string{1: folder, -1: ""} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], //nolint:gosec // this program
			"-test.run=^TestPreprocessAlone$", "-test.v")
		cmd.Env = append(os.Environ(), folderVariable+"="+folder, outVariable+"="+t.TempDir(),
			"GOGC="+strconv.Itoa(percent))
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		_, after, _ := strings.Cut(string(text), greatest)
		kibi, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		bytes += sign * kibi << 10
	}
	return bytes
}

// TestMemoryOfADataset compares the estimate of preprocessing with what a process takes: what it
// takes at least with a process that collects garbage all the time, what is expected with Go's
// default. ROOM_REVIEWS is another number of reviews; docs/scale.md has larger ones.
func TestMemoryOfADataset(t *testing.T) {
	reviews := []int{80_000, 240_000}
	if own, err := strconv.Atoi(os.Getenv("ROOM_REVIEWS")); err == nil {
		reviews = []int{own}
	}
	for _, n := range reviews {
		folder := t.TempDir()
		if err := dataset.Write(folder, synthetic(n)); err != nil {
			t.Fatal(err)
		}
		sizes := dataset.Sizes(os.DirFS(folder))
		need := room.Folder{Files: sizes, Negatives: sampled}.Needs(room.PreprocessWork)[0]
		total := int64(0)
		for _, size := range sizes {
			total += size
		}
		least, usual := peak(t, folder, 5), peak(t, folder, 100)
		t.Logf("%d reviews, files of %s: at least %s, takes %s; estimated %s and %s; %d bytes a review", n,
			room.Text(total), room.Text(least), room.Text(usual), room.Text(need.Least), room.Text(need.Expected),
			usual/int64(n))
		if least > 2*need.Least || need.Least > least*5/4 {
			t.Errorf("takes at least %s, estimated %s", room.Text(least), room.Text(need.Least))
		}
		if usual > 2*need.Expected || need.Expected > 2*usual {
			t.Errorf("takes %s, estimated %s", room.Text(usual), room.Text(need.Expected))
		}
	}
}

// TestNeedsOfADataset has a folder, and reviews that are not imported yet.
func TestNeedsOfADataset(t *testing.T) {
	t.Parallel()
	folder := room.Folder{
		Files: map[string]int64{
			"sequential.txt": 6000, "datamaps.json": 2800, "explanation.json": 22_000, "x": 1 << 40,
		},
		Negatives: 9,
	}
	needs, training := folder.Needs(room.PreprocessWork), folder.Needs(room.DataWork)[0]
	if len(needs) != 2 || needs[0].Least != 3<<20+1000*21+100*60 || needs[1].Least <= 2*(6000+2800+22_000) ||
		!strings.HasPrefix(needs[0].Basis, "1000 interactions of 21 bytes, 100 ids of 60 bytes, and 3 MiB") {
		t.Errorf("%+v", needs)
	}
	if training.Least != needs[0].Least+100*200 {
		t.Errorf("explanations of a training: %+v", training)
	}
	if tables := folder.Needs(room.BaselineWork)[0]; tables.Least <= needs[0].Least {
		t.Errorf("the baselines' tables take nothing: %+v", tables)
	}
	folder.Files["explanation_rationale.json"] = 42_000
	if replaced := folder.Needs(room.DataWork)[0]; replaced.Least != needs[0].Least+100*340 {
		t.Errorf("explanations count twice: %+v", replaced)
	}
	if empty := (room.Folder{}).Experiment(); empty != nil {
		t.Errorf("%+v", empty)
	}
	for _, need := range room.Reviews(room.Files{Plain: 7 << 30, Packed: 1 << 30}, 99).Experiment() {
		err := room.Check([]room.Need{need}, map[string]int64{need.What: 1})
		if need.Least != 0 || need.Expected < 1<<28 || err != nil {
			t.Errorf("%+v, %v", need, err)
		}
	}
	err := room.Check(needs, map[string]int64{room.Memory: 1000})
	const want = "preprocess needs 3 MiB of memory, has 1 KiB (1000 interactions"
	if err == nil || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), "filter the reviews on import") {
		t.Error(err)
	}
}
