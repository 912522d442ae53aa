package dataset

import (
	"bytes"
	"iter"
	"math"
	"strconv"
)

// idLine is a line "user number number ...".
type idLine struct {
	line    int
	user    int
	numbers []int64
}

// rows returns the lines of a file, each valid until the next; an invalid line is reported and
// skipped.
func (r *reader) rows(f *file) iter.Seq[idLine] {
	return func(yield func(idLine) bool) {
		seen := r.newIndex()
		var numbers []int64
		for line, text := range f.lines() {
			got, ok := r.row(f.name, line, text, numbers)
			if !ok {
				continue
			}
			numbers = got.numbers
			if first, twice := seen.get(got.user); twice {
				r.diags.add(f.name, line, "user %d already appears on line %d", got.user, first)
				continue
			}
			seen.set(got.user, line)
			if !yield(got) {
				return
			}
		}
	}
}

// row parses a line; the numbers are written over those of an earlier line.
func (r *reader) row(name string, line int, text []byte, numbers []int64) (idLine, bool) {
	numbers, fields := numbers[:0], 0
	user := int64(0)
	for field := range bytes.FieldsSeq(text) {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			r.diags.add(name, line, "%s is not a number", quoteNumber(string(field)))
			return idLine{}, false
		}
		if fields == 0 {
			user = n
		} else {
			numbers = append(numbers, n)
		}
		fields++
	}
	if fields < 2 {
		r.diags.add(name, line, "want \"user number number ...\", got %s", quoteNumber(string(text)))
		return idLine{}, false
	}
	return idLine{line: line, user: int(user), numbers: numbers}, true
}

// index maps ids to numbers from 0. Ids of the datamaps take four bytes each.
type index struct {
	dense []int32 // [id] number + 1; 0 for none
	other map[int]int
}

func (r *reader) newIndex() *index { return &index{make([]int32, r.users+1), map[int]int{}} }

func (x *index) get(id int) (int, bool) {
	if id >= 0 && id < len(x.dense) {
		return int(x.dense[id]) - 1, x.dense[id] > 0
	}
	number, ok := x.other[id]
	return number, ok
}

func (x *index) set(id, number int) {
	if id >= 0 && id < len(x.dense) && number < math.MaxInt32 {
		x.dense[id] = int32(number + 1) //nolint:gosec // compared above
		return
	}
	x.other[id] = number
}

// sequences reads sequential.txt. An item may appear twice: users buy again.
func (r *reader) sequences() {
	f := required(r.fsys, fileSequential, r.diags)
	if f == nil {
		return
	}
	r.lineOf = r.newIndex()
	r.d.Users = make([]User, 0, r.users)
	for got := range r.rows(f) {
		if !r.knownUser(got.user) {
			r.diags.add(f.name, got.line, "user %d is not in %s (1 to %d)", got.user, fileDatamaps, r.users)
			continue
		}
		r.lineOf.set(got.user, len(r.d.Users))
		r.d.Users = append(r.d.Users, User{ID: got.user, Items: r.items(f.name, got)})
	}
	f.close()
	if !r.mapped || f.failed {
		return
	}
	var absent []int
	for id := 1; id <= r.users; id++ {
		if _, ok := r.lineOf.get(id); !ok {
			absent = append(absent, id)
		}
	}
	reportMissing(r.diags, f.name, "users of "+fileDatamaps+" without a sequence", absent)
}

// items converts a row's numbers to item ids and reports those that do not exist.
func (r *reader) items(name string, got idLine) []int {
	items := r.ints.take(len(got.numbers))
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
	for got := range r.rows(f) {
		at, ok := r.lineOf.get(got.user)
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
		u.Times = r.seconds.take(len(got.numbers))
		copy(u.Times, got.numbers)
	}
	f.close()
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
	for got := range r.rows(f) {
		at, ok := r.lineOf.get(got.user)
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
	f.close()
	r.reportMissingUsers(f, func(u User) bool { return r.d.Negatives[u.ID] == nil })
}

// reportMissingUsers records the users of sequential.txt without a line in f. An unreadable file
// was reported already.
func (r *reader) reportMissingUsers(f *file, absent func(User) bool) {
	if f.failed {
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

// arena allocates many small slices in few large ones.
type arena[T any] struct{ free []T }

const arenaSize = 1 << 16

// take returns a slice of n zero values of its own.
func (a *arena[T]) take(n int) []T {
	if n > len(a.free) {
		a.free = make([]T, max(n, arenaSize))
	}
	taken := a.free[:n:n]
	a.free = a.free[n:]
	return taken
}
