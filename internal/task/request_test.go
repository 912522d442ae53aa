package task_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// upTo returns the numbers from 1 to n.
func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// TestHistoriesAreTruncatedToTwenty: serving reads the last 20 items of a whole history; validation
// and testing the last 20 before the item to find.
func TestHistoriesAreTruncatedToTwenty(t *testing.T) {
	for _, c := range []struct{ items, next, test, valid [2]int }{
		{[2]int{1, 3}, [2]int{1, 3}, [2]int{1, 2}, [2]int{1, 1}},
		{[2]int{1, 20}, [2]int{1, 20}, [2]int{1, 19}, [2]int{1, 18}},
		{[2]int{1, 21}, [2]int{2, 21}, [2]int{1, 20}, [2]int{1, 19}},
		{[2]int{1, 22}, [2]int{3, 22}, [2]int{2, 21}, [2]int{1, 20}},
		{[2]int{1, 23}, [2]int{4, 23}, [2]int{3, 22}, [2]int{2, 21}},
	} {
		data := small()
		data.Users = []dataset.User{{ID: 9, Items: upTo(c.items[1])}}
		corpus := newCorpus(t, data, paper("rdrec"))
		for name, list := range map[string]struct {
			want [2]int
			from func() (task.List, error)
		}{
			"serving":    {c.next, func() (task.List, error) { return corpus.NextItemList(data.Users) }},
			"testing":    {c.test, func() (task.List, error) { return corpus.Test(task.Sequential, 1) }},
			"validation": {c.valid, func() (task.List, error) { return corpus.Validation(task.Sequential, 1, 1) }},
		} {
			got, err := list.from()
			if err != nil {
				t.Fatal(err)
			}
			items := got.Examples[0].Items
			if read := [2]int{items[0], items[len(items)-1]}; read != list.want || len(items) != read[1]-read[0]+1 {
				t.Errorf("%d items, %s: reads %v, want %v", c.items[1], name, items, list.want)
			}
		}
	}
}

func TestNextItemListReadsTheWholeHistory(t *testing.T) {
	users := []dataset.User{{ID: 9, Items: []int{7}}, {ID: 4, Items: []int{5, 6}}}
	list, err := newCorpus(t, small(), paper("rdrec")).NextItemList(users)
	if err != nil {
		t.Fatal(err)
	}
	want := []task.Example{
		{Prompt: task.PromptSequential, User: 9, Items: []int{7}, Source: "user_9 item_7", Target: "0"},
		{Prompt: task.PromptSequential, User: 4, Items: []int{5, 6}, Source: "user_4 item_5 item_6", Target: "0"},
	}
	if diff := cmp.Diff(want, list.Examples); diff != "" || list.Task != task.Sequential {
		t.Errorf("%s examples (-want +got):\n%s", list.Task, diff)
	}
	users[1].Items = nil
	_, err = newCorpus(t, small(), paper("rdrec")).NextItemList(users)
	if err == nil || err.Error() != `dataset "small": user 4 has an empty history` {
		t.Errorf("error %v", err)
	}
}

func TestExplanationListAsksAboutPairs(t *testing.T) {
	pairs := []task.Pair{{User: 9, Item: 7}, {User: 1, Item: 2}}
	list, err := newCorpus(t, small(), paper("rdrec")).ExplanationList(pairs)
	if err != nil {
		t.Fatal(err)
	}
	want := []task.Example{
		{
			Prompt: task.PromptExplanation,
			User:   9,
			Item:   7,
			Source: "user_9 item_7",
		},
		{Prompt: task.PromptExplanation, User: 1, Item: 2, Source: "user_1 item_2"},
	}
	if diff := cmp.Diff(want, list.Examples); diff != "" || list.Task != task.Explanation {
		t.Errorf("%s examples (-want +got):\n%s", list.Task, diff)
	}
}

