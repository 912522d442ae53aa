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

// Prompts are the ways a teacher is asked; package teacher has their texts.
func Prompts() []string { return []string{"paper", "few-shot"} }

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
