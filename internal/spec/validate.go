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
	checkURLs(d, s)
	return d.Err()
}

// tags returns our own validate tags, built from the tables.
func tags() []document.Rule {
	return []document.Rule{
		{Tag: "slug", Accept: slug, Want: "lower-case letters, digits, '.', '_' and '-', the first a letter or digit"},
		{Tag: "protocol", Choices: names(Protocols(), func(p Protocol) string { return p.Name })},
		{Tag: "switch", Choices: names(Switches(), func(w Switch) string { return w.Name })},
		{Tag: "indexing", Choices: names(Indexings(), func(n Indexing) string { return n.Name })},
		{Tag: "method", Choices: names(Methods(), func(m Method) string { return m.Name })},
		{Tag: "baseline", Choices: Baselines()},
		{Tag: "part", Choices: FusionParts()},
		{Tag: "size", Choices: names(Sizes(), func(z Size) string { return z.Name })},
		{Tag: "format", Choices: Formats()},
		{Tag: "column", Choices: append(Columns(), TitleColumn)},
		{Tag: "item_column", Choices: []string{"item", TitleColumn}},
		{
			Tag: "encoding", Accept: isEncoding,
			Want: "the name of an encoding, such as windows-1252, gb18030 or utf-16le",
		},
		{Tag: "delimiter", Accept: isDelimiter, Want: "tab, space, or one to three characters"},
		{Tag: "quote", Accept: isQuote, Want: "one character, or none"},
		{
			Tag: "time_format", Accept: isTimeFormat,
			Want: "unix, dmy, mdy, or a pattern such as %d/%m/%Y %H:%M",
		},
		{Tag: "extractor", Choices: Extractors()},
		{Tag: "language", Choices: Languages()},
		{
			Tag: "requestfield", Accept: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`).MatchString,
			Want: "the name of a request field: letters, digits, '_' and '-'",
		},
		{
			Tag: "teacher", Accept: teacher, Choices: Teachers(),
			Want: "smollm2, copy, gguf:FILE, meta:DIR, hf:DIR or openai:URL#MODEL",
		},
	}
}

// names returns the names of rows.
func names[T any](rows []T, name func(T) string) []string {
	all := make([]string, len(rows))
	for i, row := range rows {
		all[i] = name(row)
	}
	return all
}

func slug(text string) bool { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`).MatchString(text) }

// teacher reports whether a text names a teacher: a name of the table, or one of its prefixes
// followed by more.
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
	return err == nil && (address.Scheme == "http" || address.Scheme == "https") && address.Host != "" &&
		address.Fragment != ""
}

// rule is a condition between fields.
type rule struct {
	key    string
	broken func(Spec) bool
	reason string
	hint   string
}

// rules returns the rules between fields. Each applies to valid fields only and accepts what fails
// its own tag.
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
			"applies to folders: reviews have no item ids yet",
			"use random, which leaks nothing, or appearance, the reference's order",
		},
		{
			"teacher.model", func(s Spec) bool {
				_, location, _ := strings.Cut(s.Teacher.Model, ":")
				address, err := url.Parse(location)
				return strings.HasPrefix(s.Teacher.Model, "openai:") && err == nil && address.User != nil
			},
			"contains credentials in its URL, and specs are stored and shown",
			"the key comes only from the worker's environment: RDREC_TEACHER_KEY or OPENAI_API_KEY",
		},
	}, slices.Concat(
		reviewRules(), trialRules(), ablationRules(), constrainRules(), serverRules(), numberRules(), bsarecRules(),
		codeRules(), processRules(), entailmentRules(), fusionRules(), nightlyRules(), sourceRules(),
	)...)
}

