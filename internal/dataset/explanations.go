package dataset

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// record is an explanation as in the files; a missing field is nil.
type record struct {
	User        *int         `json:"user"`
	Item        *int         `json:"item"`
	Explanation *string      `json:"explanation"`
	Feature     *string      `json:"feature"`
	Preference  *string      `json:"user_preference"`
	Attribution *string      `json:"item_attribution"`
	Rating      *json.Number `json:"rating"`
}

// explanations reads explanation_rationale.json, otherwise explanation.json, otherwise nothing:
// then the explanation task is disabled.
func (r *reader) explanations() {
	f := open(r.fsys, fileRationale, r.diags)
	if f == nil {
		f = open(r.fsys, fileExplanation, r.diags)
	}
	if f == nil {
		return
	}
	defer f.close()
	if f.failed {
		return
	}
	splits := map[string]*[]Explanation{
		"train": &r.d.Explanations.Train, "val": &r.d.Explanations.Val, "test": &r.d.Explanations.Test,
	}
	o := newObject(f, r.diags)
	found := 0
	complete := o.entries(func(key string, _ int) bool {
		list := splits[key]
		if list == nil {
			var skipped json.RawMessage
			_, more := o.value(key, &skipped)
			return more
		}
		found++
		var ok bool
		*list, ok = r.split(o, key)
		return ok
	})
	if complete && found < len(splits) {
		r.diags.add(f.name, 0, "want \"train\", \"val\" and \"test\", found %d of them", found)
	}
}

// split reads one array of records.
func (r *reader) split(o *object, name string) ([]Explanation, bool) {
	if !o.delim('[') {
		return nil, false
	}
	list := []Explanation{}
	seen := repeats{}
	words := map[string]string{} // features and ratings, which repeat
	for i := 0; o.dec.More(); i++ {
		line := o.next()
		var got record
		ok, more := o.value(fmt.Sprintf("%s[%d]", name, i), &got)
		if !more {
			return nil, false
		}
		if !ok || !r.checkRecord(o.f.name, line, got) {
			continue
		}
		e := got.explanation()
		e.Feature, e.Rating = once(words, e.Feature), once(words, e.Rating)
		if first := seen.add(e, line); first > 0 {
			r.diags.add(
				o.f.name, line, "the explanation of user %d and item %d already appears on line %d", e.User, e.Item,
				first,
			)
			continue
		}
		list = append(list, e)
	}
	return list, o.delim(']')
}

// once returns the first string that equals text, so that it is in memory once.
func once(known map[string]string, text string) string {
	if first, ok := known[text]; ok {
		return first
	}
	known[text] = text
	return text
}

// repeats finds explanations that are equal by a digest of each, which takes less memory than they
// do.
type repeats map[[16]byte]int32

// add returns the line of an equal explanation that was added before; 0 if there is none.
func (seen repeats) add(e Explanation, line int) int {
	hash := sha256.New()
	for _, text := range []string{
		strconv.Itoa(e.User), strconv.Itoa(e.Item), e.Explanation, e.Feature, e.Preference, e.Attribution, e.Rating,
	} {
		_, _ = io.WriteString(hash, strconv.Quote(text)) //nolint:errcheck // writing to a hash never fails
	}
	key := [16]byte(hash.Sum(nil))
	if first, twice := seen[key]; twice {
		return int(first)
	}
	seen[key] = int32(min(line, math.MaxInt32)) //nolint:gosec // bounded
	return 0
}

// checkRecord reports missing fields and unknown ids of a record. A feature may be missing: no task
// needs it.
func (r *reader) checkRecord(name string, line int, got record) bool {
	ok := true
	for _, need := range []struct {
		field  string
		absent bool
	}{{"user", got.User == nil}, {"item", got.Item == nil}, {"explanation", got.Explanation == nil}} {
		if need.absent {
			r.diags.add(name, line, "field %q is missing", need.field)
			ok = false
		}
	}
	if !ok {
		return false
	}
	if !r.knownUser(*got.User) {
		r.diags.add(name, line, "user %d is not in %s (1 to %d)", *got.User, fileDatamaps, r.users)
		ok = false
	}
	if !r.knownItem(*got.Item) {
		r.diags.add(name, line, "item %d is not in %s (1 to %d)", *got.Item, fileDatamaps, r.d.Items)
		ok = false
	}
	return ok
}

func (got record) explanation() Explanation {
	e := Explanation{User: *got.User, Item: *got.Item, Explanation: *got.Explanation}
	if got.Feature != nil {
		e.Feature = *got.Feature
	}
	if got.Preference != nil {
		e.Preference = *got.Preference
	}
	if got.Attribution != nil {
		e.Attribution = *got.Attribution
	}
	if got.Rating != nil {
		e.Rating = string(*got.Rating)
	}
	return e
}

// titles reads titles.json, our own file (the shop's item id -> title), otherwise item_keywords.tsv
// (id, the shop's id, words).
func (r *reader) titles() {
	if f := open(r.fsys, fileTitles, r.diags); f != nil {
		defer f.close()
		if !f.failed {
			r.titleMap(f)
		}
		return
	}
	if f := open(r.fsys, fileItemKeywords, r.diags); f != nil {
		defer f.close()
		r.keywords(f)
	}
}

func (r *reader) titleMap(f *file) {
	ids := make(map[string]int, len(r.d.ItemIDs))
	for i, id := range r.d.ItemIDs {
		ids[id] = i + 1
	}
	titles := make([]string, r.d.Items)
	o := newObject(f, r.diags)
	o.entries(func(key string, line int) bool {
		var title string
		_, more := o.value("title of "+quote(key), &title)
		n, known := ids[key]
		switch {
		case known:
			titles[n-1] = title
		case r.mapped:
			r.diags.add(f.name, line, "item %s is not in %s", quote(key), fileDatamaps)
		}
		return more
	})
	r.d.Titles = titles
}

func (r *reader) keywords(f *file) {
	titles := make([]string, r.d.Items)
	for line, text := range f.lines() {
		fields := strings.Split(string(text), "\t")
		if len(fields) < 3 {
			r.diags.add(f.name, line, "want item id, the shop's id and words between tabs, got %d columns", len(fields))
			continue
		}
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			r.diags.add(f.name, line, "%s is not a number", quoteNumber(fields[0]))
			continue
		}
		if n < 1 || n > len(titles) {
			if r.mapped {
				r.diags.add(f.name, line, "item %d is not in %s (1 to %d)", n, fileDatamaps, r.d.Items)
			}
			continue
		}
		if r.d.ItemIDs[n-1] != fields[1] {
			r.diags.add(
				f.name, line, "item %d is %s here and %s in %s", n, quote(fields[1]), quote(r.d.ItemIDs[n-1]),
				fileDatamaps,
			)
		}
		titles[n-1] = strings.ToValidUTF8(fields[2], "\uFFFD")
	}
	r.d.Titles = titles
}
