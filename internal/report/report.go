// Package report presents the results of an experiment so that a reader is not misled. In: the
// outputs of a run's stages, which a [Builder] turns into a [Report]; out ([Report.Files]): one
// self-contained HTML page ([HTML]: no scripts, no other files, light and dark) and a page for the
// terminal ([Text]). [Table.Compare] tests the students against the other rows on the same users,
// [Report.Conclude] writes the verdict and its caveats, and the writers render them, caveats first.
package report

import (
	"time"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/teacher"
)

// Report is the content of a report. Empty parts are omitted from the page.
type Report struct {
	// Name is the name of the experiment.
	Name string `json:"name"`
	// Run identifies this run, its artifacts and its workflow.
	Run  string    `json:"run,omitempty"`
	Made time.Time `json:"made"`
	// Protocol and Methods are names of the spec's tables; Seed is the seed of the first trial.
	Protocol string `json:"protocol"`
	// Switches are the switches of the protocol that the spec changes, each with its state.
	Switches []string `json:"switches,omitempty"`
	Methods  []string `json:"methods"`
	Seed     int64    `json:"seed"`
	Trials   int      `json:"trials"`
	// Spec is the resolved spec as YAML.
	Spec string `json:"spec"`
	// Nightly is what a nightly run did with the new model, in sentences.
	Nightly []string `json:"nightly,omitempty"`
	// Verdict is the result in a sentence, Standings are the comparisons that it is based on, and
	// Caveats its limitations, the most serious first; Conclude sets them.
	Verdict   Verdict    `json:"verdict"`
	Standings []Standing `json:"standings,omitempty"`
	Caveats   []Caveat   `json:"caveats,omitempty"`
	// Conventions are the rules by which the figures were counted.
	Conventions []string `json:"conventions,omitempty"`

	Data     Data      `json:"data"`
	Teacher  *Teacher  `json:"teacher,omitempty"`
	Students []Student `json:"students,omitempty"`
	// Tables are the ranking tables, one per task.
	Tables []Table `json:"tables,omitempty"`
	// Fusions are the weights of the mixes that are served in the place of the students.
	Fusions []Fusion `json:"fusions,omitempty"`
	// Published compares with the published trials on the same data; nil for other data.
	Published    *Published   `json:"published,omitempty"`
	Explanations []TextResult `json:"explanations,omitempty"`
	// RepeatedTexts is the share of the test explanations that the same user also wrote about a
	// training item, word for word.
	RepeatedTexts float64 `json:"repeated_texts,omitempty"`
	// TextComparisons and TextAblations test the explanations on the same texts and seeds, as those
	// of a [Table] test rankings.
	TextComparisons []Comparison `json:"text_comparisons,omitempty"`
	TextAblations   []Comparison `json:"text_ablations,omitempty"`
	// Entailments is what the teacher found about a sample of the explanations.
	Entailments []Entailment `json:"entailments,omitempty"`
	// Recommended and Explained are samples for people to read.
	Recommended []Recommendation `json:"recommended,omitempty"`
	Explained   []Explanation    `json:"explained,omitempty"`
	Audit       *audit.Audit     `json:"audit,omitempty"`

	Stages []Stage `json:"stages,omitempty"`
	// Build lists the versions of the program and its libraries.
	Build []Pair `json:"build,omitempty"`
	// Artifacts lists the URLs of the artifacts.
	Artifacts []Pair `json:"artifacts,omitempty"`
}

// Pair is a name and its value.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Data is the source of the interactions and how many remained.
type Data struct {
	Name string `json:"name"`
	// Source is the file or folder of the data, and Digest its SHA-256.
	Source string `json:"source"`
	Digest string `json:"digest,omitempty"`
	// Sequences is the digest of the interactions, independent of file format and item indexing.
	Sequences string `json:"sequences,omitempty"`
	// Rows, Bad (quarantined), Duplicates and Filtered count raw reviews; all are 0 for a dataset
	// folder.
	Rows       int `json:"rows,omitempty"`
	Bad        int `json:"bad,omitempty"`
	Duplicates int `json:"duplicates,omitempty"`
	Filtered   int `json:"filtered,omitempty"`
	// Sources describes how the raw reviews were read; PassedOver names the files without rows.
	Sources    []string `json:"sources,omitempty"`
	PassedOver []string `json:"passed_over,omitempty"`
	// Replaced counts the rows whose texts lost characters, OddTimes those in implausible years,
	// and Untitled the items that the metadata have no title for.
	Replaced int `json:"replaced,omitempty"`
	OddTimes int `json:"odd_times,omitempty"`
	Untitled int `json:"untitled,omitempty"`
	// Language is the language whose word lists found the explanations in Texts reviews with text;
	// Explained counts the reviews with an explanation, Unexplained those without by cause.
	Language    string `json:"language,omitempty"`
	Texts       int    `json:"texts,omitempty"`
	Explained   int    `json:"explained,omitempty"`
	Unexplained []Pair `json:"unexplained,omitempty"`
	// Indexing is the item indexing.
	Indexing Indexing      `json:"indexing"`
	Stats    dataset.Stats `json:"stats"`
}

