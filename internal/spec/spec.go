// Package spec is what a user asks for: one YAML document that says which data, teacher, methods,
// student, training and evaluation an experiment has. In: a YAML file and overrides; out: a
// complete, validated [Spec]. It stands at the bottom of the import order: every other package may
// use it, it uses none of them, and it links neither libtorch nor Temporal.
package spec

// Spec is one experiment. Its canonical JSON (see [Spec.Digest]) names the workflow, so the same
// spec is the same experiment.
type Spec struct {
	// Name is for people: it stands in the report and in the workflow's id.
	Name string `json:"name" yaml:"name" validate:"required,max=64,slug"`
	// Seed is the root of all randomness; trial k uses Seed+k.
	Seed int64 `json:"seed" yaml:"seed"`
	// Protocol is a row of [Protocols]: how training and evaluation treat the reference's quirks.
	Protocol string `json:"protocol" yaml:"protocol" validate:"protocol"`
	// Switches overrides single switches of the protocol's row: rows of [Switches], on or off.
	Switches map[string]bool `json:"switches,omitempty" yaml:"switches,omitempty" validate:"omitempty,dive,keys,switch,endkeys"`
	// Ablate names rows of [Switches]: for each, every method that it matters to is trained and
	// examined once more with that one flipped.
	Ablate []string `json:"ablate,omitempty" yaml:"ablate,omitempty" validate:"omitempty,dive,switch"`
	// Methods are rows of [Methods], each trained and evaluated on the same data.
	Methods []string `json:"methods" yaml:"methods" validate:"min=1,unique,dive,method"`
	// Trials is how many seeds each method is run with (at least 1).
	Trials int `json:"trials" yaml:"trials" validate:"min=1,max=100"`
	// Baselines are rows of [Baselines] that the report sets beside the students, on the same
	// users.
	Baselines []string `json:"baselines" yaml:"baselines" validate:"min=1,unique,dive,baseline"`
	Data      Data     `json:"data" yaml:"data"`
	Teacher   Teacher  `json:"teacher" yaml:"teacher"`
	Student   Student  `json:"student" yaml:"student"`
	Train     Train    `json:"train" yaml:"train"`
	Evaluate  Evaluate `json:"evaluate" yaml:"evaluate"`
	// Sasrec says how the baseline of that name is tuned; nothing is done with it where it is not
	// among Baselines.
	Sasrec Sasrec `json:"sasrec" yaml:"sasrec"`
	// Nightly, where set, is what a night does beyond an experiment.
	Nightly *Nightly `json:"nightly,omitempty" yaml:"nightly,omitempty"`
}

// Sasrec is the grid that SASRec is tuned on, with the first seed and on the validation items only:
// each of Dims with each of Dropouts and each of LearningRates.
type Sasrec struct {
	// HiddenSizes are widths of its vectors, multiples of Heads.
	HiddenSizes   []int     `json:"hidden_sizes" yaml:"hidden_sizes" validate:"min=1,unique,dive,min=4,max=1024"`
	Dropouts      []float64 `json:"dropouts" yaml:"dropouts" validate:"min=1,unique,dive,min=0,max=0.9"`
	LearningRates []float64 `json:"learning_rates" yaml:"learning_rates" validate:"min=1,unique,dive,gt=0,max=1"`
	// Blocks and Heads shape the transformer; Length is how many of the latest items it sees.
	Blocks    int `json:"blocks" yaml:"blocks" validate:"min=1,max=32"`
	Heads     int `json:"heads" yaml:"heads" validate:"min=1,max=64"`
	MaxLength int `json:"max_length" yaml:"max_length" validate:"min=2,max=1000"`
	// Batch is how many users a step learns from; Epochs bounds training, Endure is how many epochs
	// without a better validation NDCG@10 it endures.
	Batch    int `json:"batch" yaml:"batch" validate:"min=1"`
	Epochs   int `json:"epochs" yaml:"epochs" validate:"min=1"`
	Patience int `json:"patience" yaml:"patience" validate:"min=1"`
}

