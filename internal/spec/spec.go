// Package spec defines what a user asks for: one YAML document that selects the data, teacher,
// methods, student, training and evaluation of an experiment. In: a YAML file and overrides; out: a
// complete, validated [Spec]. It is at the bottom of the import order: every other package may
// import it, it imports only internal/document, and it links neither libtorch nor Temporal.
package spec

import "path/filepath"

// Spec is one experiment. The digest of its canonical JSON (see [Spec.Digest]) is part of the
// workflow's id, so equal specs are the same experiment.
type Spec struct {
	// Name identifies the experiment for people. It appears in the report and in the workflow's id.
	Name string `json:"name" yaml:"name" validate:"required,max=64,slug"`
	// Seed is the root of all randomness; trial k uses Seed+k.
	Seed int64 `json:"seed" yaml:"seed"`
	// Protocol is a row of [Protocols]: how training and evaluation treat the reference's quirks.
	Protocol string `json:"protocol" yaml:"protocol" validate:"protocol"`
	// Switches overrides single switches of the protocol: rows of [Switches], on or off.
	Switches map[string]bool `json:"switches,omitempty" yaml:"switches,omitempty" validate:"omitempty,dive,keys,switch,endkeys"`
	// Ablate names rows of [Switches]. For each of them, every method that it affects is trained
	// and evaluated once more with that switch flipped.
	Ablate []string `json:"ablate,omitempty" yaml:"ablate,omitempty" validate:"omitempty,dive,switch"`
	// Methods are rows of [Methods], each trained and evaluated on the same data.
	Methods []string `json:"methods" yaml:"methods" validate:"min=1,unique,dive,method"`
	// Trials is the number of seeds per method (at least 1).
	Trials int `json:"trials" yaml:"trials" validate:"min=1,max=100"`
	// Baselines are rows of [Baselines], evaluated on the same users as the students.
	Baselines []string `json:"baselines" yaml:"baselines" validate:"min=1,unique,dive,baseline"`
	Data      Data     `json:"data" yaml:"data"`
	Teacher   Teacher  `json:"teacher" yaml:"teacher"`
	Student   Student  `json:"student" yaml:"student"`
	Train     Train    `json:"train" yaml:"train"`
	Evaluate  Evaluate `json:"evaluate" yaml:"evaluate"`
	// Sasrec configures the tuning of the baseline sasrec. It is ignored unless Baselines contains
	// sasrec.
	Sasrec Sasrec `json:"sasrec" yaml:"sasrec"`
	// Bsarec configures the tuning of the baseline bsarec; nil means [DefaultBsarec].
	Bsarec *Sasrec `json:"bsarec,omitempty" yaml:"bsarec,omitempty"`
	// Nightly, where set, configures nightly retraining.
	Nightly *Nightly `json:"nightly,omitempty" yaml:"nightly,omitempty"`
}

// Sasrec is the hyperparameter grid of SASRec or BSARec: every combination of HiddenSizes,
// Dropouts, LearningRates and Alphas. It is searched with the first seed, on validation items only.
type Sasrec struct {
	// HiddenSizes are embedding widths, multiples of Heads.
	HiddenSizes []int `json:"hidden_sizes" yaml:"hidden_sizes" validate:"min=1,unique,dive,min=4,max=1024"`
	// Dropouts are the shares of values that training drops.
	Dropouts []float64 `json:"dropouts" yaml:"dropouts" validate:"min=1,unique,dive,min=0,max=0.9"`
	// LearningRates are AdamW's.
	LearningRates []float64 `json:"learning_rates" yaml:"learning_rates" validate:"min=1,unique,dive,gt=0,max=1"`
	// Blocks is the number of transformer blocks.
	Blocks int `json:"blocks" yaml:"blocks" validate:"min=1,max=32"`
	// Heads is the number of attention heads of a block.
	Heads int `json:"heads" yaml:"heads" validate:"min=1,max=64"`
	// MaxLength is the number of most recent items that the model reads.
	MaxLength int `json:"max_length" yaml:"max_length" validate:"min=2,max=1000"`
	// Batch is the number of users per training step.
	Batch int `json:"batch" yaml:"batch" validate:"min=1"`
	// Epochs is the maximum number of epochs.
	Epochs int `json:"epochs" yaml:"epochs" validate:"min=1"`
	// Patience is the number of epochs without a better validation NDCG@10 after which training
	// stops.
	Patience int `json:"patience" yaml:"patience" validate:"min=1"`
	// Loss is "all" (the default; every position of a user's history in one row) or "last" (a row
	// for each prefix, whose last position counts).
	Loss string `json:"loss,omitempty" yaml:"loss,omitempty" validate:"omitempty,oneof=all last"`
	// Alphas are the weights of BSARec's frequency filter beside attention; SASRec has none.
	Alphas []float64 `json:"alphas,omitempty" yaml:"alphas,omitempty" validate:"omitempty,unique,dive,gt=0,max=1"`
	// Cutoff is the number of frequencies that BSARec's filter keeps; SASRec has none.
	Cutoff int `json:"cutoff,omitempty" yaml:"cutoff,omitempty" validate:"min=0,max=501"`
}

