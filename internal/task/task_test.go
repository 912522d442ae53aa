package task_test

import (
	"testing"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/token"
)

// paper returns the settings of a method in protocol paper, clean those in protocol clean.
func paper(method string) task.Settings { return settings(method, spec.Paper) }

func clean(method string) task.Settings { return settings(method, spec.Clean) }

func settings(method, protocol string) task.Settings {
	s := task.Settings{Negatives: 5}
	for _, m := range spec.Methods() {
		if m.Name == method {
			s.Method = m
		}
	}
	for _, p := range spec.Protocols() {
		if p.Name == protocol {
			s.Protocol = p
		}
	}
	return s
}

func newCorpus(t testing.TB, data *dataset.Dataset, s task.Settings) *task.Corpus {
	t.Helper()
	corpus, err := task.New(data, s)
	if err != nil {
		t.Fatal(err)
	}
	return corpus
}

func newEncoder(t testing.TB, s task.Settings, maxTargetTokens int) *task.Encoder {
	t.Helper()
	t5, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := task.NewEncoder(t5, s, maxTargetTokens)
	if err != nil {
		t.Fatal(err)
	}
	return encoder
}