// Data says where interactions and explanations come from: exactly one of Folder and Reviews is
// set.
type Data struct {
	// Folder is a folder in the format of RDRec, POD and P5 (sequential.txt, datamaps.json, ...;
	// plain or .gz).
	Folder string `json:"folder,omitempty" yaml:"folder,omitempty"`
	// MaxReviews are raw reviews of any shop.
	Reviews *Reviews `json:"reviews,omitempty" yaml:"reviews,omitempty"`
	// Indexing is a row of [Indexings]: how items get their numbers. Empty is "as-is" for a folder
	// in protocol paper, else "random".
	Indexing string `json:"indexing,omitempty" yaml:"indexing,omitempty" validate:"omitempty,indexing"`
	// Negatives is how many unseen items stand beside the true one in a top-N example (99 in the
	// paper).
	Negatives int `json:"negatives" yaml:"negatives" validate:"min=1,max=1000"`
	// Accumulated is what a night reads in the place of Reviews' path.
	Accumulated *Accumulated `json:"accumulated,omitempty" yaml:"-"`
}

// MaxReviews says how raw reviews become a dataset.
type Reviews struct {
	// Path is a file or glob: JSON lines, CSV or Parquet, plain or .gz.
	Path string `json:"path" yaml:"path"`
	// Format is a row of [Formats]; "auto" looks at the first line.
	Format string `json:"format" yaml:"format" validate:"format"`
	// Metadata is the shop's item file (titles), optional.
	Metadata string `json:"metadata,omitempty" yaml:"metadata,omitempty"`
	// Columns renames columns of CSV and Parquet files: ours (user, item, time, rating, text,
	// summary) to the file's.
	Columns map[string]string `json:"columns,omitempty" yaml:"columns,omitempty" validate:"omitempty,dive,keys,column,endkeys,required"`
	// UserCore and ItemCore are the fewest interactions that a user and an item must keep (k-core;
	// at least 1).
	UserCore int `json:"user_core" yaml:"user_core" validate:"min=1"`
	ItemCore int `json:"item_core" yaml:"item_core" validate:"min=1"`
	// Pretrained and To bound the review's day (YYYY-MM-DD, both inclusive); empty means unbounded.
	From string `json:"from,omitempty" yaml:"from,omitempty" validate:"omitempty,datetime=2006-01-02"`
	To   string `json:"to,omitempty" yaml:"to,omitempty" validate:"omitempty,datetime=2006-01-02"`
	// MinRating drops reviews below it; 0 keeps all.
	MinRating float64 `json:"min_rating" yaml:"min_rating" validate:"min=0,max=5"`
	// Extractor is how a review's explanation and feature are found: a row of [Extractors].
	Extractor string `json:"extractor" yaml:"extractor" validate:"extractor"`
	// MaxBad is the share of unreadable rows above which the import fails instead of quarantining
	// them (0 to 1).
	MaxBad float64 `json:"max_bad" yaml:"max_bad" validate:"min=0,max=1"`
}

// Teacher says who writes the rationales and how it is asked.
type Teacher struct {
	// Model is "smollm2" (the demo's), "gguf:FILE", "meta:DIR", "hf:DIR", "openai:URL#MODEL" or
	// "copy" (the explanation itself).
	Model string `json:"model" yaml:"model" validate:"teacher"`
	// Prompt is a row of [Prompts]: "paper" for big chat models, "few-shot" for small ones.
	Prompt string `json:"prompt" yaml:"prompt" validate:"oneof=paper few-shot"`
	// Parse is "paper" (the reference's parser with its fallbacks) or "strict" (two numbered
	// sentences or quarantine).
	Parse string `json:"parse" yaml:"parse" validate:"oneof=paper strict"`
	// Constrain is nothing or [TwoLines], which holds each reply to two numbered lines, so that it
	// parses: models in this process by a mask on its tokens, a server's by a grammar or a schema
	// where it knows any.
	Constrain string `json:"constrain,omitempty" yaml:"constrain,omitempty" validate:"omitempty,oneof=two-lines"`
	// MaxReviews bounds how many explanations are distilled, in training order; 0 means all.
	MaxReviews int `json:"max_reviews" yaml:"max_reviews" validate:"min=0"`
	// Batch is how many prompts are decoded together; 0 means as many as pay and memory allows. It
	// changes speed, never text.
	Batch int `json:"batch" yaml:"batch" validate:"min=0,max=1024"`
	// ShardRows is how many explanations a worker is given at a time. It changes speed, never text.
	ShardRows int `json:"shard_rows" yaml:"shard_rows" validate:"min=1"`
	// MaxLength bounds a reply.
	MaxTokens int `json:"max_tokens" yaml:"max_tokens" validate:"min=8,max=511"`
	// MaxContext bounds a prompt and its reply together, for models in this process (512 in the
	// reference); a server has its own bound. A prompt that leaves too little for a reply is set
	// aside with that reason.
	MaxContext int `json:"max_context" yaml:"max_context" validate:"min=64,max=131072"`
	// Temperature 0 is greedy; TopP is nucleus sampling's mass (0.6 and 0.9 in the reference).
	Temperature float64 `json:"temperature" yaml:"temperature" validate:"min=0,max=2"`
	TopP        float64 `json:"top_p" yaml:"top_p" validate:"gt=0,max=1"`
	// RepetitionPenalty divides the logits of tokens already in the context (1 means none).
	RepetitionPenalty float64 `json:"repetition_penalty" yaml:"repetition_penalty" validate:"min=1,max=2"`
	// MaxBad is the share of replies that may not parse before the stage fails.
	MaxBad float64 `json:"max_bad" yaml:"max_bad" validate:"min=0,max=1"`
}

