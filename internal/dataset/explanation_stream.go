package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
)

// ExplanationStream reads the explanations of a folder one by one, for folders whose explanations
// are too large for memory. The folder was read before: records are not checked again.
type ExplanationStream struct {
	fsys  fs.FS
	diags *diagnostics
	f     *file
	o     *object
}

// StreamExplanations returns the explanations of a folder; nil if it has none. Close it.
func StreamExplanations(fsys fs.FS) *ExplanationStream {
	if !exists(fsys, fileRationale) && !exists(fsys, fileExplanation) {
		return nil
	}
	return &ExplanationStream{fsys: regular{fsys}, diags: &diagnostics{}}
}

// Close closes the file.
func (x *ExplanationStream) Close() {
	if x != nil && x.f != nil {
		x.f.close()
		x.f = nil
	}
}

// Train returns the training explanations, in the file's order. Reading Train, Val and Test one
// after the other reads the file once.
func (x *ExplanationStream) Train() iter.Seq2[Explanation, error] { return x.split("train") }

// Val returns the validation explanations; see Train.
func (x *ExplanationStream) Val() iter.Seq2[Explanation, error] { return x.split("val") }

// Test returns the test explanations; see Train.
func (x *ExplanationStream) Test() iter.Seq2[Explanation, error] { return x.split("test") }

func (x *ExplanationStream) split(name string) iter.Seq2[Explanation, error] {
	return func(yield func(Explanation, error) bool) {
		if !x.seek(name) {
			yield(Explanation{}, x.err())
			return
		}
		words := map[string]string{}
		for i := 0; x.o.dec.More(); i++ {
			x.o.next()
			var got record
			ok, _ := x.o.value(fmt.Sprintf("%s[%d]", name, i), &got)
			if !ok || got.User == nil || got.Item == nil || got.Explanation == nil {
				yield(Explanation{}, x.err())
				return
			}
			e := got.explanation()
			e.Feature, e.Rating = once(words, e.Feature), once(words, e.Rating)
			if !yield(e, nil) {
				x.Close() // in the middle of a split
				return
			}
		}
		if !x.o.delim(']') {
			yield(Explanation{}, x.err())
		}
	}
}

// seek goes to the first record of a split, from the present position or else from the beginning.
func (x *ExplanationStream) seek(name string) bool {
	for range 2 {
		if x.f == nil && !x.open() {
			return false
		}
		for x.o.dec.More() {
			x.o.next()
			token, err := x.o.dec.Token()
			if err != nil {
				return x.o.syntax(err) && false
			}
			if token == name {
				return x.o.delim('[')
			}
			if !x.skip() {
				return false
			}
		}
		x.Close()
	}
	return false
}

// open opens the file that [Read] reads.
func (x *ExplanationStream) open() bool {
	name := fileExplanation
	if exists(x.fsys, fileRationale) {
		name = fileRationale
	}
	if x.f = open(x.fsys, name, x.diags); x.f == nil || x.f.failed {
		return false
	}
	x.o = newObject(x.f, x.diags)
	return x.o.delim('{')
}

// skip passes over a value, element by element if it is an array.
func (x *ExplanationStream) skip() bool {
	x.o.next()
	var skipped json.RawMessage
	if b, _ := x.o.f.at(x.o.ahead()); b != '[' {
		_, more := x.o.value("", &skipped)
		return more
	}
	if !x.o.delim('[') {
		return false
	}
	for x.o.dec.More() {
		x.o.next()
		if _, more := x.o.value("", &skipped); !more {
			return false
		}
	}
	return x.o.delim(']')
}

// err returns what is wrong with the file.
func (x *ExplanationStream) err() error {
	x.Close()
	if err := x.diags.err(); err != nil {
		return err
	}
	return errors.New("a split of the explanations is missing, or a record has no user, item or explanation")
}
