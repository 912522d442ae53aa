package dataset

import (
	"slices"
	"strings"
)

// fileOpenP5 is OpenP5's file of sequences, in the shop's ids: a user and the items on each line.
const fileOpenP5 = "user_sequence.txt"

// names returns a file's name and those that P5 has for it.
func names(name string) []string {
	switch name {
	case fileSequential:
		return []string{name, "sequential_data.txt"}
	case fileNegative:
		return []string{name, "negative_samples.txt"}
	default:
		return []string{name}
	}
}

// SequenceFiles returns the names of the files of which a dataset folder has one.
func SequenceFiles() []string { return append(names(fileSequential), fileOpenP5) }

// openP5 reads OpenP5's file of sequences, if it takes the place of sequential.txt and
// datamaps.json. Users and items get ids in the alphabetical order of the shop's, which reveals
// nothing about the sequences.
func (r *reader) openP5() bool {
	if exists(r.fsys, fileSequential) {
		return false
	}
	f := open(r.fsys, fileOpenP5, r.diags)
	if f == nil {
		return false
	}
	defer f.close()
	var users []string
	var sequences [][]string
	lines := map[string]int{}
	for line, text := range f.lines() {
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			r.diags.add(f.name, line, "want \"user item item ...\", got %s", quoteNumber(string(text)))
			continue
		}
		if first, twice := lines[fields[0]]; twice {
			r.diags.add(f.name, line, "user %s already appears on line %d", quote(fields[0]), first)
			continue
		}
		lines[fields[0]] = line
		users, sequences = append(users, fields[0]), append(sequences, fields[1:])
	}
	r.d.UserIDs = sortedIDs(users)
	r.d.ItemIDs = sortedIDs(slices.Concat(sequences...))
	r.users, r.d.Items, r.mapped = len(r.d.UserIDs), len(r.d.ItemIDs), true
	r.lineOf = r.newIndex()
	for i, user := range users {
		u := User{ID: idOf(r.d.UserIDs, user)}
		for _, item := range sequences[i] {
			u.Items = append(u.Items, idOf(r.d.ItemIDs, item))
		}
		r.lineOf.set(u.ID, len(r.d.Users))
		r.d.Users = append(r.d.Users, u)
	}
	return true
}

// sortedIDs returns the different ids in alphabetical order.
func sortedIDs(all []string) []string {
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// idOf returns the id of a shop's id among sorted ones.
func idOf(sorted []string, id string) int {
	at, _ := slices.BinarySearch(sorted, id)
	return at + 1
}
