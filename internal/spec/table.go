package spec

// Names of the two protocols.
const (
	Paper = "paper"
	Clean = "clean"
)

// Protocol is the set of switches that fix the reference's quirks (docs/deviations.md has a row for
// each), and of those that make a control. In paper every switch is off, so the quirks are kept.
type Protocol struct {
	Name string `json:"name"`
	// MaskCross masks padding in the decoder's cross-attention (docs/deviations.md, row 1).
	MaskCross bool `json:"mask_cross"`
	// SkipPads excludes padding from the loss and keeps the end token of truncated targets (row 2).
	SkipPads bool `json:"skip_pads"`
	// CorrectTasks gives each rationale row its own task's prompt (row 8).
	CorrectTasks bool `json:"correct_tasks"`
	// PatienceResets resets the counter of early stopping after an improvement (row 17).
	PatienceResets bool `json:"patience_resets"`
	// Constrained decodes valid, unseen, distinct items only (rows 12 to 15).
	Constrained bool `json:"constrained"`
	// HeldOut excludes explanations of validation and test pairs from every task (row 18).
	HeldOut bool `json:"held_out"`
	// FullPrefixes trains the sequential task on every pair of a user and a position of the
	// training items, all equally likely, with the whole history before it (row 21).
	FullPrefixes bool `json:"full_prefixes,omitempty"`
	// BlindNegatives samples negatives for training and validation without looking at items that
	// are held out from it (row 22).
	BlindNegatives bool `json:"blind_negatives,omitempty"`
	// ShuffledRationales gives each explanation the rationale of another user's. It is a control,
	// off in both protocols: a gain that it keeps does not come from the rationales' content.
	ShuffledRationales bool `json:"shuffled_rationales,omitempty"`
}

// Protocols is the table of protocols.
func Protocols() []Protocol {
	return []Protocol{
		{Name: Paper},
		{
			Name: Clean, MaskCross: true, SkipPads: true, CorrectTasks: true, PatienceResets: true,
			Constrained: true, HeldOut: true, FullPrefixes: true, BlindNegatives: true,
		},
	}
}

// Switch is one switch of a protocol. It can be set alone and ablated.
type Switch struct {
	// Name is the key in a spec's switches and ablate; About describes for people what the switch
	// does when it is on.
	Name, About string
	// AffectsEvaluation reports whether the switch can change how a trained student is evaluated;
	// AffectsExplanations, whether that holds for explanations and not only for rankings.
	AffectsEvaluation, AffectsExplanations bool
	// trainingDepends reports whether training a method with a ratio can depend on the switch; nil
	// means always.
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
			trainingDepends: func(m Method, r Ratio) bool { return m.Rationale && r.Rationale > 0 },
			field:           func(p *Protocol) *bool { return &p.CorrectTasks },
		},
		{
			Name: "patience_resets", About: "patience that resets",
			field: func(p *Protocol) *bool { return &p.PatienceResets },
		},
		{
			Name: "constrained", About: "valid, unseen, distinct items", AffectsEvaluation: true,
			// validation's candidates; a ratio of 0 still takes what rounding leaves
			trainingDepends: func(m Method, _ Ratio) bool { return m.TopN },
			field:           func(p *Protocol) *bool { return &p.Constrained },
		},
		{
			Name: "held_out", About: "held-out explanations",
			trainingDepends: func(m Method, r Ratio) bool {
				return m.Explanation && r.Explanation > 0 || m.Rationale && r.Rationale > 0
			},
			field: func(p *Protocol) *bool { return &p.HeldOut },
		},
		{
			Name: "full_prefixes", About: "training on all prefixes",
			// the sequential task may take what rounding leaves, even at a ratio of 0
			trainingDepends: func(m Method, _ Ratio) bool { return m.Sequential },
			field:           func(p *Protocol) *bool { return &p.FullPrefixes },
		},
		{
			Name: "blind_negatives", About: "negatives blind to held-out items",
			trainingDepends: func(m Method, _ Ratio) bool { return m.TopN },
			field:           func(p *Protocol) *bool { return &p.BlindNegatives },
		},
		{
			Name: "shuffled_rationales", About: "rationales shuffled between users",
			trainingDepends: func(m Method, r Ratio) bool { return m.Rationale && r.Rationale > 0 },
			field:           func(p *Protocol) *bool { return &p.ShuffledRationales },
		},
	}
}

// Indexing is a way to assign item ids, and codes. The T5 reads and writes items as ids, or as
// codes where they have some, so whatever these encode, the student knows.
type Indexing struct {
	Name, About string
	// Seeded indexings depend on the seed; Leaks marks those that use held-out items.
	Seeded, Leaks bool
	// Codes marks those that give items codes; their ids are those of random.
	Codes bool
}

// Names of the indexings.
const (
	AsIs                 = "as-is"
	Appearance           = "appearance"
	Random               = "random"
	Sequential           = "sequential"
	Collaborative        = "collaborative"
	Semantic             = "semantic"
	SemanticCooccurrence = "semantic-cooccurrence"
	ItemCodes            = "codes"
	SemanticCodes        = "semantic-codes"
	CollaborativeCodes   = "collaborative-codes"
)

