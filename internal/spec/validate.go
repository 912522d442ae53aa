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
			d.AddDiagnostic(r.key, r.reason, r.hint)
		}
	}
	return d.Err()
}

// tags are the validate tags of our own, from the tables.
func tags() []document.Rule {
	return []document.Rule{
		{Tag: "slug", Accept: slug, Want: "lower-case letters, digits, '.', '_' and '-', the first a letter or digit"},
		{Tag: "protocol", Choices: names(Protocols(), func(p Protocol) string { return p.Name })},
		{Tag: "switch", Choices: names(Switches(), func(w Switch) string { return w.Name })},
		{Tag: "indexing", Choices: names(Indexings(), func(n Indexing) string { return n.Name })},
		{Tag: "method", Choices: names(Methods(), func(m Method) string { return m.Name })},
		{Tag: "baseline", Choices: Baselines()},
		{Tag: "size", Choices: names(Sizes(), func(z Size) string { return z.Name })},
		{Tag: "format", Choices: Formats()},
		{Tag: "column", Choices: Columns()},
		{Tag: "extractor", Choices: Extractors()},
		{
			Tag: "teacher", Accept: teacher, Choices: Teachers(),
			Want: "smollm2, copy, gguf:FILE, meta:DIR, hf:DIR or openai:URL#MODEL",
		},
	}
}

// names maps rows to their names.
func names[T any](rows []T, name func(T) string) []string {
	all := make([]string, len(rows))
	for i, row := range rows {
		all[i] = name(row)
	}
	return all
}

