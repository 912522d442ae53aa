package task_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// rationalesOf returns the data of small with so many rationales of each user, in training and in
// validation: "2 likes 0" and "2 has 0" are the first of user 2.
func rationalesOf(users map[int]int) *dataset.Dataset {
	data := small()
	data.Explanations.Train, data.Explanations.Val = nil, nil
	for user := 2; user <= 4; user++ {
		for i := range users[user] {
			e := dataset.Explanation{
				User: user, Item: 1, Explanation: fmt.Sprintf("text %d %d", user, i),
				Preference: fmt.Sprintf("%d likes %d", user, i), Attribution: fmt.Sprintf("%d has %d", user, i),
			}
			data.Explanations.Train = append(data.Explanations.Train, e)
			data.Explanations.Val = append(data.Explanations.Val, e)
		}
	}
	return data
}

// trained returns the rationales that a batch of all training records has, by record:
// "2: 3 likes 0, 3 has 0".
func trained(t *testing.T, data *dataset.Dataset, s task.Settings) (all []string) {
	t.Helper()
	records := len(data.Explanations.Train)
	corpus := newCorpus(t, data, s)
	mixer, err := corpus.MixerFrom(spec.Train{Batch: records, Ratio: spec.Ratio{Rationale: 1}}, unshuffled{})
	if err != nil {
		t.Fatal(err)
	}
	rows := mixer.Next()
	for i := 0; i < len(rows); i += 2 {
		all = append(all, fmt.Sprintf("%d: %s, %s", rows[i].User, rows[i].Target, rows[i+1].Target))
	}
	list, err := corpus.Validation(task.Rationale, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(list.Examples); i += 2 {
		preference, attribute := list.Examples[i], list.Examples[i+1]
		all = append(all, fmt.Sprintf("%d: %s, %s", preference.User, preference.Target, attribute.Target))
	}
	return all
}

// unshuffled keeps every order.
type unshuffled struct{}

func (unshuffled) IntN(int) int  { return 0 }
func (unshuffled) Shuffle([]int) {}

// TestShuffledRationales: every rationale stays whole and is used once, by another user, in
// training and in validation; the seed decides by whom.
func TestShuffledRationales(t *testing.T) {
	s := clean("rdrec")
	s.Seed = 1
	for name, users := range map[string]map[int]int{
		"some":               {2: 3, 3: 2, 4: 4},
		"half are of a user": {2: 6, 3: 3, 4: 3},
	} {
		data := rationalesOf(users)
		own := trained(t, data, s)
		shuffled := s
		shuffled.Protocol.ShuffledRationales = true
		got := trained(t, data, shuffled)
		for i, line := range got {
			user, rationale, _ := strings.Cut(line, ": ")
			preference, attribute, _ := strings.Cut(rationale, ", ")
			if strings.HasPrefix(rationale, user+" ") {
				t.Errorf("%s: record %d has its own user's rationale: %s", name, i, line)
			}
			if strings.Replace(preference, "likes", "has", 1) != attribute {
				t.Errorf("%s: record %d has halves of two rationales: %s", name, i, line)
			}
		}
		rationales := func(lines []string) []string {
			var all []string
			for _, line := range lines {
				_, rationale, _ := strings.Cut(line, ": ")
				all = append(all, rationale)
			}
			slices.Sort(all)
			return all
		}
		if diff := cmp.Diff(rationales(own), rationales(got)); diff != "" {
			t.Errorf("%s: rationales (-unshuffled +shuffled):\n%s", name, diff)
		}
		again, other := shuffled, shuffled
		other.Seed = 2
		if diff := cmp.Diff(got, trained(t, data, again)); diff != "" {
			t.Errorf("%s: the same seed shuffles otherwise:\n%s", name, diff)
		}
		if cmp.Equal(got, trained(t, data, other)) {
			t.Errorf("%s: another seed shuffles equally", name)
		}
	}
}

// TestOneUsersRationalesStay: without another user, there is nothing to exchange.
func TestOneUsersRationalesStay(t *testing.T) {
	s := clean("rdrec")
	s.Protocol.ShuffledRationales = true
	if got := trained(t, rationalesOf(map[int]int{4: 2}), s); len(got) != 4 {
		t.Errorf("got %q, want two records of training and two of validation", got)
	}
}