// Indexings is the table of item indexings; package indexing implements them.
func Indexings() []Indexing {
	return []Indexing{
		{Name: AsIs, Leaks: true, About: "the folder's own item ids, which may leak"},
		{
			Name: Appearance, Leaks: true,
			About: "order of first appearance, test items included: the reference's, leaks",
		},
		{Name: Random, Seeded: true, About: "a digest of the seed and the shop's id: carries no information"},
		{
			Name: Sequential, Seeded: true,
			About: "order of first appearance in training histories, then the rest at random",
		},
		{
			Name: Collaborative, Seeded: true,
			About: "items that share training users get nearby ids (recursive spectral clustering)",
		},
		{Name: Semantic, Seeded: true, About: "items with similar titles, or without titles with similar " +
			"co-occurrence, get nearby ids (residual quantization)"},
		{
			Name: SemanticCooccurrence, Seeded: true,
			About: "like semantic, but always by co-occurrence in training histories",
		},
		{
			Name: ItemCodes, Seeded: true, Codes: true,
			About: "random ids, and codes with tokens of their own: k-means of co-occurrence and titles (data.codes)",
		},
		{Name: SemanticCodes, Seeded: true, Codes: true, About: "like codes, but of titles alone"},
		{
			Name: CollaborativeCodes, Seeded: true, Codes: true,
			About: "random ids, and the paths of collaborative's tree of clusters as codes",
		},
	}
}

// Method is a way to train the student: the tasks that it trains on and the prompt vectors before
// the tokens.
type Method struct {
	Name string
	// Explanation, Sequential, Rationale and TopN report whether the method trains on that task.
	Explanation, Sequential, Rationale, TopN bool
	// PromptVectors is the number of trained vectors before each input (3; P5 has none).
	PromptVectors int
	// TemplateSet is the method's set of templates (a row of task.TemplateSets).
	TemplateSet string
	// Cite names the publication.
	Cite string
}

// Trained returns the method without the tasks of texts to which a ratio gives no weight: no text
// is needed to train it.
func (m Method) Trained(r Ratio) Method {
	m.Explanation = m.Explanation && r.Explanation > 0
	m.Rationale = m.Rationale && r.Rationale > 0
	return m
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
		{
			Name: "t5-tiny", Model: 64, Head: 16, FeedForward: 128, Layers: 2, Heads: 4,
			Note: "2 million parameters; tests",
		},
		{
			Name: "t5-mini", Model: 128, Head: 32, FeedForward: 512, Layers: 2, Heads: 4,
			Note: "5 million parameters; the demo on a CPU, and the CPU recipe of item codes",
		},
		{
			Name: "t5-midi", Model: 256, Head: 64, FeedForward: 1024, Layers: 4, Heads: 4,
			Note: "16 million parameters; the GPU recipe of item codes",
		},
		{
			Name: "t5-small", Model: 512, Head: 64, FeedForward: 2048, Layers: 6, Heads: 8, Dropout: 0.1,
			Note: "60 million; the paper's",
		},
		{
			Name: "t5-base", Model: 768, Head: 64, FeedForward: 3072, Layers: 12, Heads: 12, Dropout: 0.1,
			Note: "220 million",
		},
		{
			Name: "t5-large", Model: 1024, Head: 64, FeedForward: 4096, Layers: 24, Heads: 16, Dropout: 0.1,
			Note: "770 million",
		},
		{
			Name: "t5-3b", Model: 1024, Head: 128, FeedForward: 16384, Layers: 24, Heads: 32, Dropout: 0.1,
			Note: "3 billion",
		},
		{
			Name: "t5-11b", Model: 1024, Head: 128, FeedForward: 65536, Layers: 24, Heads: 128, Dropout: 0.1,
			Note: "11 billion",
		},
	}
}

// SASRec is the baseline that is trained with libtorch, in a stage of its own.
const SASRec = "sasrec"

// BSARec is SASRec with a frequency filter, in a stage of its own too.
const BSARec = "bsarec"

// IsTrained reports whether a baseline is trained with libtorch, in a stage of its own.
func IsTrained(baseline string) bool { return baseline == SASRec || baseline == BSARec }

// Names of baselines that this package treats specially.
const (
	Rule       = "rule"
	DecayedMix = "decayed-mix"
)

// Baselines returns the names of the baselines; package baseline has their table.
func Baselines() []string {
	return []string{"popularity", "markov", "item-knn", Rule, "tgh-2", DecayedMix, SASRec, BSARec}
}

// Prompts returns the names of the teacher's prompts; package teacher has their texts.
func Prompts() []string { return []string{"paper", "few-shot"} }

// BFloat16 is the non-default precision of [Train].
const BFloat16 = "bfloat16"

// TwoLines is the constraint on a teacher's replies; packages llama and openai implement it.
const TwoLines = "two-lines"

// Formats returns the formats of review files; package review reads them.
func Formats() []string {
	return []string{"auto", "amazon-2014", "amazon-2018", "amazon-2023", "json", "csv", "parquet"}
}

// Columns returns our names for a review's columns.
func Columns() []string { return []string{"user", "item", "time", "rating", "text", "summary"} }

// TitleColumn is our name for the column of titles in the shop's item file.
const TitleColumn = "title"

// NoExtractor finds no explanations: the data are for recommendations only.
const NoExtractor = "none"

// Extractors returns the ways to find a review's explanation and feature; package review implements
// them.
func Extractors() []string { return []string{"sentence", "summary", NoExtractor} }

// OtherLanguage is the language without word lists: explanations are found by item words alone.
const OtherLanguage = "other"

// Languages returns the languages of reviews; package review has their word lists.
func Languages() []string { return []string{"en", "de", OtherLanguage} }

// WordLists names the word lists of a language, for people.
func WordLists(language string) string {
	if language == OtherLanguage {
		return "without word lists: the first sentence with an item word"
	}
	return "word lists: " + language
}

// Teachers returns the forms of a teacher's name: a whole name, or a prefix that ends in a colon.
func Teachers() []string {
	return []string{"smollm2", "copy", "gguf:", "meta:", "hf:", "openai:"}
}
