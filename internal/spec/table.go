package spec

// Names of the two protocols.
const (
	Paper = "paper"
	Clean = "clean"
)

// Protocol says which of the reference's quirks are kept (docs/deviations.md has a row for each).
// Every switch is off in paper.
type Protocol struct {
	Name string `json:"name"`
	// MaskCross hides padding from the decoder's cross-attention (REFERENCE.md 1).
	MaskCross bool `json:"mask_cross"`
	// SkipPads leaves padding out of the loss and keeps the end token of cut targets (2).
	SkipPads bool `json:"skip_pads"`
	// CorrectTasks gives each rationale row its own task's prompt (8).
	CorrectTasks bool `json:"correct_tasks"`
	// PatienceResets sets the early stop's counter back after an improvement (17).
	PatienceResets bool `json:"patience_resets"`
	// Constrained decodes valid, unseen, distinct items only (12, 13, 14, 15).
	Constrained bool `json:"constrained"`
	// HeldOut keeps explanations of validation and test pairs out of every task (18).
	HeldOut bool `json:"held_out"`
}

// Protocols is the table of protocols.
func Protocols() []Protocol {
	return []Protocol{
		{Name: Paper},
		{
			Name: Clean, MaskCross: true, SkipPads: true, CorrectTasks: true, PatienceResets: true,
			Constrained: true, HeldOut: true,
		},
	}
}

// Switch is one of a protocol's switches, so that each can be set by itself and ablated.
type Switch struct {
	// Name is the key in a spec's fixes and ablate; About says for people what it does when it is
	// on.
	Name, About string
	// AffectsEvaluation says that it can change how a trained student is examined; Texts that this
	// goes for explanations, not only for rankings.
	AffectsEvaluation, AffectsExplanations bool
	// trainingDepends says whether training a method with a ratio of examples can depend on it; nil
	// is always.
	trainingDepends func(Method, Ratio) bool
	field           func(*Protocol) *bool
}

// Switches is the table of switches, in the order of [Protocol]'s fields.
func Switches() []Switch {
	return []Switch{
		{
			Name: "mask_cross", About: "masked cross-attention", AffectsEvaluation: true, AffectsExplanations: true,
			field: func(p *Protocol) *bool { return &p.MaskCross },
		},
		{
			Name: "skip_pads", About: "no padding in the loss",
			field: func(p *Protocol) *bool { return &p.SkipPads },
		},
		{
			Name: "correct_tasks", About: "correct rationale tasks",
			trainingDepends: func(m Method, r Ratio) bool { return m.Rationale && r.Rationale > 0 }, field: func(p *Protocol) *bool { return &p.CorrectTasks },
		},
		{
			Name: "patience_resets", About: "patience that resets",
			field: func(p *Protocol) *bool { return &p.PatienceResets },
		},
		{
			Name: "constrained", About: "valid, unseen, distinct items", AffectsEvaluation: true,
			trainingDepends: func(m Method, _ Ratio) bool { return m.TopN }, // validation's candidates; a ratio of 0 still takes what rounding leaves
			field:           func(p *Protocol) *bool { return &p.Constrained },
		},
		{
			Name: "held_out", About: "held-out explanations",
			trainingDepends: func(m Method, r Ratio) bool {
				return m.Explanation && r.Explanation > 0 || m.Rationale && r.Rationale > 0
			},
			field: func(p *Protocol) *bool { return &p.HeldOut },
		},
	}
}

// Indexing is a way to number items. The T5 reads and writes items as numbers, so what a number
// knows, the student knows.
type Indexing struct {
	Name, About string
	// Seeded says that the seed decides it; Leaks that it is made from held-out items too.
	Seeded, Leaks bool
}

// Names of the numberings.
const (
	AsIs                 = "as-is"
	Appearance           = "appearance"
	Random               = "random"
	Sequential           = "sequential"
	Collaborative        = "collaborative"
	Semantic             = "semantic"
	SemanticCooccurrence = "semantic-cooccurrence"
)

// Indexings is the table of numberings; package numbering makes them.
func Indexings() []Indexing {
	return []Indexing{
		{Name: AsIs, Leaks: true, About: "the folder's own item ids, which may leak"},
		{Name: Appearance, Leaks: true, About: "order of first appearance, test items included: the reference's, leaks"},
		{Name: Random, Seeded: true, About: "a digest of the seed and the shop's id: carries no information"},
		{Name: Sequential, Seeded: true, About: "order of first appearance in training histories, then the rest at random"},
		{Name: Collaborative, Seeded: true, About: "items that share training users get nearby ids (recursive spectral clustering)"},
		{Name: Semantic, Seeded: true, About: "items with similar titles, or without titles with similar co-occurrence, get nearby ids (residual quantization)"},
		{Name: SemanticCooccurrence, Seeded: true, About: "like semantic, but always by co-occurrence in training histories"},
	}
}

