package dataset

import (
	"bytes"
	"strconv"
)

// idLine is a line "user number number ...".
type idLine struct {
	line    int
	user    int
	numbers []int64
}

// rows reads a file of such lines; an invalid line is reported and skipped.
func (r *reader) rows(f *file) []idLine {
	list := make([]idLine, 0, bytes.Count(f.data, []byte{'\n'})+1)
	seen := map[int]int{}
	line := 0
	for rest := f.data; len(rest) > 0; {
		text, after, _ := bytes.Cut(rest, []byte{'\n'})
		rest = after
		line++
		got, ok := r.row(f.name, line, bytes.TrimSuffix(text, []byte{'\r'}))
		if !ok {
			continue
		}
		if first, twice := seen[got.user]; twice {
			r.diags.add(f.name, line, "user %d already appears on line %d", got.user, first)
			continue
		}
		seen[got.user] = line
		list = append(list, got)
	}
	return list
}

func (r *reader) row(name string, line int, text []byte) (idLine, bool) {
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		r.diags.add(name, line, "want \"user number number ...\", got %s", quoteNumber(string(text)))
		return idLine{}, false
	}
	ids := make([]int64, len(fields))
	for i, field := range fields {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			r.diags.add(name, line, "%s is not a number", quoteNumber(string(field)))
			return idLine{}, false
		}
		ids[i] = n
	}
	return idLine{line: line, user: int(ids[0]), numbers: ids[1:]}, true
}

// sequences reads sequential.txt. An item may appear twice: users buy again.
func (r *reader) sequences() {
	f := required(r.fsys, fileSequential, r.diags)
	if f == nil {
		return
	}
	for _, got := range r.rows(f) {
		if !r.knownUser(got.user) {
			r.diags.add(f.name, got.line, "user %d is not in %s (1 to %d)", got.user, fileDatamaps, r.users)
			continue
		}
		r.lineOf[got.user] = len(r.d.Users)
		r.d.Users = append(r.d.Users, User{ID: got.user, Items: r.items(f.name, got)})
	}
	if !r.mapped || len(f.data) == 0 {
		return
	}
	var absent []int
	for id := 1; id <= r.users; id++ {
		if _, ok := r.lineOf[id]; !ok {
			absent = append(absent, id)
		}
	}
	reportMissing(r.diags, f.name, "users of "+fileDatamaps+" without a sequence", absent)
}

// items converts a row's numbers to item ids and reports those that do not exist.
func (r *reader) items(name string, got idLine) []int {
	items := make([]int, len(got.numbers))
	for i, n := range got.numbers {
		items[i] = int(n)
		if !r.knownItem(items[i]) {
			r.diags.add(
				name, got.line, "item %d of user %d is not in %s (1 to %d)", n, got.user, fileDatamaps, r.d.Items,
			)
		}
	}
	return items
}

// times reads times.txt, our own file beside sequential.txt: the same users with the Unix second of
// each item.
func (r *reader) times() {
	f := open(r.fsys, fileTimes, r.diags)
	if f == nil {
		return
	}
	for _, got := range r.rows(f) {
		at, ok := r.lineOf[got.user]
		if !ok {
			r.diags.add(f.name, got.line, "user %d is not in %s", got.user, fileSequential)
			continue
		}
		u := &r.d.Users[at]
		if len(got.numbers) != len(u.Items) {
			r.diags.add(f.name, got.line, "user %d has %d times for %d items", got.user, len(got.numbers), len(u.Items))
			continue
		}
		for i := 1; i < len(got.numbers); i++ {
			if got.numbers[i] < got.numbers[i-1] {
				r.diags.add(
					f.name, got.line, "time %d of user %d is before %d", got.numbers[i], got.user, got.numbers[i-1],
				)
				break
			}
		}
		u.Times = got.numbers
	}
	r.reportMissingUsers(f, func(u User) bool { return u.Times == nil })
}

// negatives reads negative.txt. A candidate that the user has seen, or that appears twice, would
// distort the ranking.
func (r *reader) negatives() {
	f := open(r.fsys, fileNegative, r.diags)
	if f == nil {
		return
	}
	r.d.Negatives = make(map[int][]int, len(r.d.Users))
	for _, got := range r.rows(f) {
		at, ok := r.lineOf[got.user]
		if !ok {
			r.diags.add(f.name, got.line, "user %d is not in %s", got.user, fileSequential)
			continue
		}
		items := r.items(f.name, got)
		r.d.Negatives[got.user] = items
		seen := make(map[int]string, len(items)+len(r.d.Users[at].Items))
		for _, item := range r.d.Users[at].Items {
			seen[item] = "in " + fileSequential
		}
		for _, item := range items {
			if where, twice := seen[item]; twice {
				r.diags.add(f.name, got.line, "item %d of user %d already appears %s", item, got.user, where)
			}
			seen[item] = "on this line"
		}
	}
	r.reportMissingUsers(f, func(u User) bool { return r.d.Negatives[u.ID] == nil })
}

// reportMissingUsers records the users of sequential.txt without a line in f. An unreadable file
// was reported already.
func (r *reader) reportMissingUsers(f *file, absent func(User) bool) {
	if len(f.data) == 0 {
		return
	}
	var ids []int
	for _, u := range r.d.Users {
		if absent(u) {
			ids = append(ids, u.ID)
		}
	}
	reportMissing(r.diags, f.name, "users of "+fileSequential+" without a line", ids)
}