// Data selects the source of interactions and explanations: exactly one of Folder and Reviews is
// set.
type Data struct {
	// Folder is a folder in the format of RDRec, POD and P5 (sequential.txt, datamaps.json, ...;
	// plain or .gz) or of Parquet tables, or the URL of one in a bucket (s3://, gs://, azblob://).
	Folder string `json:"folder,omitempty" yaml:"folder,omitempty"`
	// Reviews are raw reviews of any shop.
	Reviews *Reviews `json:"reviews,omitempty" yaml:"reviews,omitempty"`
	// Indexing is a row of [Indexings]: how items get their ids. Empty means "as-is" for a folder
	// in protocol paper, otherwise "random".
	Indexing string `json:"indexing,omitempty" yaml:"indexing,omitempty" validate:"omitempty,indexing"`
	// Codes configures an indexing that gives items codes; nil means [DefaultCodes].
	Codes *Codes `json:"codes,omitempty" yaml:"codes,omitempty"`
	// Negatives is the number of unseen items beside the true item in a top-N example (99 in the
	// paper).
	Negatives int `json:"negatives" yaml:"negatives" validate:"min=1,max=1000"`
	// Pseudonyms replaces user ids by keyed hashes at the import. The key is in the environment of
	// starters and workers.
	Pseudonyms bool `json:"pseudonyms,omitempty" yaml:"pseudonyms,omitempty"`
	// Accumulated is what a nightly run reads instead of Reviews.Path.
	Accumulated *Accumulated `json:"accumulated,omitempty" yaml:"-"`
}

// Codes configures how items get codes. Each item has a vector, the concatenation of its parts;
// k-means turns it into a code at each level, and a last code distinguishes items of equal codes.
type Codes struct {
	// Quantizer is "residual" (each level quantizes what the levels before it leave) or "product"
	// (each level quantizes a part of the dimensions).
	Quantizer string `json:"quantizer" yaml:"quantizer" validate:"oneof=residual product"`
	// Parts are the parts of a vector, each of length 1: "cooccurrence" in training histories (SVD
	// of the positive pointwise mutual information) and "titles" (SVD of TF-IDF).
	Parts []string `json:"parts" yaml:"parts" validate:"min=1,unique,dive,oneof=cooccurrence titles"`
	// Levels is the number of codes of an item besides the last; Width is the number of different
	// codes at each level, and the maximum number of items with equal codes.
	Levels int `json:"levels" yaml:"levels" validate:"min=1,max=16"`
	Width  int `json:"width" yaml:"width" validate:"min=2,max=4096"`
	// Dimensions is the number of dimensions of each part.
	Dimensions int `json:"dimensions" yaml:"dimensions" validate:"min=1,max=1024"`
}

// The parts of an item's vector.
const (
	PartCooccurrence = "cooccurrence"
	PartTitles       = "titles"
)

// ProductQuantizer is the non-default quantizer of [Codes].
const ProductQuantizer = "product"

