package spec

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"rdrec/internal/document"
)

// check applies the validate tags, then the rules between fields.
func check(d *document.Document, s Spec) error {
	if err := d.Check(tags()...); err != nil {
		return err
	}
	for _, r := range rules() {
		if r.broken(s) {
			d.Fault(r.key, r.reason, r.hint)
		}
	}
	return d.Err()
}

// tags are the validate tags of our own, from the tables.
func tags() []document.Rule {
	return []document.Rule{
		{Tag: "slug", Accept: slug, Want: "lower-case letters, digits, '.', '_' and '-', the first a letter or digit"},
		{Tag: "protocol", Choices: each(Protocols(), func(p Protocol) string { return p.Name })},
		{Tag: "fix", Choices: each(Switches(), func(w Switch) string { return w.Name })},
		{Tag: "numbering", Choices: each(Numberings(), func(n Numbering) string { return n.Name })},
		{Tag: "method", Choices: each(Methods(), func(m Method) string { return m.Name })},
		{Tag: "baseline", Choices: Baselines()},
		{Tag: "size", Choices: each(Sizes(), func(z Size) string { return z.Name })},
		{Tag: "format", Choices: Formats()},
		{Tag: "column", Choices: Columns()},
		{Tag: "extractor", Choices: Extractors()},
		{
			Tag: "teacher", Accept: teacher, Choices: Teachers(),
			Want: "smollm2, copy, gguf:FILE, meta:DIR, hf:DIR or openai:URL#MODEL",
		},
	}
}

// each maps rows to their names.
func each[T any](rows []T, name func(T) string) []string {
	all := make([]string, len(rows))
	for i, row := range rows {
		all[i] = name(row)
	}
	return all
}