func TestListsWithoutTemplates(t *testing.T) {
	corpus := newCorpus(t, small(), paper("p5")).Lacking()
	for want, list := range map[string]func() (task.List, error){
		`method "p5" has no rationale examples: template set "p5" has none`: func() (task.List, error) {
			return newCorpus(t, small(), paper("p5")).Validation(task.Rationale, 1, 1)
		},
		`method "p5" has no topn examples: template set "p5" has none`: func() (task.List, error) {
			return corpus.Test(task.TopN, 1)
		},
		`method "p5" has no sequential examples: template set "p5" has none`: func() (task.List, error) {
			return corpus.NextItemList(small().Users)
		},
		`method "p5" has no explanation examples: template set "p5" has none`: func() (task.List, error) {
			return corpus.ExplanationList([]task.Pair{{User: 1, Item: 2}})
		},
	} {
		if _, err := list(); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestTasksOfATemplateSet: a rationale needs both of its halves.
func TestTasksOfATemplateSet(t *testing.T) {
	one := []string{"x"}
	for name, c := range map[string]struct {
		set  task.TemplateSet
		want []task.Task
	}{
		"none":              {task.TemplateSet{}, nil},
		"explanations":      {task.TemplateSet{Explanation: one}, []task.Task{task.Explanation}},
		"sequences":         {task.TemplateSet{Sequential: one}, []task.Task{task.Sequential}},
		"top-N":             {task.TemplateSet{TopN: one}, []task.Task{task.TopN}},
		"preferences alone": {task.TemplateSet{Preference: "x"}, nil},
		"attributes alone":  {task.TemplateSet{Attribute: "x"}, nil},
		"rationales":        {task.TemplateSet{Preference: "x", Attribute: "x"}, []task.Task{task.Rationale}},
	} {
		var got []task.Task
		for _, tk := range task.Tasks() {
			has, err := c.set.Has(tk)
			if err != nil {
				t.Fatal(err)
			}
			if has {
				got = append(got, tk)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestExplanationListPadding: to the longest of all pairs in protocol paper, to the longest of a
// batch in protocol clean.
func TestExplanationListPadding(t *testing.T) {
	pairs := []task.Pair{{User: 1, Item: 2}, {User: 987654321, Item: 987654321}}
	for _, s := range []task.Settings{paper("rdrec"), clean("rdrec")} {
		list, err := newCorpus(t, small(), s).ExplanationList(pairs)
		if err != nil {
			t.Fatal(err)
		}
		var widths []int
		for b := range list.Batches(newEncoder(t, s, 20), 1) {
			widths = append(widths, b.SourceLen)
		}
		if equal := widths[0] == widths[1]; equal != (s.Protocol.Name == spec.Paper) {
			t.Errorf("%s: widths %v", s.Protocol.Name, widths)
		}
	}
}

func TestTemplateSetInputs(t *testing.T) {
	bad := func(text string) task.TemplateSet {
		return task.TemplateSet{Name: "odd", Explanation: []string{text}, Sequential: []string{"x"}}
	}
	for name, c := range map[string]struct {
		set                 task.TemplateSet
		explain, next, want string
	}{
		"the last of each": {
			task.TemplateSet{
				Name: "odd", Separator: " / ", Explanation: []string{"{item}", "why {user} took {item}, {user}?"},
				Sequential: []string{"{user}", "{user}: {items}; {chain}."},
			},
			"why 3 took 8, 3?", "3: 5 / 6 / 7; 5 -> 6 -> 7.", "",
		},
		"unknown": {
			bad("a {users}"), "", "",
			`"odd": template "a {users}" has a placeholder other than {user}, {item}, {items}, {chain}`,
		},
		"unclosed": {bad("a {user"), "", "", `template set "odd": template "a {user" has a placeholder`},
	} {
		t.Run(name, func(t *testing.T) {
			explain, next, err := c.set.Inputs(task.Pair{User: 3, Item: 8}, []int{5, 6, 7})
			if explain != c.explain || next != c.next {
				t.Errorf("texts %q and %q, want %q and %q", explain, next, c.explain, c.next)
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