// Teacher configures the model that generates the rationales and its prompts.
type Teacher struct {
	// Model is "smollm2" (the demo's), "gguf:FILE", "meta:DIR", "hf:DIR", "openai:URL#MODEL" or
	// "copy" (returns the explanation itself). FILE and DIR may be the URL of a bucket.
	Model string `json:"model" yaml:"model" validate:"teacher"`
	// Prompt is a row of [Prompts]: "paper" for large chat models, "few-shot" for small ones.
	Prompt string `json:"prompt" yaml:"prompt" validate:"oneof=paper few-shot"`
	// Parse is "paper" (the reference's parser with its fallbacks) or "strict" (two numbered
	// sentences or quarantine).
	Parse string `json:"parse" yaml:"parse" validate:"oneof=paper strict"`
	// Constrain is empty or [TwoLines], which constrains each reply to two numbered lines, so that
	// it parses. Models in this process mask the logits; a server gets a grammar or a schema if it
	// supports one.
	Constrain string `json:"constrain,omitempty" yaml:"constrain,omitempty" validate:"omitempty,oneof=two-lines"`
	// MaxReviews limits how many explanations are distilled, in training order; 0 means all.
	MaxReviews int `json:"max_reviews" yaml:"max_reviews" validate:"min=0"`
	// Batch is the number of prompts decoded together; 0 chooses the size by throughput and memory.
	// It changes speed, never text.
	Batch int `json:"batch" yaml:"batch" validate:"min=0,max=1024"`
	// ShardRows is the number of explanations per shard, the unit of work given to a worker. It
	// changes speed, never text.
	ShardRows int `json:"shard_rows" yaml:"shard_rows" validate:"min=1"`
	// MaxTokens is the maximum length of a reply: up to [MaxLocalTokens] in this process, up to
	// [MaxServerTokens] on a server, whose reasoning counts too.
	MaxTokens int `json:"max_tokens" yaml:"max_tokens" validate:"min=8,max=131072"`
	// MaxContext is the maximum length of a prompt and its reply together, for models in this
	// process (512 in the reference); a server has its own limit. A prompt that leaves too little
	// room for a reply is quarantined with that reason.
	MaxContext int `json:"max_context" yaml:"max_context" validate:"min=64,max=131072"`
	// Temperature 0 decodes greedily; TopP is the mass of nucleus sampling (0.6 and 0.9 in the
	// reference).
	Temperature float64 `json:"temperature" yaml:"temperature" validate:"min=0,max=2"`
	TopP        float64 `json:"top_p" yaml:"top_p" validate:"gt=0,max=1"`
	// RepetitionPenalty divides the logits of tokens already in the context (1 means none).
	RepetitionPenalty float64 `json:"repetition_penalty" yaml:"repetition_penalty" validate:"min=1,max=2"`
	// MaxBad is the share of replies that may fail to parse before the stage fails.
	MaxBad float64 `json:"max_bad" yaml:"max_bad" validate:"min=0,max=1"`
	// Request holds further fields of each request to a server, such as chat_template_kwargs or
	// reasoning_effort; see [ReservedFields].
	Request map[string]any `json:"request,omitempty" yaml:"request,omitempty" validate:"omitempty,dive,keys,requestfield,endkeys"`
}

// The bounds of teacher.max_tokens.
const (
	MaxLocalTokens  = 511
	MaxServerTokens = 131_072
)

