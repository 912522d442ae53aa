package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
)

// Source is a dataset as streams, for datasets too large for memory; a nil stream means that its
// file is not written. Each stream is read once, in the order of the fields, and ends at its first
// error.
type Source struct {
	// UserIDs and ItemIDs are the shop's ids of 1, 2, ...
	UserIDs, ItemIDs iter.Seq2[string, error]
	// Users are the sequences; Times are the same users again, whose Times are written.
	Users, Times iter.Seq2[User, error]
	// Negatives are users whose Items are unseen items.
	Negatives iter.Seq2[User, error]
	// Train, Val and Test are the explanations: all three or none.
	Train, Val, Test iter.Seq2[Explanation, error]
	// Rationales writes explanation_rationale.json as well; the explanations are then read twice.
	Rationales bool
	// Titles are pairs of the shop's item id and the title.
	Titles iter.Seq2[[2]string, error]
	// Codes are the codes of the items.
	Codes *Codes
	// Indent is the number of spaces per level of the JSON; 0 means 1.
	Indent int
}

// Write writes d as a folder that [Read] and the reference can read: same dataset, same bytes. It
// creates dir if missing; files of an older dataset in it are overwritten, not removed.
func Write(dir string, d *Dataset) error {
	if err := Stream(dir, d.Source()); err != nil {
		return fmt.Errorf("write dataset %q: %w", d.Name, err)
	}
	return nil
}

// Source returns the dataset as streams.
func (d *Dataset) Source() Source {
	s := Source{
		UserIDs: streamOf(d.UserIDs), ItemIDs: streamOf(d.ItemIDs), Users: streamOf(d.Users), Codes: d.Codes,
		Indent: d.Indent,
	}
	if len(d.Users) > 0 && d.Users[0].Times != nil {
		s.Times = streamOf(d.Users)
	}
	if d.Negatives != nil {
		s.Negatives = func(yield func(User, error) bool) {
			for _, u := range d.Users {
				if !yield(User{ID: u.ID, Items: d.Negatives[u.ID]}, nil) {
					return
				}
			}
		}
	}
	if d.HasExplanations() {
		e := d.Explanations
		s.Train, s.Val, s.Test = streamOf(e.Train), streamOf(e.Val), streamOf(e.Test)
		s.Rationales = d.HasRationales()
	}
	if d.Titles != nil {
		s.Titles = titledItems(d)
	}
	return s
}

// Stream writes s into dir.
func Stream(dir string, s Source) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	indent := s.Indent
	if indent < 1 {
		indent = 1
	}
	for _, out := range []struct {
		name    string
		skipped bool
		write   func(*bufio.Writer) error
	}{
		{fileDatamaps, s.UserIDs == nil, func(w *bufio.Writer) error { return s.datamaps(newJSON(w, indent)) }},
		{fileSequential, s.Users == nil, func(w *bufio.Writer) error { return writeLines(w, s.Users, itemsOf) }},
		{fileTimes, s.Times == nil, func(w *bufio.Writer) error { return writeLines(w, s.Times, timesOf) }},
		{fileNegative, s.Negatives == nil, func(w *bufio.Writer) error { return writeLines(w, s.Negatives, itemsOf) }},
		{
			fileExplanation, s.Train == nil,
			func(w *bufio.Writer) error { return s.explanations(newJSON(w, indent), false) },
		},
		{fileRationale, !s.Rationales, func(w *bufio.Writer) error { return s.explanations(newJSON(w, indent), true) }},
		{fileTitles, s.Titles == nil, func(w *bufio.Writer) error { return s.titles(newJSON(w, indent)) }},
		{fileCodes, s.Codes == nil, s.Codes.write},
	} {
		if out.skipped {
			continue
		}
		if err := Create(filepath.Join(dir, out.name), out.write); err != nil {
			return err
		}
	}
	return nil
}

// Create writes one file through a buffer and removes it if writing fails.
func Create(name string, write func(*bufio.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), errors.Join(err, os.Remove(name)))
	}
	return nil
}

func itemsOf(line []byte, u User) []byte {
	for _, item := range u.Items {
		line = strconv.AppendInt(append(line, ' '), int64(item), 10)
	}
	return line
}

func timesOf(line []byte, u User) []byte {
	for _, second := range u.Times {
		line = strconv.AppendInt(append(line, ' '), second, 10)
	}
	return line
}

// writeLines writes "user number number ..." for each user.
func writeLines(w *bufio.Writer, users iter.Seq2[User, error], ids func([]byte, User) []byte) error {
	var line []byte
	for u, err := range users {
		if err != nil {
			return err
		}
		line = ids(strconv.AppendInt(line[:0], int64(u.ID), 10), u)
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// streamOf returns a slice as a stream without errors.
func streamOf[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// titledItems returns the items that have a title.
func titledItems(d *Dataset) iter.Seq2[[2]string, error] {
	return func(yield func([2]string, error) bool) {
		for i, title := range d.Titles {
			if title != "" && !yield([2]string{d.ItemIDs[i], title}, nil) {
				return
			}
		}
	}
}