// Student says which T5 learns.
type Student struct {
	// Size is a row of [Sizes].
	Size string `json:"size" yaml:"size" validate:"size"`
	// Pretrained is a Hugging Face folder to start from; empty starts from random weights.
	Pretrained string `json:"pretrained,omitempty" yaml:"pretrained,omitempty"`
	// Dropout overrides the size's own rate when set.
	Dropout *float64 `json:"dropout,omitempty" yaml:"dropout,omitempty" validate:"omitempty,min=0,max=0.9"`
	// WarmStart is the model that a night goes on from, in the place of From. People never write
	// it.
	WarmStart *Ref `json:"warm_start,omitempty" yaml:"-"`
}

// Train says how the student is trained.
type Train struct {
	// Batch is the reference's batch size: rationales count records of two rows, so 64 is 80 rows.
	Batch int `json:"batch" yaml:"batch" validate:"min=1"`
	// MicroBatch is how many of a batch's rows are worked at at a time, their gradients added up; 0
	// means all, and half as many each time that memory runs out.
	MicroBatch int `json:"micro_batch,omitempty" yaml:"micro_batch,omitempty" validate:"min=0"`
	// Precision is what matrices are multiplied in: "float32" (the default) or "bfloat16", with
	// float32 weights, moments, norms and losses.
	Precision string `json:"precision,omitempty" yaml:"precision,omitempty" validate:"omitempty,oneof=float32 bfloat16"`
	// GradientCheckpointing computes each layer again for the gradient instead of keeping it
	// (gradient checkpointing): a third more arithmetic, a fraction of the memory. It is done
	// anyway from where not even one row fits.
	GradientCheckpointing bool `json:"gradient_checkpointing,omitempty" yaml:"gradient_checkpointing,omitempty"`
	// Ratio is explanation : sequential : rationale : top-N.
	Ratio Ratio `json:"ratio" yaml:"ratio"`
	// LearningRate and WeightDecay are AdamW's (5e-4 and 0.01 in the reference, on every
	// parameter).
	LearningRate float64 `json:"learning_rate" yaml:"learning_rate" validate:"gt=0,max=1"`
	WeightDecay  float64 `json:"weight_decay" yaml:"weight_decay" validate:"min=0,max=1"`
	// Epochs bounds training; Steps, where not 0, bounds it further.
	Epochs int `json:"epochs" yaml:"epochs" validate:"min=1"`
	Steps  int `json:"steps,omitempty" yaml:"steps,omitempty" validate:"min=0"`
	// EpochSteps is how many steps an epoch has; 0 means the reference's rule (the explanations set
	// it).
	EpochSteps int `json:"epoch_steps,omitempty" yaml:"epoch_steps,omitempty" validate:"min=0"`
	// Patience is how many epochs without a better validation loss are endured before training
	// stops.
	Patience int `json:"patience" yaml:"patience" validate:"min=1"`
	// ValidationRows bounds the records of each task that validation sees, spread over the file; 0
	// means all.
	ValidationRows int `json:"validation_rows,omitempty" yaml:"validation_rows,omitempty" validate:"min=0"`
	// MaxTargetTokens is where a target text is cut (the reference's exp_len, 20).
	MaxTargetTokens int `json:"max_target_tokens" yaml:"max_target_tokens" validate:"min=2,max=512"`
	// CheckpointSteps is how many steps lie between checkpoints; Keep is how many of them are kept
	// beside the best.
	CheckpointSteps int `json:"checkpoint_steps" yaml:"checkpoint_steps" validate:"min=1"`
	KeepCheckpoints int `json:"keep_checkpoints" yaml:"keep_checkpoints" validate:"min=1"`
}

// Ratio weighs the kinds of examples in a mixed batch.
type Ratio struct {
	Explanation float64 `json:"explanation" yaml:"explanation" validate:"min=0"`
	Sequential  float64 `json:"sequential" yaml:"sequential" validate:"min=0"`
	Rationale   float64 `json:"rationale" yaml:"rationale" validate:"min=0"`
	TopN        float64 `json:"topn" yaml:"topn" validate:"min=0"`
}

