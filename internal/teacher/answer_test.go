package teacher_test

import (
	"testing"

	"rdrec/internal/teacher"
)

func TestAnswer(t *testing.T) {
	for reply, want := range map[string]struct {
		answer   string
		thinking bool
	}{
		"1. Soft.\n2. Blue.":                      {"1. Soft.\n2. Blue.", false},
		"":                                        {"", false},
		"<think>so</think>\n1. Soft.":             {"\n1. Soft.", false},
		"so</think>1. Soft.":                      {"1. Soft.", false},
		"<think>a</think>b<think>c</think>d":      {"d", false},
		"<THINK>a</Think>b":                       {"b", false},
		"<think>so":                               {"", true},
		"1. Soft.\n<think>so":                     {"", true},
		"<think>a</think>b<think>c":               {"", true},
		"◁think▷so◁/think▷1. Soft.":               {"1. Soft.", false},
		"<seed:think>so</seed:think>1. Soft.":     {"1. Soft.", false},
		"I think <b>so</b>":                       {"I think <b>so</b>", false},
		"<think>a</think><answer>b</answer>":      {"\nb\n", false},
		"<answer>b</answer>":                      {"<answer>b</answer>", false},
		"<|channel|>analysis<|message|>so":        {"", true},
		"so<|channel|>final<|message|>1. Soft.":   {"1. Soft.", false},
		"a<|end_of_thought|>\n\nb":                {"\n\nb", false},
		"<|begin_of_thought|>a":                   {"", true},
		"<reflection>a</reflection>\n1. İstanbul": {"\n1. İstanbul", false},
	} {
		if answer, thinking := teacher.Answer(reply); answer != want.answer || thinking != want.thinking {
			t.Errorf("%q: got %q, %t; want %q, %t", reply, answer, thinking, want.answer, want.thinking)
		}
	}
}

func TestLimit(t *testing.T) {
	two := teacher.Prompt{MaxLines: 2, Numbered: true}
	for name, c := range map[string]struct {
		prompt      teacher.Prompt
		reply, want string
		complete    bool
	}{
		"no limit":       {teacher.Prompt{Numbered: true}, "1. a\n2. b\nc\n", "1. a\n2. b\nc\n", false},
		"not yet":        {two, "1. a\n2. b", "1. a\n2. b", false},
		"two lines":      {two, "1. a\n2. b\nc", "1. a\n2. b\n", true},
		"blank lines":    {two, "\n\n1. a\n \n2. b\nc", "\n\n1. a\n \n2. b\n", true},
		"a greeting":     {two, "Hi\nyou\n1. a\n2. b\nc", "Hi\nyou\n1. a\n2. b\n", true},
		"never numbered": {two, "a\nb\nc\n", "a\nb\nc\n", false},
		"every line":     {teacher.Prompt{MaxLines: 3}, "\n1. a\n2. b\nc\n", "\n1. a\n2. b\n", true},
		"thinking":       {teacher.Prompt{MaxLines: 2}, "<think>\n1. a\n2. b\n", "<think>\n1. a\n2. b\n", false},
		"after thoughts": {two, "1. x\n2. y</think>\n1. a\n2. b\nc", "1. x\n2. y</think>\n1. a\n2. b\n", true},
		"lines, thoughts": {
			teacher.Prompt{MaxLines: 3}, "x\n</think>\n\nHi\n1. a\n2. b\nc", "x\n</think>\n\nHi\n1. a\n2. b\n", true,
		},
	} {
		if got, complete := c.prompt.Limit(c.reply); got != c.want || complete != c.complete {
			t.Errorf("%s: got %q, %t; want %q, %t", name, got, complete, c.want, c.complete)
		}
	}
}