// Student selects the T5 that is trained.
type Student struct {
	// Size is a row of [Sizes]. A student that starts from Pretrained has the size of its folder
	// instead.
	Size string `json:"size" yaml:"size" validate:"size"`
	// Pretrained is a Hugging Face folder to start from; empty starts from random weights.
	Pretrained string `json:"pretrained,omitempty" yaml:"pretrained,omitempty"`
	// Dropout overrides the size's own rate when set.
	Dropout *float64 `json:"dropout,omitempty" yaml:"dropout,omitempty" validate:"omitempty,min=0,max=0.9"`
	// History is how an item of the source enters the encoder where items have codes:
	// [HistoryCodes] (empty too), one position for each code, or [HistoryItems], one position for
	// each item, the sum of its codes' embeddings.
	History string `json:"history,omitempty" yaml:"history,omitempty" validate:"omitempty,oneof=codes items"`
	// ItemEmbeddings adds an embedding of each item's own to that sum.
	ItemEmbeddings bool `json:"item_embeddings,omitempty" yaml:"item_embeddings,omitempty"`
	// ItemsOnly leaves T5's words out of the vocabulary: a student from random weights that is
	// trained on the sequential task alone reads and generates items only, and is smaller and
	// faster without.
	ItemsOnly bool `json:"items_only,omitempty" yaml:"items_only,omitempty"`
	// InitializerRange is the standard deviation of random initial weights; 0 means T5's own
	// initializers.
	InitializerRange float64 `json:"initializer_range,omitempty" yaml:"initializer_range,omitempty" validate:"min=0,max=1"`
	// WarmStart is the model that a nightly run continues from, instead of Pretrained. Users never
	// write it.
	WarmStart *Ref `json:"warm_start,omitempty" yaml:"-"`
}

// Name returns the size of the student, or the name of the folder that it starts from.
func (s Student) Name() string {
	if s.Pretrained != "" {
		return filepath.Base(s.Pretrained)
	}
	return s.Size
}

// The ways in which an item of a source enters the encoder.
const (
	HistoryCodes = "codes"
	HistoryItems = "items"
)

// Train configures the student's training.
type Train struct {
	// Batch is the reference's batch size: rationales count records of two rows, so 64 is 80 rows.
	Batch int `json:"batch" yaml:"batch" validate:"min=1"`
	// MicroBatch is how many rows of a batch are computed at a time, with their gradients
	// accumulated; 0 means all, halved each time memory runs out.
	MicroBatch int `json:"micro_batch,omitempty" yaml:"micro_batch,omitempty" validate:"min=0"`
	// Processes is how many processes of the worker's machine train a student together; 0 means
	// one. They share the micro-batches of a batch, so MicroBatch must be set, and each uses the
	// next GPU. The weights are equal up to rounding, whatever their number.
	Processes int `json:"processes,omitempty" yaml:"processes,omitempty" validate:"min=0,max=64"`
	// Precision is the type of matrix multiplications: "float32" (the default) or "bfloat16", with
	// float32 weights, moments, norms and losses.
	Precision string `json:"precision,omitempty" yaml:"precision,omitempty" validate:"omitempty,oneof=float32 bfloat16"`
	// GradientCheckpointing recomputes each layer in the backward pass instead of keeping its
	// activations: a third more arithmetic, a fraction of the memory. Training turns it on by
	// itself if not even one row fits.
	GradientCheckpointing bool `json:"gradient_checkpointing,omitempty" yaml:"gradient_checkpointing,omitempty"`
	// Ratio is explanation : sequential : rationale : top-N.
	Ratio Ratio `json:"ratio" yaml:"ratio"`
	// LearningRate and WeightDecay are AdamW's (5e-4 and 0.01 in the reference, on every
	// parameter).
	LearningRate float64 `json:"learning_rate" yaml:"learning_rate" validate:"gt=0,max=1"`
	WeightDecay  float64 `json:"weight_decay" yaml:"weight_decay" validate:"min=0,max=1"`
	// WarmupSteps is the number of steps in which the learning rate rises from 0; Scheduler is
	// empty for a constant rate after it, or [Cosine], with which it falls to 0 at the last step.
	WarmupSteps int    `json:"warmup_steps,omitempty" yaml:"warmup_steps,omitempty" validate:"min=0"`
	Scheduler   string `json:"scheduler,omitempty" yaml:"scheduler,omitempty" validate:"omitempty,oneof=cosine"`
	// LabelSmoothing is the probability that a label shares with all others; MaxGradNorm, if not 0,
	// is the norm above which a gradient is scaled down to it.
	LabelSmoothing float64 `json:"label_smoothing,omitempty" yaml:"label_smoothing,omitempty" validate:"min=0,max=0.9"`
	MaxGradNorm    float64 `json:"max_grad_norm,omitempty" yaml:"max_grad_norm,omitempty" validate:"min=0"`
	// BatchTokens, if not 0, makes a step of as many batches as are needed for so many tokens of
	// sources and targets.
	BatchTokens int `json:"batch_tokens,omitempty" yaml:"batch_tokens,omitempty" validate:"min=0"`
	// EMADecay, if not 0, is the decay rate of a moving average of the weights, which is validated
	// and kept in the place of the weights.
	EMADecay float64 `json:"ema_decay,omitempty" yaml:"ema_decay,omitempty" validate:"min=0,lt=1"`
	// HeadWeight, if not 0, trains the item head, a softmax over all items, where items have codes:
	// its prediction of a next item counts as so many labels of the decoder.
	HeadWeight float64 `json:"head_weight,omitempty" yaml:"head_weight,omitempty" validate:"min=0,max=1000"`
	// SelectBy is the validation measure of the best epoch: the loss (empty), [SelectNDCG], the
	// NDCG@10 of the sequential task by the search, or [SelectHeadNDCG], by the item head. It is
	// measured on SelectionUsers users, sampled evenly; 0 means 1,000.
	SelectBy       string `json:"select_by,omitempty" yaml:"select_by,omitempty" validate:"omitempty,oneof=ndcg head-ndcg"`
	SelectionUsers int    `json:"selection_users,omitempty" yaml:"selection_users,omitempty" validate:"min=0"`
	// Epochs limits training; Steps, if not 0, limits it further.
	Epochs int `json:"epochs" yaml:"epochs" validate:"min=1"`
	Steps  int `json:"steps,omitempty" yaml:"steps,omitempty" validate:"min=0"`
	// EpochSteps is the number of steps per epoch; 0 means the reference's rule (derived from the
	// explanations).
	EpochSteps int `json:"epoch_steps,omitempty" yaml:"epoch_steps,omitempty" validate:"min=0"`
	// Patience is the number of epochs without a better validation loss after which training stops.
	Patience int `json:"patience" yaml:"patience" validate:"min=1"`
	// ValidationRows limits the validation records of each task, sampled evenly; 0 means all.
	ValidationRows int `json:"validation_rows,omitempty" yaml:"validation_rows,omitempty" validate:"min=0"`
	// MaxTargetTokens is the length at which a target text is truncated (the reference's exp_len,
	// 20).
	MaxTargetTokens int `json:"max_target_tokens" yaml:"max_target_tokens" validate:"min=2,max=512"`
	// CheckpointSteps is the number of steps between checkpoints; KeepCheckpoints is how many of
	// them are kept in addition to the best.
	CheckpointSteps int `json:"checkpoint_steps" yaml:"checkpoint_steps" validate:"min=1"`
	KeepCheckpoints int `json:"keep_checkpoints" yaml:"keep_checkpoints" validate:"min=1"`
}

