// Package report says what an experiment found, so that a reader is not misled. In: a [Report] that
// the report stage fills with counts, scores, curves and samples; out: one self-contained HTML page
// ([HTML]: no scripts, no other files, light and dark) and a table for the terminal ([Text]).
// Steps: [Table.Compare] tests the students against the other rows on the same users,
// [Report.Conclude] puts the verdict and its caveats in plain words, and the writers lay them out,
// caveats first.
package report

import (
	"time"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
)

// Report is everything that stands in a report. Empty parts are left out of the page.
type Report struct {
	// Name is the experiment's.
	Name string `json:"name"`
	// Run identifies this run, for people who look for its artifacts and its workflow.
	Run  string    `json:"run,omitempty"`
	Made time.Time `json:"made"`
	// Protocol and Methods are names of the spec's tables; Seed is the first trial's.
	Protocol string `json:"protocol"`
	// Switches are the protocol's switches that the spec sets otherwise, each with its state.
	Switches []string `json:"switches,omitempty"`
	Methods  []string `json:"methods"`
	Seed     int64    `json:"seed"`
	Trials   int      `json:"trials"`
	// Spec is the resolved spec as YAML.
	Spec string `json:"spec"`
	// Verdict is the result in a sentence or two, Caveats what takes from it: both are set by
	// Conclude.
	Verdict []string `json:"verdict,omitempty"`
	Caveats []Caveat `json:"caveats,omitempty"`

	Data     Data      `json:"data"`
	Teacher  *Teacher  `json:"teacher,omitempty"`
	Students []Student `json:"students,omitempty"`
	// Tables are the rankings: one a task.
	Tables []Table `json:"tables,omitempty"`
	// Published is what the paper's script holds of the same data; nil for other data.
	Published    *Published   `json:"published,omitempty"`
	Explanations []TextResult `json:"explanations,omitempty"`
	// Recommended and Explained are samples for people to read.
	Recommended []Recommendation `json:"recommended,omitempty"`
	Explained   []Explanation    `json:"explained,omitempty"`
	Audit       *audit.Audit     `json:"audit,omitempty"`

	Stages []Stage `json:"stages,omitempty"`
	// Build says which program and libraries did the work.
	Build []Pair `json:"build,omitempty"`
	// Artifacts say where everything lies.
	Artifacts []Pair `json:"artifacts,omitempty"`
}

// Caveat is something a reader must know before the figures.
type Caveat struct {
	Level audit.Level `json:"level"`
	Text  string      `json:"text"`
}

// Pair is a name and what it is, for lists.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Data is where the interactions came from and how many were left.
type Data struct {
	Name string `json:"name"`
	// Source is the file or folder that was read, Digest its SHA-256.
	Source string `json:"source"`
	Digest string `json:"digest,omitempty"`
	// Sequences is the digest of who interacted with what, which writing and numbering do not
	// change.
	Sequences string `json:"sequences,omitempty"`
	// Rows, Bad (quarantined), Duplicates and Filtered count raw reviews; all 0 where a folder was
	// read.
	Rows       int `json:"rows,omitempty"`
	Bad        int `json:"bad,omitempty"`
	Duplicates int `json:"duplicates,omitempty"`
	Filtered   int `json:"filtered,omitempty"`
	// Indexing is how items got their numbers.
	Indexing Indexing      `json:"indexing"`
	Stats    dataset.Stats `json:"stats"`
}

// Indexing is how items got their numbers: a row of the spec's table.
type Indexing struct {
	Name  string `json:"name"`
	About string `json:"about,omitempty"`
	// Note says in words what came of it here.
	Note string `json:"note,omitempty"`
	// Leaks says that held-out items had a part in it.
	Leaks bool `json:"leaks,omitempty"`
}

// Teacher is who wrote the rationales and how well.
type Teacher struct {
	// Model, Prompt and Parse are the spec's; Weights is the digest of the model's weights.
	Model   string `json:"model"`
	Prompt  string `json:"prompt"`
	Parse   string `json:"parse"`
	Weights string `json:"weights,omitempty"`
	// Explanations is how many different texts there were; Wanted of them were to be distilled,
	// Asked were asked in this run and the others found in the bucket.
	Explanations int `json:"explanations"`
	Wanted       int `json:"wanted"`
	Requests     int `json:"requests"`
	// Parsed, Retried, Quarantined and Leaked count the wanted: understood, asked again, given up,
	// and holding words of the prompt's examples.
	Parsed      int `json:"parsed"`
	Retried     int `json:"retried"`
	Quarantined int `json:"quarantined"`
	Leaked      int `json:"leaked"`
	// FellBack took the explanation itself for a reply that the reference's parser can't read.
	FellBack int `json:"fell_back,omitempty"`
	// Reasons are why explanations were given up, each with how often, the most frequent first.
	Reasons []Pair `json:"reasons,omitempty"`
	// PromptTokens were read and Tokens written for the wanted, in this run and before.
	PromptTokens int `json:"prompt_tokens,omitempty"`
	Tokens       int `json:"tokens,omitempty"`
	// Grounded is the share of a rationale's content words that stand in its review, 0 to 1.
	Grounded float64 `json:"grounded"`
	// TokensPerSecond is the speed of asking; 0 where nothing was asked.
	TokensPerSecond float64 `json:"tokens_per_second,omitempty"`
	Seconds         float64 `json:"seconds,omitempty"`
	// BatchHalvings is how often memory ran out while it wrote, so that it wrote fewer replies
	// together from then on.
	BatchHalvings int         `json:"batch_halvings,omitempty"`
	Samples       []Rationale `json:"samples,omitempty"`
}

