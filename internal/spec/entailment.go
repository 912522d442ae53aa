package spec

// entailmentRules returns the rules for evaluate.entailment_texts.
func entailmentRules() []rule {
	entailmentRule := func(violated func(Spec) bool) func(Spec) bool {
		return func(s Spec) bool { return s.Evaluate.EntailmentTexts > 0 && violated(s) }
	}
	return []rule{
		{
			"evaluate.entailment_texts", entailmentRule(func(s Spec) bool { return s.Teacher.Model == "copy" }),
			"needs a teacher to ask: copy is none", "set teacher.model to a language model",
		},
		{
			"evaluate.entailment_texts", entailmentRule(func(s Spec) bool { return s.Evaluate.Explanations < 0 }),
			"checks explanations, and evaluate.explanations generates none", "",
		},
		{
			"evaluate.entailment_texts", entailmentRule(func(s Spec) bool { return s.Nightly != nil }),
			"is for experiments: nightly runs check no entailment", "remove it",
		},
	}
}