// Values of [Train]'s Scheduler and SelectBy.
const (
	Cosine         = "cosine"
	SelectNDCG     = "ndcg"
	SelectHeadNDCG = "head-ndcg"
)

// Ratio weights the tasks in a mixed batch.
type Ratio struct {
	Explanation float64 `json:"explanation" yaml:"explanation" validate:"min=0"`
	Sequential  float64 `json:"sequential" yaml:"sequential" validate:"min=0"`
	Rationale   float64 `json:"rationale" yaml:"rationale" validate:"min=0"`
	TopN        float64 `json:"topn" yaml:"topn" validate:"min=0"`
}

// Evaluate configures the evaluation of the trained student.
type Evaluate struct {
	// Batch is the number of rows decoded together. In protocol paper it changes results (padding
	// is attended to).
	Batch int `json:"batch" yaml:"batch" validate:"min=1"`
	// Shards is the number of shards that an evaluation is split into, one per worker; 0 means one.
	// It changes speed, never a prediction.
	Shards int `json:"shards,omitempty" yaml:"shards,omitempty" validate:"min=0,max=256"`
	// SequentialUsers and TopNUsers limit the users evaluated in the two rankings, sampled evenly;
	// 0 means all, -1 means none.
	SequentialUsers int `json:"sequential_users" yaml:"sequential_users" validate:"min=-1"`
	TopNUsers       int `json:"topn_users" yaml:"topn_users" validate:"min=-1"`
	// Explanations limits the test explanations generated, sampled evenly; 0 means all, -1 means
	// none.
	Explanations int `json:"explanations" yaml:"explanations" validate:"min=-1"`
	// NumBeams is the beam width of both rankings; NumReturnSequences and TopN are how many items
	// the sequential and the top-N task return (20, 15, 10).
	NumBeams           int `json:"num_beams" yaml:"num_beams" validate:"min=1,max=100"`
	NumReturnSequences int `json:"num_return_sequences" yaml:"num_return_sequences" validate:"min=1,max=100"`
	TopN               int `json:"topn" yaml:"topn" validate:"min=1,max=100"`
	// ExplanationNumBeams in ExplanationNumBeamGroups, with at least MinLength tokens, generate an
	// explanation (21, 3, 10).
	ExplanationNumBeams      int `json:"explanation_num_beams" yaml:"explanation_num_beams" validate:"min=1,max=100"`
	ExplanationNumBeamGroups int `json:"explanation_num_beam_groups" yaml:"explanation_num_beam_groups" validate:"min=1,max=100"`
	MinLength                int `json:"min_length" yaml:"min_length" validate:"min=1"`
	// MaxLength is the maximum length of a generated sequence, start token included (50).
	MaxLength int `json:"max_length" yaml:"max_length" validate:"min=2,max=512"`
	// MaxReferenceTokens truncates the reference texts for BLEU and ROUGE (exp.py's exp_len: 100 in
	// RDRec, 20 in POD).
	MaxReferenceTokens int `json:"max_reference_tokens" yaml:"max_reference_tokens" validate:"min=2,max=512"`
	// EntailmentTexts is the number of test texts of each method whose entailment the teacher
	// checks, sampled evenly; 0 means none.
	EntailmentTexts int `json:"entailment_texts,omitempty" yaml:"entailment_texts,omitempty" validate:"min=0,max=10000"`
	// Fusion mixes the sequential rankings of each student and of baselines into one, which is then
	// what is served; nil means none.
	Fusion *Fusion `json:"fusion,omitempty" yaml:"fusion,omitempty"`
}