// Method is a way to train the student: which tasks it learns and what stands before the tokens.
type Method struct {
	Name string
	// Explanation, Sequential, Rationale and TopN say which kinds of examples are learnt.
	Explanation, Sequential, Rationale, TopN bool
	// PromptVectors is how many learnt vectors stand before each input (3; P5 has none).
	PromptVectors int
	// TemplateSet is the family of texts (a row of task.Families).
	TemplateSet string
	// Cite names the source.
	Cite string
}

// Methods is the table of methods.
func Methods() []Method {
	return []Method{
		{
			Name: "rdrec", Explanation: true, Sequential: true, Rationale: true, TopN: true, PromptVectors: 3,
			TemplateSet: "pod", Cite: "Wang et al., ACL 2024",
		},
		{
			Name: "pod", Explanation: true, Sequential: true, TopN: true, PromptVectors: 3,
			TemplateSet: "pod", Cite: "Li et al., CIKM 2023",
		},
		{
			Name: "p5", Explanation: true, Sequential: true, TopN: true,
			TemplateSet: "p5", Cite: "Geng et al., RecSys 2022",
		},
	}
}

// Size is a T5 configuration under its Hugging Face name (its config.json), or a small one of ours
// for CPUs.
type Size struct {
	Name                                    string
	Model, Head, FeedForward, Layers, Heads int // d_model, d_kv, d_ff, num_layers (each stack), num_heads
	Dropout                                 float64
	Note                                    string
}

// Sizes is the table of student sizes.
func Sizes() []Size {
	return []Size{
		{Name: "t5-tiny", Model: 64, Head: 16, FeedForward: 128, Layers: 2, Heads: 4, Note: "2 million parameters; tests"},
		{Name: "t5-mini", Model: 128, Head: 32, FeedForward: 512, Layers: 2, Heads: 4, Note: "5 million parameters; the demo on a CPU"},
		{Name: "t5-small", Model: 512, Head: 64, FeedForward: 2048, Layers: 6, Heads: 8, Dropout: 0.1, Note: "60 million; the paper's"},
		{Name: "t5-base", Model: 768, Head: 64, FeedForward: 3072, Layers: 12, Heads: 12, Dropout: 0.1, Note: "220 million"},
		{Name: "t5-large", Model: 1024, Head: 64, FeedForward: 4096, Layers: 24, Heads: 16, Dropout: 0.1, Note: "770 million"},
		{Name: "t5-3b", Model: 1024, Head: 128, FeedForward: 16384, Layers: 24, Heads: 32, Dropout: 0.1, Note: "3 billion"},
		{Name: "t5-11b", Model: 1024, Head: 128, FeedForward: 65536, Layers: 24, Heads: 128, Dropout: 0.1, Note: "11 billion"},
	}
}

// SASRec is the baseline that is trained on libtorch, in a stage of its own.
const SASRec = "sasrec"

// Baselines name what stands beside the students; package baseline has their table.
func Baselines() []string { return []string{"popularity", "markov", "item-knn", "rule", SASRec} }

// Prompts are the ways a teacher is asked; package teacher has their texts.
func Prompts() []string { return []string{"paper", "few-shot"} }

// BFloat16 is the precision of [Train] that is not the default.
const BFloat16 = "bfloat16"

// TwoLines is the way to hold a teacher's replies to a form; packages llama and openai do it.
const TwoLines = "two-lines"

// Formats are the kinds of review files; package review reads them.
func Formats() []string {
	return []string{"auto", "amazon-2014", "amazon-2018", "amazon-2023", "csv", "parquet"}
}

// Columns are our names for a review's columns.
func Columns() []string { return []string{"user", "item", "time", "rating", "text", "summary"} }

// Extractors find a review's explanation and feature; package review has them.
func Extractors() []string { return []string{"sentence", "summary"} }

// Teachers are the forms of a teacher's name: the word itself, or a prefix ending in a colon.
func Teachers() []string {
	return []string{"smollm2", "copy", "gguf:", "meta:", "hf:", "openai:"}
}