// codeRules returns the rules for item codes and the item head.
func codeRules() []rule {
	return []rule{
		{
			"data.codes", func(s Spec) bool { return s.Data.Codes != nil && s.Codes() == nil },
			"applies to an indexing that gives items codes", "set data.indexing to " + ItemCodes + ", or remove it",
		},
		{
			"data.indexing", func(s Spec) bool {
				protocol, err := s.Resolve()
				return err == nil && s.Codes() != nil && !protocol.Constrained
			},
			"gives items codes, which only a constrained search decodes",
			"set protocol to clean, or switches.constrained to true",
		},
		{
			"student.history", func(s Spec) bool { return s.Student.History != "" && s.Codes() == nil },
			"applies to items with codes", "set data.indexing to " + ItemCodes + ", or remove it",
		},
		{
			"student.item_embeddings",
			func(s Spec) bool { return s.Student.ItemEmbeddings && s.Student.History != HistoryItems },
			"is part of an item's one position", "set student.history to " + HistoryItems + ", or remove it",
		},
		{
			"student.items_only", func(s Spec) bool { return s.Student.ItemsOnly && !s.itemsOnly() },
			"needs items with codes, random weights, and the sequential task alone in train.ratio and evaluate",
			"set data.indexing to " + ItemCodes + ", the other weights to 0, topn_users and explanations to -1",
		},
		{
			"train.head_weight", func(s Spec) bool { return s.Train.HeadWeight > 0 && s.Codes() == nil },
			"applies to items with codes", "set data.indexing to " + ItemCodes + ", or remove it",
		},
		{
			"train.select_by",
			func(s Spec) bool { return s.Train.SelectBy == SelectHeadNDCG && s.Train.HeadWeight == 0 },
			"measures an item head that is not trained", "set train.head_weight, or train.select_by to " + SelectNDCG,
		},
		{
			"train.select_by", func(s Spec) bool {
				protocol, err := s.Resolve()
				return err == nil && s.Train.SelectBy != "" && !protocol.Constrained
			},
			"ranks by a constrained search", "set protocol to clean, or switches.constrained to true",
		},
		{
			"train.warmup_steps",
			func(s Spec) bool { return s.Train.Steps > 0 && s.Train.WarmupSteps >= s.Train.Steps },
			"leaves no step at the full rate in train.steps", "",
		},
	}
}

// itemsOnly reports whether training and evaluation read and generate nothing but items.
func (s Spec) itemsOnly() bool {
	r, e := s.Train.Ratio, s.Evaluate
	return s.Codes() != nil && s.Student.Pretrained == "" && r.Explanation+r.Rationale+r.TopN == 0 &&
		e.TopNUsers == -1 && e.Explanations == -1
}

// constrainRules returns the rules for teacher.constrain.
func constrainRules() []rule {
	twoLinesRule := func(violated func(Teacher) bool) func(Spec) bool {
		return func(s Spec) bool { return s.Teacher.Constrain == TwoLines && violated(s.Teacher) }
	}
	return []rule{
		{
			"teacher.constrain", twoLinesRule(func(t Teacher) bool { return t.Parse == "paper" }),
			"requires teacher.parse strict: the reference's parser expects other lines", "set teacher.parse to strict",
		},
		{
			"teacher.constrain", twoLinesRule(func(t Teacher) bool { return t.Model == "copy" }),
			"applies to language models: teacher copy generates nothing", "remove it",
		},
		{
			"teacher.constrain", twoLinesRule(func(t Teacher) bool { return t.MaxTokens < minTwoLinesTokens }),
			fmt.Sprintf("needs a teacher.max_tokens of %d or more", minTwoLinesTokens), "",
		},
	}
}

// minTwoLinesTokens is the length of the shortest two numbered lines in tokens, with room for the
// mask to force an early end.
const minTwoLinesTokens = 16

// MaxTrials is the greatest number of trials of an experiment, over all methods, seeds and
// ablations. Each is a child workflow, and one history holds their results.
const MaxTrials = 1000

// trialRules returns the rules for the number of trials.
func trialRules() []rule {
	return []rule{{
		"trials", func(s Spec) bool { return s.countTrials() > MaxTrials },
		fmt.Sprintf("gives more than %d trained students, counting methods and ablations", MaxTrials),
		"run several experiments with different seeds",
	}}
}

// countTrials returns the number of students that are trained.
func (s Spec) countTrials() int {
	n := 0
	for _, name := range s.Methods {
		if m, err := MethodNamed(name); err == nil { // an unknown method fails its own tag
			n += s.Trials * (1 + len(s.Ablations(m)))
		}
	}
	return n
}