// Evaluate says how the trained student is examined.
type Evaluate struct {
	// Batch is how many rows are decoded together. In protocol paper it changes results (padding is
	// attended to).
	Batch int `json:"batch" yaml:"batch" validate:"min=1"`
	// Shards is how many parts an examination is cut into, for as many workers; 0 is one. It
	// changes speed, never an answer.
	Shards int `json:"shards,omitempty" yaml:"shards,omitempty" validate:"min=0,max=256"`
	// SequentialUsers and TopNUsers bound the users examined in the two rankings, spread over the
	// file; 0 means all, -1 means none.
	SequentialUsers int `json:"sequential_users" yaml:"sequential_users" validate:"min=-1"`
	TopNUsers       int `json:"topn_users" yaml:"topn_users" validate:"min=-1"`
	// Explanations bounds the test explanations generated, spread over the file; 0 means all, -1
	// means none.
	Explanations int `json:"explanations" yaml:"explanations" validate:"min=-1"`
	// NumBeams is the beam width of both rankings; Return and TopN are how many items they return
	// (20, 15, 10).
	NumBeams           int `json:"num_beams" yaml:"num_beams" validate:"min=1,max=100"`
	NumReturnSequences int `json:"num_return_sequences" yaml:"num_return_sequences" validate:"min=1,max=100"`
	TopN               int `json:"topn" yaml:"topn" validate:"min=1,max=100"`
	// ExplanationNumBeams in ExplanationNumBeamGroups with at least MinLength tokens write an
	// explanation (21, 3, 10).
	ExplanationNumBeams      int `json:"explanation_num_beams" yaml:"explanation_num_beams" validate:"min=1,max=100"`
	ExplanationNumBeamGroups int `json:"explanation_num_beam_groups" yaml:"explanation_num_beam_groups" validate:"min=1,max=100"`
	MinLength                int `json:"min_length" yaml:"min_length" validate:"min=1"`
	// MaxLength is the longest generated sequence, start token included (50).
	MaxLength int `json:"max_length" yaml:"max_length" validate:"min=2,max=512"`
	// MaxReferenceTokens cuts the reference texts that BLEU and ROUGE see (exp.py's exp_len: 100 in
	// RDRec, 20 in POD).
	MaxReferenceTokens int `json:"max_reference_tokens" yaml:"max_reference_tokens" validate:"min=2,max=512"`
}

// WithoutShards is what answers depend on.
func (e Evaluate) WithoutShards() Evaluate {
	e.Shards = 0
	return e
}

// Default returns the paper's settings with no data and no name; a YAML document overrides what it
// names.
func Default() Spec {
	return Spec{
		Seed: 1, Protocol: Paper, Methods: []string{"rdrec"}, Trials: 1,
		Baselines: []string{"popularity", "markov", "item-knn", "rule"},
		Data:      Data{Negatives: 99},
		Teacher: Teacher{
			Model: "smollm2", Prompt: "few-shot", Parse: "strict", ShardRows: 2048, MaxTokens: 80, MaxContext: 512,
			TopP: 1, RepetitionPenalty: 1.15, MaxBad: 0.5,
		},
		Student: Student{Size: "t5-small"},
		Train: Train{
			Batch: 64, Ratio: Ratio{1, 1, 1, 1}, LearningRate: 5e-4, WeightDecay: 0.01, Epochs: 100, Patience: 5,
			MaxTargetTokens: 20, CheckpointSteps: 200, KeepCheckpoints: 2,
		},
		Evaluate: Evaluate{
			Batch: 32, NumBeams: 20, NumReturnSequences: 15, TopN: 10, ExplanationNumBeams: 21, ExplanationNumBeamGroups: 3, MinLength: 10,
			MaxLength: 50, MaxReferenceTokens: 100,
		},
		Sasrec: Sasrec{
			HiddenSizes: []int{64, 128}, Dropouts: []float64{0.2, 0.5}, LearningRates: []float64{0.001}, Blocks: 2, Heads: 2, MaxLength: 50,
			Batch: 128, Epochs: 200, Patience: 10,
		},
	}
}

// DefaultReviews returns the settings of a reviews block; a YAML document overrides what it names.
func DefaultReviews() Reviews {
	return Reviews{Format: "auto", UserCore: 5, ItemCore: 5, Extractor: "sentence", MaxBad: 0.01}
}
