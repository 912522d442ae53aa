package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/report"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// literal finds a hypothesis entailed if the premise has all of its words, and replies nothing
// useful to one with the word odd. It is broken after so many replies, if that is not 0.
type literal struct {
	asked, broken int
}

func (*literal) Digest(context.Context, spec.Teacher) (string, error) { return "weights", nil }

func (*literal) Size(spec.Teacher) (room.Teacher, error) { return room.Teacher{}, nil }

func (l *literal) Open(context.Context, spec.Teacher) (teacher.Engine, func(), error) {
	return l, func() {}, nil
}

func (l *literal) Complete(_ context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error) error {
	for i, p := range prompts {
		if l.broken > 0 && l.asked == l.broken {
			l.broken = 0
			return errors.New("out of order")
		}
		l.asked++
		parts := strings.Split(p.Messages[len(p.Messages)-1].Content, `"`)
		reply := "yes"
		for _, word := range strings.Fields(parts[3]) {
			if !strings.Contains(parts[1], word) {
				reply = "no"
			}
		}
		if strings.Contains(parts[3], "odd") {
			reply = "perhaps"
		}
		if err := emit(i, teacher.Reply{Text: reply}); err != nil {
			return err
		}
	}
	return nil
}

// TestCheckEntailment counts by hand: the references of the four texts have the letters of their
// users.
func TestCheckEntailment(t *testing.T) {
	s := newStages(t)
	record := s.record()
	asked := &literal{}
	s.Teachers = asked
	var lines strings.Builder
	for i, generated := range []string{"a", "a", "odd", ""} {
		fmt.Fprintf(&lines, `{"user":%d,"item":%d,"reference":"%s z","generated":"%s"}`+"\n",
			i+1, 2, string(rune('a'+i)), generated)
	}
	in := activities.EntailmentInput{
		Preprocessed: record.Preprocessed, Teacher: spec.Default().Teacher, Weights: "w", Texts: 9,
		Students: []activities.EntailmentStudent{
			{Method: "rdrec", Evaluations: []storage.Ref{s.putArtifact("explanation.jsonl", lines.String())}},
			{Method: "no texts", Evaluations: []storage.Ref{s.putArtifact("topn.jsonl", "")}},
		},
	}
	measured := func() []report.Entailment {
		ref := must[storage.Ref](s, s.CheckEntailment, in)
		data, err := s.Bucket.ReadArtifactFile(t.Context(), ref, "entailment.json")
		s.must(err)
		var all []report.Entailment
		s.must(json.Unmarshal(data, &all))
		return all
	}
	// Precision: "a z" entails a, "b z" does not, odd is unusable, an empty text is not entailed: 1
	// of 3. Recall: no explanation has a z: 0 of 4. Control: a and a with "c z" and "d z", odd and
	// the empty text with "a z" and "b z": 0 of 3.
	want := report.Entailment{Method: "rdrec", Texts: 4, Unusable: 2, Precision: 1. / 3}
	first := measured()
	if diff := cmp.Diff(want, first[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(first) != 2 || first[1].Method != report.RankedStatements || first[1].Texts != 4 {
		t.Errorf("methods %+v, want the student and ranked statements", first)
	}
	// No reply is requested twice.
	before := asked.asked
	if diff := cmp.Diff(first, measured()); diff != "" || asked.asked != before {
		t.Errorf("%d requests more, %s", asked.asked-before, diff)
	}
}

// TestEntailmentKeepsRepliesOfABrokenTeacher: a second attempt asks only what is left.
func TestEntailmentKeepsRepliesOfABrokenTeacher(t *testing.T) {
	s := newStages(t)
	record := s.record()
	asked := &literal{broken: 2}
	s.Teachers = asked
	in := activities.EntailmentInput{
		Preprocessed: record.Preprocessed, Teacher: spec.Default().Teacher, Weights: "w", Texts: 5,
		Students: []activities.EntailmentStudent{{Method: "rdrec", Evaluations: record.Trials[0].Evaluations}},
	}
	_, err := run[storage.Ref](s, s.CheckEntailment, in)
	if err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("a broken teacher: %v", err)
	}
	must[storage.Ref](s, s.CheckEntailment, in)
	// "a fine brush" and the statement are each asked both ways; with one text the control is the
	// precision's question.
	if asked.asked != 4 {
		t.Errorf("%d requests, want 4 in all", asked.asked)
	}
}