// Indexing is an item indexing: a row of the spec's table.
type Indexing struct {
	Name  string `json:"name"`
	About string `json:"about,omitempty"`
	// Note describes its result on this data.
	Note string `json:"note,omitempty"`
	// Leaks is set if held-out items influence the indexing.
	Leaks bool `json:"leaks,omitempty"`
}

// Teacher describes the teacher and the quality of its rationales.
type Teacher struct {
	// Model, Prompt and Parse are those of the spec; Weights is the digest of the model's weights.
	Model   string `json:"model"`
	Prompt  string `json:"prompt"`
	Parse   string `json:"parse"`
	Weights string `json:"weights,omitempty"`
	// Explanations is the number of distinct texts; Wanted of them were to be distilled. This run
	// made Requests requests; the other rationales were already in the bucket.
	Explanations int `json:"explanations"`
	Wanted       int `json:"wanted"`
	Requests     int `json:"requests"`
	// Parsed, Retried, Quarantined and Leaked count the wanted replies that were parsed, were
	// requested again, were given up, and contain words of the prompt's examples.
	Parsed      int `json:"parsed"`
	Retried     int `json:"retried"`
	Quarantined int `json:"quarantined"`
	Leaked      int `json:"leaked"`
	// FellBack counts replies that the reference's parser cannot parse and replaces by the
	// explanation.
	FellBack int `json:"fell_back,omitempty"`
	// Reasons counts the reasons for quarantine, the most frequent first.
	Reasons []Pair `json:"reasons,omitempty"`
	// PromptTokens and Tokens are the numbers of tokens read and generated, earlier runs included.
	PromptTokens int `json:"prompt_tokens,omitempty"`
	Tokens       int `json:"tokens,omitempty"`
	// WastedTokens were generated for replies that were given up.
	WastedTokens int `json:"wasted_tokens,omitempty"`
	// Grounded is the share of a rationale's content words that occur in its review, from 0 to 1.
	Grounded float64 `json:"grounded"`
	// TokensPerSecond is the generation speed; 0 if there were no requests.
	TokensPerSecond float64 `json:"tokens_per_second,omitempty"`
	Seconds         float64 `json:"seconds,omitempty"`
	// BatchHalvings is how often memory ran out, so the batch size was halved.
	BatchHalvings int                 `json:"batch_halvings,omitempty"`
	Samples       []teacher.Rationale `json:"samples,omitempty"`
}

// Student is a trained model: a method and a seed.
type Student struct {
	Method string `json:"method"`
	Seed   int64  `json:"seed"`
	// Size is the size in the spec, or the name of the folder Pretrained; Pretrained is the folder
	// of the initial weights, empty for random weights.
	Size       string `json:"size"`
	Pretrained string `json:"pretrained,omitempty"`
	prediction.TrainingRecord
	// MaxEpochs is the maximum number of epochs.
	MaxEpochs        int     `json:"max_epochs,omitempty"`
	SamplesPerSecond float64 `json:"samples_per_second,omitempty"`
	Seconds          float64 `json:"seconds,omitempty"`
}

// RowKind is the kind of a row.
type RowKind string

// The kinds of rows.
const (
	StudentRow  RowKind = "student"
	BaselineRow RowKind = "baseline"
	ModelRow    RowKind = "model" // a trained model other than a student: SASRec
	RuleRow     RowKind = "rule"  // reads item ids only, so it shows what they leak
	// AblationRow is a student with one flipped switch of the protocol, or a fusion without a part.
	AblationRow RowKind = "ablation"
	// FusionRow is a mix of a student and baselines, which is what is served.
	FusionRow RowKind = "fusion"
)

