package task_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// codedItems are three items with codes of two levels: 2 and 3 codes wide.
func codedItems(onePosition bool) task.ItemTokens {
	return task.ItemTokens{
		Codes: &dataset.Codes{Widths: []int{2, 3}, Items: [][]int{{0, 2}, {1, 0}, {1, 1}}},
		First: 32128, OnePosition: onePosition,
	}
}

// TestItemsAreTokens: a history is its items alone; elsewhere items are between words. Items count
// as whole words, like users.
func TestItemsAreTokens(t *testing.T) {
	tokenizer, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	user := tokenizer.Encode("user_7")
	user = user[:len(user)-1]
	ones := func(n int) []int64 {
		all := make([]int64, n)
		for i := range all {
			all[i] = 1
		}
		return all
	}
	examples := []task.Example{
		{Prompt: task.PromptSequential, Source: "<item_3> <item_1>", Target: "<item_2>", Item: 2},
		{Prompt: task.PromptExplanation, Source: "user_7 <item_2>", Target: "<item_2>"},
	}
	for _, c := range []struct {
		onePosition bool
		history     []int64
		item        []int64
	}{
		{false, []int64{32129, 32131, 32128, 32132}, []int64{32129, 32130}},
		{true, []int64{32135, 32133}, []int64{32134}},
	} {
		encoder, err := task.NewEncoder(tokenizer, task.Settings{
			Method: spec.Methods()[0], Items: codedItems(c.onePosition),
		}, 30)
		if err != nil {
			t.Fatal(err)
		}
		got := encoder.Encode(examples)
		source, whole := make([]int64, 0, 40), []int64{1, 2}
		if !c.onePosition {
			whole = []int64{1, 1, 2, 2}
		}
		source = append(source, c.history...)
		for len(source) < got.SourceLen {
			source, whole = append(source, 0), append(whole, 0)
		}
		for _, id := range user {
			source = append(source, int64(id))
		}
		whole = append(whole, ones(len(user))...)
		for _, id := range c.item {
			source, whole = append(source, id), append(whole, 2)
		}
		source, whole = append(source, 1), append(whole, 0)
		want := task.Batch{
			Size: 2, SourceLen: len(user) + len(c.item) + 1, TargetLen: got.TargetLen,
			Prompts: []int64{1, 0}, Source: source, Whole: whole, Mask: got.Mask,
			Target: got.Target, Last: []int64{int64(len(c.history) - 1), -1}, Next: []int64{2, 0},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("one position %t (-want +got):\n%s", c.onePosition, diff)
		}
		if diff := cmp.Diff([]int64{32129, 32130, 1, 0}, got.Target[:4]); diff != "" {
			t.Errorf("target of an item (-want +got):\n%s", diff)
		}
		words := tokenizer.Encode("<item_2>")
		if end := got.Target[2*got.TargetLen-1]; got.TargetLen != len(words) || end != 1 {
			t.Errorf("a text that looks like an item has %d tokens, want %d", got.TargetLen, len(words))
		}
		if rows := got.Rows(1, 2); len(rows.Last) != 1 || rows.Last[0] != -1 || rows.Next[0] != 0 {
			t.Errorf("rows: %v, %v", rows.Last, rows.Next)
		}
	}
}

// TestCorpusWritesItemTokens: with codes, all methods write items as tokens.
func TestCorpusWritesItemTokens(t *testing.T) {
	data := read(t, "beauty_mini")
	codes := &dataset.Codes{Widths: []int{data.Items}}
	for item := range data.Items {
		codes.Items = append(codes.Items, []int{item})
	}
	tokenizer, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range spec.Methods() {
		settings := task.Settings{
			Method: method, Protocol: spec.Protocols()[1], Negatives: 5,
			Items: task.ItemTokens{Codes: codes, First: 32128},
		}
		corpus, err := task.New(data, settings)
		if err != nil {
			t.Fatal(err)
		}
		encoder, err := task.NewEncoder(tokenizer, settings, 20)
		if err != nil {
			t.Fatal(err)
		}
		var lines bytes.Buffer
		if _, err := corpus.Dump(&lines, encoder, 1, 2); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(lines.String()) {
			hasItem := strings.Contains(line, "item_") || strings.Contains(line, "preference")
			if strings.Contains(line, " item_") || !hasItem {
				t.Errorf("%s: %s", method.Name, line)
			}
			if strings.Contains(line, `"task":"sequential"`) && !strings.Contains(line, `"target":"<item_`) {
				t.Errorf("%s: %s", method.Name, line)
			}
		}
	}
}