// ForPredictions returns the settings that the predictions of a student and of baselines depend on.
func (e Evaluate) ForPredictions() Evaluate {
	e.Shards, e.EntailmentTexts, e.Fusion = 0, 0, nil
	return e
}

// Default returns the paper's settings without data and name; a YAML document overrides what it
// sets.
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
			Batch: 32, NumBeams: 20, NumReturnSequences: 15, TopN: 10, ExplanationNumBeams: 21,
			ExplanationNumBeamGroups: 3, MinLength: 10,
			MaxLength: 50, MaxReferenceTokens: 100,
		},
		Sasrec: Sasrec{
			HiddenSizes: []int{64, 128}, Dropouts: []float64{0.2, 0.5}, LearningRates: []float64{0.001}, Blocks: 2,
			Heads: 2, MaxLength: 50,
			Batch: 128, Epochs: 200, Patience: 10,
		},
	}
}

// DefaultCodes returns the defaults of a codes block; a YAML document overrides what it sets.
func DefaultCodes() Codes {
	return Codes{
		Quantizer: "residual", Parts: []string{PartCooccurrence, PartTitles}, Levels: 3, Width: 256, Dimensions: 64,
	}
}

// DefaultBsarec returns the defaults of a bsarec block: the settings that its authors published for
// Beauty. A YAML document overrides what it sets.
func DefaultBsarec() Sasrec {
	return Sasrec{
		HiddenSizes: []int{64}, Dropouts: []float64{0.5}, LearningRates: []float64{0.0005}, Blocks: 2, Heads: 1,
		MaxLength: 50, Batch: 256, Epochs: 200, Patience: 10, Loss: "last", Alphas: []float64{0.7}, Cutoff: 3,
	}
}

// BsarecGrid returns the spec's bsarec block, or its defaults if it has none.
func (s Spec) BsarecGrid() Sasrec {
	if s.Bsarec != nil {
		return *s.Bsarec
	}
	return DefaultBsarec()
}