// Table is one ranking task with all methods on the same users.
type Table struct {
	// Task is "sequential" or "top-N"; Setting describes what is ranked.
	Task    string `json:"task"`
	Setting string `json:"setting"`
	Users   int    `json:"users"`
	// TargetShare is the share of users with the most frequent target: as many may rightly have the
	// same first item.
	TargetShare float64 `json:"target_share,omitempty"`
	// Candidates is the number of items that are ranked for each user; 0 for all items.
	Candidates int `json:"candidates,omitempty"`
	// Strict is set if duplicates are dropped (protocol clean); otherwise scores count as in the
	// reference.
	Strict bool  `json:"strict"`
	Rows   []Row `json:"rows"`
	// TieNote has the ranges of the baselines' scores over random orders of equal times, where many
	// users are affected.
	TieNote string `json:"tie_note,omitempty"`
	// Comparisons and Ablations are set by Compare: students against other rows, and ablations
	// against their students.
	Comparisons []Comparison `json:"comparisons,omitempty"`
	Ablations   []Comparison `json:"ablations,omitempty"`
}

// Row is one method of a table.
type Row struct {
	Method string  `json:"method"`
	Kind   RowKind `json:"kind"`
	// Base is the student or the fusion that an ablation changes.
	Base string `json:"base,omitempty"`
	// About describes the method.
	About  string  `json:"about,omitempty"`
	Trials []Trial `json:"trials"`
}

// Trial is one seed of a method. A baseline has one.
type Trial struct {
	Seed   int64          `json:"seed"`
	Scores []metric.Score `json:"scores"`
	// Diversity tells lists that depend on the user from lists that do not.
	Diversity metric.ListDiversity `json:"diversity,omitzero"`
}

// TextResult scores a method's explanations against the users' own.
type TextResult struct {
	Method string `json:"method"`
	// Kind is that of a row; Base is the student that an ablation changes.
	Kind RowKind `json:"kind"`
	Base string  `json:"base,omitempty"`
	Seed int64   `json:"seed"`
	// Scores are empty if no text has a word.
	Scores    []metric.Score       `json:"scores"`
	Diversity metric.TextDiversity `json:"diversity,omitzero"`
}

// Entailment is how many explanations and users' own texts entail each other, as the teacher finds
// for a sample of a method's first trial; each explanation counts as one statement.
type Entailment struct {
	Method string `json:"method"`
	Texts  int    `json:"texts"`
	// Unusable counts replies that are neither yes nor no; the shares leave them out.
	Unusable int `json:"unusable"`
	// Precision is the share of explanations that the user's own text entails, and Recall that of
	// users' own texts that the explanation entails.
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	// Control is the share of explanations that another user's text entails: a teacher whose
	// Precision is no higher cannot tell.
	Control float64 `json:"control"`
}

// Item is an item with its title.
type Item struct {
	ID    int    `json:"id"`
	Title string `json:"title,omitempty"`
}

// Recommendation is a user's history, the recommended items and the next item.
type Recommendation struct {
	User        string `json:"user"`
	Method      string `json:"method"`
	History     []Item `json:"history"`
	Recommended []Item `json:"recommended"`
	Truth       Item   `json:"truth"`
	// Rank is the rank of the truth in the recommended list, from 1; 0 if it is not in it.
	Rank int `json:"rank"`
	// Why is what the training data say for the first recommended item; nil if they say nothing.
	Why *CoOccurrence `json:"why,omitempty"`
}

// CoOccurrence is how often users who trained on With, an item of a history, trained on the
// recommended item too. It is in the data; the model's own reason is unknown.
type CoOccurrence struct {
	With Item `json:"with"`
	// Users trained on With, Both of them on both items.
	Users int `json:"users"`
	Both  int `json:"both"`
}

// Explanation is a generated explanation and the user's own.
type Explanation struct {
	User      string `json:"user"`
	Method    string `json:"method"`
	Item      Item   `json:"item"`
	Reference string `json:"reference"`
	Generated string `json:"generated"`
}

// Stage is a stage of the run.
type Stage struct {
	Name string `json:"name"`
	// Cached is set if its result was found; Seconds is how long it took, then or now.
	Cached  bool    `json:"cached"`
	Seconds float64 `json:"seconds"`
	// Fingerprint identifies its inputs and settings, and Output its artifact.
	Fingerprint string `json:"fingerprint,omitempty"`
	Output      string `json:"output,omitempty"`
	// Accelerated is set for the stages on the queue of accelerators. Requests and Tokens are the
	// teacher's.
	Accelerated bool `json:"accelerated,omitempty"`
	Requests    int  `json:"requests,omitempty"`
	Tokens      int  `json:"tokens,omitempty"`
	// WastedSeconds is how long attempts worked whose results are lost.
	WastedSeconds float64 `json:"wasted_seconds,omitempty"`
}