func slug(text string) bool { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`).MatchString(text) }

// teacher says whether a text names a teacher: a word of the table, or one of its prefixes with
// something behind it.
func teacher(text string) bool {
	prefix, rest, prefixed := strings.Cut(text, ":")
	if !prefixed {
		return slices.Contains(Teachers(), text)
	}
	if !slices.Contains(Teachers(), prefix+":") || rest == "" {
		return false
	}
	if prefix != "openai" {
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

// rules between fields; each is about valid fields, and says nothing where their own tags already
// fail.
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
			"data.indexing", func(s Spec) bool { return s.Data.Reviews != nil && s.Data.Indexing == AsIs },
			"is for folders: reviews have no item ids yet", "use random, which leaks nothing, or appearance, the reference's order",
		},
		{
			"teacher.model", func(s Spec) bool {
				_, location, _ := strings.Cut(s.Teacher.Model, ":")
				address, err := url.Parse(location)
				return strings.HasPrefix(s.Teacher.Model, "openai:") && err == nil && address.User != nil
			},
			"contains credentials in its URL, and specs are stored and shown", "the key comes from the environment only: RDREC_TEACHER_KEY or OPENAI_API_KEY of the worker",
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
	}, slices.Concat(ablationRules(), constrainRules(), numberRules(), nightlyRules(), sourceRules())...)
}

// constrainRules are the rules on holding a teacher's replies to a form.
func constrainRules() []rule {
	twoLinesRule := func(violated func(Teacher) bool) func(Spec) bool {
		return func(s Spec) bool { return s.Teacher.Constrain == TwoLines && violated(s.Teacher) }
	}
	return []rule{
		{
			"teacher.constrain", twoLinesRule(func(t Teacher) bool { return t.Parse == "paper" }),
			"is for teacher.parse strict: the reference's parser reads other lines", "set teacher.parse to strict",
		},
		{
			"teacher.constrain", twoLinesRule(func(t Teacher) bool { return t.Model == "copy" }),
			"is for language models: teacher copy generates nothing", "remove it",
		},
		{
			"teacher.constrain", twoLinesRule(func(t Teacher) bool { return t.MaxTokens < minTwoLinesTokens }),
			fmt.Sprintf("needs a teacher.max_tokens of %d or more", minTwoLinesTokens), "",
		},
	}
}

// minTwoLinesTokens is how many tokens the shortest two numbered lines take, with room to hurry.
const minTwoLinesTokens = 16

// ablationRules are the rules on what is flipped.
func ablationRules() []rule {
	rules := make([]rule, 0, 1+len(Switches()))
	rules = append(rules, rule{
		"ablate", func(s Spec) bool { return len(slices.Compact(slices.Sorted(slices.Values(s.Ablate)))) < len(s.Ablate) },
		"names something twice", "",
	})
	for _, w := range Switches() {
		rules = append(rules, rule{
			"ablate", func(s Spec) bool { return slices.Contains(s.Ablate, w.Name) && !w.affectsAny(s) },
			fmt.Sprintf("names %q, which changes nothing for these methods and this train.ratio", w.Name),
			"remove it, or train on the task that it changes",
		})
	}
	return rules
}

// affectsAny says whether the switch matters to any of the spec's methods.
func (w Switch) affectsAny(s Spec) bool {
	return slices.ContainsFunc(s.Methods, func(name string) bool {
		m, err := MethodNamed(name)
		return err != nil || w.Affects(m, s.Train.Ratio) // the method's own tag says what is wrong with it
	})
}

// numberRules are the rules between numbers.
func numberRules() []rule {
	return []rule{
		{
			"train.ratio", func(s Spec) bool {
				return slices.ContainsFunc(s.Methods, func(m string) bool { return allWeightsZero(m, s.Train.Ratio) })
			},
			"leaves a method no task to train on", "give one of its tasks a weight above 0",
		},
		{
			"sasrec.hidden_sizes", func(s Spec) bool {
				return s.Sasrec.Heads > 0 && slices.ContainsFunc(s.Sasrec.HiddenSizes, func(dim int) bool { return dim%s.Sasrec.Heads != 0 })
			},
			"has a size that sasrec.heads does not divide", "",
		},
		{
			"teacher.max_tokens", func(s Spec) bool { return s.Teacher.MaxContext >= 64 && s.Teacher.MaxTokens >= s.Teacher.MaxContext },
			"leaves no room for a prompt in teacher.max_context", "",
		},
		{
			"evaluate.num_return_sequences", func(s Spec) bool { return s.Evaluate.NumReturnSequences > s.Evaluate.NumBeams },
			"is more than evaluate.num_beams can give", "",
		},
		{
			"evaluate.topn", func(s Spec) bool { return s.Evaluate.TopN > s.Evaluate.NumBeams },
			"is more than evaluate.num_beams can give", "",
		},
		{
			"evaluate.explanation_num_beam_groups", func(s Spec) bool {
				e := s.Evaluate
				return e.ExplanationNumBeamGroups > 0 && e.ExplanationNumBeams > 0 && e.ExplanationNumBeams%e.ExplanationNumBeamGroups != 0
			},
			"does not divide evaluate.explanation_num_beams", "3 groups of 7 make 21 beams",
		},
		{
			"evaluate.min_length", func(s Spec) bool { return s.Evaluate.MinLength > s.Evaluate.MaxLength },
			"is more than evaluate.max_length", "",
		},
	}
}

// allWeightsZero says whether a method's kinds of examples all have no weight.
func allWeightsZero(name string, r Ratio) bool {
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

// IndexingNamed finds a row of [Indexings].
func IndexingNamed(name string) (Indexing, error) {
	return named("indexing", name, Indexings(), func(n Indexing) string { return n.Name })
}

// SwitchNamed finds a row of [Switches].
func SwitchNamed(name string) (Switch, error) {
	return named("switch", name, Switches(), func(w Switch) string { return w.Name })
}

func named[T any](noun, name string, rows []T, nameOf func(T) string) (T, error) {
	for _, row := range rows {
		if nameOf(row) == name {
			return row, nil
		}
	}
	var none T
	return none, fmt.Errorf("no %s %q; %s", noun, name, document.Suggest(name, names(rows, nameOf)))
}
