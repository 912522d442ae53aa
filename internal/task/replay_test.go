package task_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/golden"
	"rdrec/internal/spec"
)

// recordedRun is sampler_tape.json.
type recordedRun struct {
	Batch     int    `json:"batch_size"`
	Ratio     string `json:"ratio"`
	Negatives int    `json:"negative_num"`
	Items     int    `json:"nitem"`
	Records   []struct {
		User, Item           int
		Explanation, Feature string
		Preference           string `json:"user_preference"`
		Attribution          string `json:"item_attribution"`
	} `json:"records"`
	Histories json.RawMessage `json:"histories"`
	Batches   []struct {
		Calls   []call   `json:"calls"`
		Task    []int    `json:"task"`
		Inputs  []string `json:"inputs"`
		Outputs []string `json:"outputs"`
	} `json:"batches"`
}

func TestMixerReplaysTheReferencesRandomCalls(t *testing.T) {
	var file recordedRun
	golden.Load(t, "sampler_tape.json", &file)
	data := &dataset.Dataset{Name: "tape", Items: file.Items, Users: histories(t, file.Histories)}
	for _, r := range file.Records {
		data.Explanations.Train = append(data.Explanations.Train, dataset.Explanation{
			User: r.User, Item: r.Item, Explanation: r.Explanation, Feature: r.Feature, Preference: r.Preference,
			Attribution: r.Attribution,
		})
	}
	settings := paper("rdrec")
	settings.Negatives = file.Negatives
	recorded := &replay{t: t}
	mixer, err := newCorpus(t, data, settings).MixerFrom(
		spec.Train{Batch: file.Batch, Ratio: parseRatio(t, file.Ratio)}, recorded,
	)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range file.Batches {
		recorded.calls = want.Calls
		var tasks []int
		var inputs, outputs []string
		for _, example := range mixer.Next() {
			tasks = append(tasks, int(example.Prompt))
			inputs, outputs = append(inputs, example.Source), append(outputs, example.Target)
		}
		if len(recorded.calls) > 0 {
			t.Errorf("batch %d: recorded calls %v were not made", i, recorded.calls)
		}
		for what, diff := range map[string]string{
			"tasks": cmp.Diff(want.Task, tasks), "inputs": cmp.Diff(want.Inputs, inputs),
			"outputs": cmp.Diff(want.Outputs, outputs),
		} {
			if diff != "" {
				t.Errorf("batch %d: %s (-want +got):\n%s", i, what, diff)
			}
		}
	}
}

// histories reads users in the file's order, which a Go map would lose.
func histories(t *testing.T, raw json.RawMessage) []dataset.User {
	t.Helper()
	var items map[string][]string
	if err := json.Unmarshal(raw, &items); err != nil {
		t.Fatal(err)
	}
	var users []dataset.User
	for _, key := range regexp.MustCompile(`"(\d+)"\s*:`).FindAllSubmatch(raw, -1) {
		name := string(key[1])
		user := dataset.User{ID: atoi(t, name)}
		for _, item := range items[name] {
			user.Items = append(user.Items, atoi(t, item))
		}
		users = append(users, user)
	}
	return users
}

// call is one of the reference's random calls: its name, its arguments and its result.
type call struct {
	name    string
	numbers []int
	values  []int // of shuffle_values and shuffle_order
}

func (c *call) UnmarshalJSON(data []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	if len(parts) < 2 {
		return fmt.Errorf("call %s is too short", data)
	}
	if err := json.Unmarshal(parts[0], &c.name); err != nil {
		return err
	}
	switch c.name {
	case "shuffle_order":
		return json.Unmarshal(parts[1], &c.values)
	case "shuffle_values":
		var texts []string
		err := json.Unmarshal(parts[1], &texts)
		for _, text := range texts {
			value, bad := strconv.Atoi(text)
			c.values, err = append(c.values, value), errors.Join(err, bad)
		}
		return err
	}
	c.numbers = make([]int, len(parts)-1)
	for i, part := range parts[1:] {
		if err := json.Unmarshal(part, &c.numbers[i]); err != nil {
			return err
		}
	}
	return nil
}

// replay is a Random that returns the results of the reference's recorded calls, and checks that
// the calls are the same.
type replay struct {
	t     *testing.T
	calls []call
}

func (p *replay) take(names ...string) call {
	p.t.Helper()
	if len(p.calls) == 0 {
		p.t.Fatalf("a call of %v after the end of the recording", names)
	}
	taken := p.calls[0]
	p.calls = p.calls[1:]
	if !slices.Contains(names, taken.name) {
		p.t.Fatalf("a call of %v, the recording has %v", names, taken)
	}
	return taken
}

func (p *replay) IntN(n int) int {
	taken := p.take("choice", "randint")
	low, high, result := 0, taken.numbers[0]-1, taken.numbers[1]
	if taken.name == "randint" {
		low, high, result = taken.numbers[0], taken.numbers[1], taken.numbers[2]
	}
	if high-low+1 != n {
		p.t.Fatalf("a call with %d outcomes, the recording has %v", n, taken)
	}
	return result - low
}

func (p *replay) Shuffle(values []int) {
	taken := p.take("shuffle_values", "shuffle_order")
	before := slices.Clone(values)
	if len(taken.values) != len(values) {
		p.t.Fatalf("a shuffle of %d values, the recording has %v", len(values), taken)
	}
	copy(values, taken.values)
	if taken.name == "shuffle_order" {
		for i, from := range taken.values {
			values[i] = before[from]
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(before)), slices.Sorted(slices.Values(values))); diff != "" {
		p.t.Fatalf("shuffle of other values (-ours +recording):\n%s", diff)
	}
}