// ablationRules returns the rules for ablate.
func ablationRules() []rule {
	rules := make([]rule, 0, 1+len(Switches()))
	rules = append(rules, rule{
		"ablate",
		func(s Spec) bool { return len(slices.Compact(slices.Sorted(slices.Values(s.Ablate)))) < len(s.Ablate) },
		"contains duplicates", "",
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

// affectsAny reports whether the switch affects any of the spec's methods.
func (w Switch) affectsAny(s Spec) bool {
	return slices.ContainsFunc(s.Methods, func(name string) bool {
		m, err := MethodNamed(name)
		return err != nil || w.Affects(m, s.Train.Ratio) // an unknown method fails its own tag
	})
}

// bsarecRules returns the rules of the block bsarec.
func bsarecRules() []rule {
	return []rule{
		{
			"sasrec.alphas", func(s Spec) bool { return len(s.Sasrec.Alphas) > 0 || s.Sasrec.Cutoff > 0 },
			"is of the baseline bsarec", "write it in the block bsarec",
		},
		{
			"bsarec.hidden_sizes", func(s Spec) bool {
				b := s.BsarecGrid()
				return b.Heads > 0 && slices.ContainsFunc(b.HiddenSizes, func(dim int) bool { return dim%b.Heads != 0 })
			},
			"has a size that bsarec.heads does not divide", "",
		},
		{
			"bsarec.loss", func(s Spec) bool { return s.BsarecGrid().Loss != "last" },
			"must be \"last\": the filter sees later items", "",
		},
		{
			"bsarec.alphas", func(s Spec) bool { return len(s.BsarecGrid().Alphas) == 0 },
			"must have at least one weight", "the baseline without a filter is sasrec",
		},
		{
			"bsarec.cutoff", func(s Spec) bool {
				b := s.BsarecGrid()
				return b.Cutoff < 1 || b.Cutoff > b.MaxLength/2+1
			},
			"must be from 1 to bsarec.max_length/2+1", "",
		},
	}
}

// numberRules returns the rules between numeric fields.
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
				return s.Sasrec.Heads > 0 &&
					slices.ContainsFunc(s.Sasrec.HiddenSizes, func(dim int) bool { return dim%s.Sasrec.Heads != 0 })
			},
			"has a size that sasrec.heads does not divide", "",
		},
		{
			"teacher.max_tokens",
			func(s Spec) bool {
				t := s.Teacher
				return !t.onServer() && t.MaxContext >= 64 && t.MaxTokens >= t.MaxContext
			},
			"leaves no room for a prompt in teacher.max_context", "",
		},
		{
			"evaluate.num_return_sequences",
			func(s Spec) bool { return s.Evaluate.NumReturnSequences > s.Evaluate.NumBeams },
			"exceeds evaluate.num_beams", "",
		},
		{
			"evaluate.topn", func(s Spec) bool { return s.Evaluate.TopN > s.Evaluate.NumBeams },
			"exceeds evaluate.num_beams", "",
		},
		{
			"evaluate.explanation_num_beam_groups", func(s Spec) bool {
				e := s.Evaluate
				return e.ExplanationNumBeamGroups > 0 && e.ExplanationNumBeams > 0 &&
					e.ExplanationNumBeams%e.ExplanationNumBeamGroups != 0
			},
			"does not divide evaluate.explanation_num_beams", "for example, 3 groups of 7 make 21 beams",
		},
		{
			"evaluate.min_length", func(s Spec) bool { return s.Evaluate.MinLength > s.Evaluate.MaxLength },
			"exceeds evaluate.max_length", "",
		},
	}
}

// allWeightsZero reports whether all tasks of a method have weight 0.
func allWeightsZero(name string, r Ratio) bool {
	m, err := MethodNamed(name)
	if err != nil {
		return false // an unknown method fails its own tag
	}
	weights := map[bool]float64{}
	weights[m.Explanation] += r.Explanation
	weights[m.Sequential] += r.Sequential
	weights[m.Rationale] += r.Rationale
	weights[m.TopN] += r.TopN
	return weights[true] <= 0
}

// MethodNamed returns a row of [Methods].
func MethodNamed(name string) (Method, error) {
	return named("method", name, Methods(), func(m Method) string { return m.Name })
}

// ProtocolNamed returns a row of [Protocols].
func ProtocolNamed(name string) (Protocol, error) {
	return named("protocol", name, Protocols(), func(p Protocol) string { return p.Name })
}

// SizeNamed returns a row of [Sizes].
func SizeNamed(name string) (Size, error) {
	return named("size", name, Sizes(), func(z Size) string { return z.Name })
}

// IndexingNamed returns a row of [Indexings].
func IndexingNamed(name string) (Indexing, error) {
	return named("indexing", name, Indexings(), func(n Indexing) string { return n.Name })
}

// SwitchNamed returns a row of [Switches].
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
