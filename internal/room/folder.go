package room

import (
	"fmt"
	"slices"
	"strings"
)

// Folder is a dataset folder that stages read whole: the bytes of its files by their names.
type Folder struct {
	Files map[string]int64
	// Negatives is how many items preprocessing samples for each user of a folder without any.
	Negatives int
	// Unread means that the files are an estimate of what an import makes of reviews. Filters may
	// leave any part of them, so such a folder never makes a machine too small.
	Unread bool
}

// part is what one of a dataset's files takes when it is read.
type part struct {
	file, unit string
	// row is a typical number of bytes of one unit in the file, and memory how many it takes once
	// it is read.
	row, memory int64
}

// parts returns what a dataset's files take.
func parts() []part {
	return []part{
		{sequencesFile, "interactions", 6, 21},
		{timesFile, "times", 11, 8},
		{negativeFile, "negatives", 6, 8},
		{idsFile, "ids", 28, 60},
		{titlesFile, "titles", 70, 66},
		{explanationFile, "explanations", 220, 200},
		{rationaleFile, "explanations with rationales", 420, 340},
		{"codes.json", "codes", 12, 24},
	}
}

const (
	sequencesFile, negativeFile, idsFile = "sequential.txt", "negative.txt", "datamaps.json"
	timesFile, titlesFile                = "times.txt", "titles.json"
	explanationFile, rationaleFile       = "explanation.json", "explanation_rationale.json"
	// usualHistory is a typical number of a user's interactions.
	usualHistory = 9
	// collector is how many times the memory in use a process takes from the system: Go's garbage
	// collector lets the heap double before it frees what is unused.
	collector = 2
	// buffers is what reading and writing files takes.
	buffers = 3 << 20
	// reviewBytes is a typical number of bytes of a review in its file.
	reviewBytes = 700
)

// reader is what differs between the stages that read a dataset.
type reader struct {
	// skipped are the files that a stage does not keep in memory. Copies is how many times the
	// folder is in its scratch folder. itemBytes is what its own tables take for each item.
	skipped           []string
	copies, itemBytes int64
}

// readerOf returns what a stage reads. Others than those named read the sequences and the ids.
func readerOf(work string) reader {
	switch work {
	case IndexWork:
		return reader{nil, 2, 0}
	case PreprocessWork: // it streams the explanations and the negatives that it samples
		return reader{[]string{explanationFile, rationaleFile, negativeFile}, 2, 0}
	case BaselineWork:
		return reader{[]string{explanationFile, rationaleFile}, 1, 512}
	case DataWork:
		return reader{[]string{timesFile, negativeFile, titlesFile}, 1, 0}
	case EvaluateWork:
		return reader{[]string{timesFile, titlesFile, explanationFile, rationaleFile}, 1, 0}
	default:
		return reader{[]string{timesFile, negativeFile, titlesFile, explanationFile, rationaleFile}, 1, 0}
	}
}

// Reviews returns what an import makes of files of reviews, roughly.
func Reviews(files Files, negatives int) Folder {
	reviews := (files.Plain + packing*files.Packed) / reviewBytes
	of := map[string]int64{}
	for _, p := range parts() {
		if p.file == explanationFile || p.file == sequencesFile || p.file == timesFile {
			of[p.file] = reviews * p.row
		}
	}
	return Folder{Files: of, Negatives: negatives, Unread: true}
}

// Needs returns what a stage takes that reads the folder; nil if it is empty.
func (f Folder) Needs(work string) []Need {
	r := readerOf(work)
	memory, disk := int64(buffers), int64(0)
	var basis []string
	for _, p := range parts() {
		size := f.size(p)
		disk += size
		if size == 0 || f.skips(r, p.file) {
			continue
		}
		n := size / p.row
		memory += n * p.memory
		if p.file == idsFile {
			memory += n * r.itemBytes
		}
		basis = append(basis, fmt.Sprintf("%s %s of %d bytes", count(n), p.unit, p.memory))
	}
	if disk == 0 {
		return nil
	}
	needs := []Need{
		{work, Memory, memory, collector * memory, strings.Join(basis, ", ") + ", and " + Text(buffers)},
		{work, Scratch, r.copies * disk, r.copies * disk, fmt.Sprintf("%s of files, %d times", Text(disk), r.copies)},
	}
	for i := range needs {
		if f.Unread {
			needs[i].Least = 0
			needs[i].Basis += "; filters may leave less"
		}
	}
	return needs
}

// skips reports whether a stage does not read a file. Explanations with rationales replace those
// without.
func (f Folder) skips(r reader, file string) bool {
	return slices.Contains(r.skipped, file) || file == explanationFile && f.Files[rationaleFile] > 0
}

// size returns the bytes of a file, also of one that preprocessing makes.
func (f Folder) size(p part) int64 {
	if p.file != negativeFile || f.Files[p.file] > 0 {
		return f.Files[p.file]
	}
	users := f.Files[sequencesFile] / parts()[0].row / usualHistory
	return users * int64(f.Negatives) * p.row
}

// Experiment returns what the stages of an experiment take that read the folder.
func (f Folder) Experiment() (needs []Need) {
	for _, work := range []string{PreprocessWork, BaselineWork, DataWork, EvaluateWork} {
		needs = append(needs, f.Needs(work)...)
	}
	return needs
}

// count returns a number for people.
func count(n int64) string {
	const million = 1_000_000
	if n < million {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.1f million", float64(n)/million)
}