// Rationale is one text and what the teacher made of it.
type Rationale struct {
	Text        string `json:"text"`
	Preference  string `json:"preference"`
	Attribution string `json:"attribution"`
	// Failed is why the reply was not used; empty for a good one.
	Failed string `json:"failed,omitempty"`
}

// Student is one trained model: a method and a seed.
type Student struct {
	Method string `json:"method"`
	Seed   int64  `json:"seed"`
	// Size is the spec's; From the folder it started from, empty for random weights.
	Size       string `json:"size"`
	Pretrained string `json:"pretrained,omitempty"`
	prediction.TrainingRecord
	// MaxEpochs is the maximum number of epochs.
	MaxEpochs        int     `json:"max_epochs,omitempty"`
	SamplesPerSecond float64 `json:"samples_per_second,omitempty"`
	Seconds          float64 `json:"seconds,omitempty"`
}

// RowKind says what a row of a table is.
type RowKind string

// The kinds of rows.
const (
	StudentRow  RowKind = "student"
	BaselineRow RowKind = "baseline"
	ModelRow    RowKind = "model"    // a trained model that is no student: SASRec
	RuleRow     RowKind = "rule"     // reads item ids only: shows what they give away
	AblationRow RowKind = "ablation" // a student with one switch of the protocol flipped
)

// Table is one ranking task with all methods on the same users.
type Table struct {
	// Task is "sequential" or "top-N"; Setting says in words what is ranked.
	Task    string `json:"task"`
	Setting string `json:"setting"`
	Users   int    `json:"users"`
	// Candidates is how many items are ranked for each user; 0 for all of the shop.
	Candidates int `json:"candidates,omitempty"`
	// Strict says that duplicates were dropped (protocol clean); else figures count as the
	// reference does.
	Strict bool  `json:"strict"`
	Rows   []Row `json:"rows"`
	// Comparisons and Ablations are set by Compare: students against other rows, and ablations
	// against the students they are of.
	Comparisons []Comparison `json:"comparisons,omitempty"`
	Ablations   []Comparison `json:"ablations,omitempty"`
}

// Row is one method of a table.
type Row struct {
	Method string  `json:"method"`
	Kind   RowKind `json:"kind"`
	// PublishedMethod is the student that an ablation flips a switch of.
	Base string `json:"base,omitempty"`
	// About says in words what the method does.
	About  string  `json:"about,omitempty"`
	Trials []Trial `json:"trials"`
}

// Trial is one seed of a method. A baseline has one.
type Trial struct {
	Seed   int64          `json:"seed"`
	Scores []metric.Score `json:"scores"`
}

// TextResult is how near one trained student's explanations are to the users' own.
type TextResult struct {
	Method string         `json:"method"`
	Seed   int64          `json:"seed"`
	Scores []metric.Score `json:"scores"`
}

// Item is an item for people.
type Item struct {
	ID    int    `json:"id"`
	Title string `json:"title,omitempty"`
}

// Recommendation is one user's history, what was recommended, and what came next.
type Recommendation struct {
	User        string `json:"user"`
	Method      string `json:"method"`
	History     []Item `json:"history"`
	Recommended []Item `json:"recommended"`
	Truth       Item   `json:"truth"`
	// Rank is where the truth stands in the recommended list, from 1; 0 when it does not.
	Rank int `json:"rank"`
}

// Explanation is what a student wrote about an item, and what the user did.
type Explanation struct {
	User      string `json:"user"`
	Method    string `json:"method"`
	Item      Item   `json:"item"`
	Reference string `json:"reference"`
	Generated string `json:"generated"`
}

// Stage is one piece of the work.
type Stage struct {
	Name string `json:"name"`
	// Cached says that it was found done; Seconds is what it took, then or now.
	Cached  bool    `json:"cached"`
	Seconds float64 `json:"seconds"`
	// Fingerprint identifies its inputs and settings, Output its artifact.
	Fingerprint string `json:"fingerprint,omitempty"`
	Output      string `json:"output,omitempty"`
}
