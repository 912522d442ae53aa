package spec

// Names of the two protocols.
const (
	Paper = "paper"
	Clean = "clean"
)

// Protocol says which of the reference's quirks are kept (docs/deviations.md has a row for each). Every switch is off in paper.
type Protocol struct {
	Name string
	// MaskCross hides padding from the decoder's cross-attention (REFERENCE.md 1).
	MaskCross bool
	// SkipPads leaves padding out of the loss and keeps the end token of cut targets (2).
	SkipPads bool
	// RightTasks gives each rationale row its own task's prompt (8).
	RightTasks bool
	// PatienceResets sets the early stop's counter back after an improvement (17).
	PatienceResets bool
	// Constrained decodes valid, unseen, distinct items only (12, 13, 14, 15).
	Constrained bool
	// HeldOut keeps explanations of validation and test pairs out of every task (18).
	HeldOut bool
}

// Protocols is the table of protocols.
func Protocols() []Protocol {
	return []Protocol{
		{Name: Paper},
		{
			Name: Clean, MaskCross: true, SkipPads: true, RightTasks: true, PatienceResets: true,
			Constrained: true, HeldOut: true,
		},
	}
}

// Switch is one of a protocol's switches, so that each can be set by itself and ablated.
type Switch struct {
	// Name is the key in a spec's fixes and ablate; About says for people what it does when it is on.
	Name, About string
	// Answers says that it can change how a trained student is examined; Texts that this goes for explanations, not only for rankings.
	Answers, Texts bool
	// trains says whether training a method with a ratio of examples can depend on it; nil is always.
	trains func(Method, Ratio) bool
	of     func(*Protocol) *bool
}

// Switches is the table of switches, in the order of [Protocol]'s fields.
func Switches() []Switch {
	return []Switch{
		{
			Name: "mask_cross", About: "masked cross-attention", Answers: true, Texts: true,
			of: func(p *Protocol) *bool { return &p.MaskCross },
		},
		{
			Name: "skip_pads", About: "no padding in the loss",
			of: func(p *Protocol) *bool { return &p.SkipPads },
		},
		{
			Name: "right_tasks", About: "right rationale tasks",
			trains: func(m Method, r Ratio) bool { return m.Rationale && r.Rationale > 0 }, of: func(p *Protocol) *bool { return &p.RightTasks },
		},
		{
			Name: "patience_resets", About: "patience that resets",
			of: func(p *Protocol) *bool { return &p.PatienceResets },
		},
		{
			Name: "constrained", About: "valid, unseen, distinct items", Answers: true,
			trains: func(m Method, _ Ratio) bool { return m.TopN }, // validation's candidates; a ratio of 0 still takes what rounding leaves
			of:     func(p *Protocol) *bool { return &p.Constrained },
		},
		{
			Name: "held_out", About: "held-out explanations",
			trains: func(m Method, r Ratio) bool {
				return m.Explanation && r.Explanation > 0 || m.Rationale && r.Rationale > 0
			},
			of: func(p *Protocol) *bool { return &p.HeldOut },
		},
	}
}

// Numbering is a way to number items. The T5 reads and writes items as numbers, so what a number knows, the student knows.
type Numbering struct {
	Name, About string
	// Seeded says that the seed decides it; Leaks that it is made from held-out items too.
	Seeded, Leaks bool
}

// Names of the numberings.
const (
	AsIs            = "as-is"
	Appearance      = "appearance"
	Random          = "random"
	Sequential      = "sequential"
	Collaborative   = "collaborative"
	Semantic        = "semantic"
	SemanticCompany = "semantic-company"
)

// Numberings is the table of numberings; package numbering makes them.
func Numberings() []Numbering {
	return []Numbering{
		{Name: AsIs, Leaks: true, About: "the folder's own numbers, which may leak"},
		{Name: Appearance, Leaks: true, About: "order of first appearance, test items included: the reference's, leaks"},
		{Name: Random, Seeded: true, About: "a digest of seed and shop's id: knows nothing"},
		{Name: Sequential, Seeded: true, About: "order of first appearance in training histories, then the rest at random"},
		{Name: Collaborative, Seeded: true, About: "items that share training users stand together (recursive spectral clustering)"},
		{Name: Semantic, Seeded: true, About: "items of like titles, or else of like company, stand together (residual quantisation)"},
		{Name: SemanticCompany, Seeded: true, About: "as semantic, by company in training histories whatever titles there are"},
	}
}

// Method is a way to train the student: which tasks it learns and what stands before the tokens.
type Method struct {
	Name string
	// Explanation, Sequential, Rationale and TopN say which kinds of examples are learnt.
	Explanation, Sequential, Rationale, TopN bool
	// PromptVectors is how many learnt vectors stand before each input (3; P5 has none).
	PromptVectors int
	// Templates is the family of texts (a row of task.Families).
	Templates string
	// Cite names the source.
	Cite string
}

// Methods is the table of methods.
func Methods() []Method {
	return []Method{
		{
			Name: "rdrec", Explanation: true, Sequential: true, Rationale: true, TopN: true, PromptVectors: 3,
			Templates: "pod", Cite: "Wang et al., ACL 2024",
		},
		{
			Name: "pod", Explanation: true, Sequential: true, TopN: true, PromptVectors: 3,
			Templates: "pod", Cite: "Li et al., CIKM 2023",
		},
		{
			Name: "p5", Explanation: true, Sequential: true, TopN: true,
			Templates: "p5", Cite: "Geng et al., RecSys 2022",
		},
	}
}

// Size is a T5 configuration under its Hugging Face name (its config.json), or a small one of ours for CPUs.
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