func slug(text string) bool { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`).MatchString(text) }

// teacher says whether a text names a teacher: a word of the table, or one of its prefixes with something behind it.
func teacher(text string) bool {
	kind, rest, prefixed := strings.Cut(text, ":")
	if !prefixed {
		return slices.Contains(Teachers(), text)
	}
	if !slices.Contains(Teachers(), kind+":") || rest == "" {
		return false
	}
	if kind != "openai" {
		return true
	}
	address, err := url.Parse(rest)
	return err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Host != "" && address.Fragment != ""
}

// rule is something that must hold between fields.
type rule struct {
	key    string
	broken func(Spec) bool
	reason string
	hint   string
}

// rules between fields; each is about valid fields, and says nothing where their own tags already fail.
func rules() []rule {
	return append([]rule{
		{
			"data", func(s Spec) bool { return s.Data.Folder == "" && s.Data.Reviews == nil },
			"names no data", "set data.folder (RDRec's format) or data.reviews (raw reviews)",
		},
		{
			"data", func(s Spec) bool { return s.Data.Folder != "" && s.Data.Reviews != nil },
			"names both folder and reviews", "keep one of them",
		},
		{
			"data.numbering", func(s Spec) bool { return s.Data.Reviews != nil && s.Data.Numbering == AsIs },
			"is for folders: reviews have no numbers yet", "random leaks nothing, appearance numbers as the reference does",
		},
		{
			"teacher.model", func(s Spec) bool {
				_, place, _ := strings.Cut(s.Teacher.Model, ":")
				address, err := url.Parse(place)
				return strings.HasPrefix(s.Teacher.Model, "openai:") && err == nil && address.User != nil
			},
			"has a user or a password in its address, and a spec is stored and shown", "the key comes from the environment only: RDREC_TEACHER_KEY or OPENAI_API_KEY of the worker",
		},
		{
			"data.reviews.from", func(s Spec) bool {
				r := s.Data.Reviews
				return r != nil && r.From != "" && r.To != "" && r.From > r.To
			},
			"is later than data.reviews.to", "",
		},
		{
			"data.reviews.columns", func(s Spec) bool {
				r := s.Data.Reviews
				return r != nil && len(r.Columns) > 0 && strings.HasPrefix(r.Format, "amazon-")
			},
			"is for CSV and Parquet files; the format's own columns are known", "remove it, or set data.reviews.format",
		},
	}, slices.Concat(ablations(), constraints(), numbers(), nights(), sources())...)
}

// constraints are the rules on holding a teacher's replies to a form.
func constraints() []rule {
	breaks := func(what func(Teacher) bool) func(Spec) bool {
		return func(s Spec) bool { return s.Teacher.Constrain == TwoLines && what(s.Teacher) }
	}
	return []rule{
		{
			"teacher.constrain", breaks(func(t Teacher) bool { return t.Parse == "paper" }),
			"is for teacher.parse strict: the reference's parser reads other lines", "set teacher.parse to strict",
		},
		{
			"teacher.constrain", breaks(func(t Teacher) bool { return t.Model == "copy" }),
			"is for language models: teacher copy writes nothing", "remove it",
		},
		{
			"teacher.constrain", breaks(func(t Teacher) bool { return t.MaxTokens < leastTwoLines }),
			fmt.Sprintf("needs a teacher.max_tokens of %d or more", leastTwoLines), "",
		},
	}
}

// leastTwoLines is how many tokens the shortest two numbered lines take, with room to hurry.
const leastTwoLines = 16

// ablations are the rules on what is flipped.
func ablations() []rule {
	rules := make([]rule, 0, 1+len(Switches()))
	rules = append(rules, rule{
		"ablate", func(s Spec) bool { return len(slices.Compact(slices.Sorted(slices.Values(s.Ablate)))) < len(s.Ablate) },
		"names something twice", "",
	})
	for _, w := range Switches() {
		rules = append(rules, rule{
			"ablate", func(s Spec) bool { return slices.Contains(s.Ablate, w.Name) && !w.mattersTo(s) },
			fmt.Sprintf("names %q, which changes nothing for these methods and this train.ratio", w.Name),
			"remove it, or learn what it is about",
		})
	}
	return rules
}

// mattersTo says whether the switch matters to any of the spec's methods.
func (w Switch) mattersTo(s Spec) bool {
	return slices.ContainsFunc(s.Methods, func(name string) bool {
		m, err := MethodNamed(name)
		return err != nil || w.Matters(m, s.Train.Ratio) // the method's own tag says what is wrong with it
	})
}

// numbers are the rules between numbers.
func numbers() []rule {
	return []rule{
		{
			"train.ratio", func(s Spec) bool {
				return slices.ContainsFunc(s.Methods, func(m string) bool { return idle(m, s.Train.Ratio) })
			},
			"leaves a method nothing to learn", "give one of its kinds of examples a weight above 0",
		},
		{
			"sasrec.dims", func(s Spec) bool {
				return s.Sasrec.Heads > 0 && slices.ContainsFunc(s.Sasrec.Dims, func(dim int) bool { return dim%s.Sasrec.Heads != 0 })
			},
			"has one that sasrec.heads does not divide", "",
		},
		{
			"teacher.max_tokens", func(s Spec) bool { return s.Teacher.MaxContext >= 64 && s.Teacher.MaxTokens >= s.Teacher.MaxContext },
			"leaves no room for a prompt in teacher.max_context", "",
		},
		{
			"evaluate.return", func(s Spec) bool { return s.Evaluate.Return > s.Evaluate.Beams },
			"is more than evaluate.beams can give", "",
		},
		{
			"evaluate.topn", func(s Spec) bool { return s.Evaluate.TopN > s.Evaluate.Beams },
			"is more than evaluate.beams can give", "",
		},
		{
			"evaluate.explanation_groups", func(s Spec) bool {
				e := s.Evaluate
				return e.ExplanationGroups > 0 && e.ExplanationBeams > 0 && e.ExplanationBeams%e.ExplanationGroups != 0
			},
			"does not divide evaluate.explanation_beams", "3 groups of 7 make 21 beams",
		},
		{
			"evaluate.min_tokens", func(s Spec) bool { return s.Evaluate.MinTokens > s.Evaluate.MaxTokens },
			"is more than evaluate.max_tokens", "",
		},
	}
}

// idle says whether a method's kinds of examples all have no weight.
func idle(name string, r Ratio) bool {
	m, err := MethodNamed(name)
	if err != nil {
		return false // the method's own tag has said so
	}
	weights := map[bool]float64{}
	weights[m.Explanation] += r.Explanation
	weights[m.Sequential] += r.Sequential
	weights[m.Rationale] += r.Rationale
	weights[m.TopN] += r.TopN
	return weights[true] <= 0
}

// MethodNamed finds a row of [Methods].
func MethodNamed(name string) (Method, error) {
	return named("method", name, Methods(), func(m Method) string { return m.Name })
}

// ProtocolNamed finds a row of [Protocols].
func ProtocolNamed(name string) (Protocol, error) {
	return named("protocol", name, Protocols(), func(p Protocol) string { return p.Name })
}

// SizeNamed finds a row of [Sizes].
func SizeNamed(name string) (Size, error) {
	return named("size", name, Sizes(), func(z Size) string { return z.Name })
}

// NumberingNamed finds a row of [Numberings].
func NumberingNamed(name string) (Numbering, error) {
	return named("numbering", name, Numberings(), func(n Numbering) string { return n.Name })
}

// SwitchNamed finds a row of [Switches].
func SwitchNamed(name string) (Switch, error) {
	return named("fix", name, Switches(), func(w Switch) string { return w.Name })
}

func named[T any](noun, name string, rows []T, nameOf func(T) string) (T, error) {
	for _, row := range rows {
		if nameOf(row) == name {
			return row, nil
		}
	}
	var none T
	return none, fmt.Errorf("no %s %q; %s", noun, name, document.Suggest(name, each(rows, nameOf)))
}
