package spec

import (
	"net/url"
	"strings"
)

// Nightly configures nightly retraining: where new reviews arrive, and what a new student must pass
// before it replaces the model in use. Models are promoted under the spec's name.
type Nightly struct {
	// Inbox is a prefix of the bucket. A nightly run ingests every file below it that no earlier
	// run ingested. It takes the place of data.reviews.path.
	Inbox string `json:"inbox" yaml:"inbox" validate:"required"`
	// Source is a growing table whose new rows are copied into the inbox when a nightly run starts.
	// Without it, something else fills the inbox.
	Source *Source `json:"source,omitempty" yaml:"source,omitempty"`
	Gate   Gate    `json:"gate" yaml:"gate"`
	// RetryRejected makes the next nightly run ingest the files of a rejected run again. Without it
	// these files are skipped, so that one bad file does not spoil later runs.
	RetryRejected bool `json:"retry_rejected" yaml:"retry_rejected"`
	// Webhook is the URL that receives the result of each nightly run: a POST of JSON. Empty sends
	// nothing. The signing secret comes from the worker's environment.
	Webhook string `json:"webhook,omitempty" yaml:"webhook,omitempty" validate:"omitempty,http_url"`
}

// Source is a table that DuckDB reads, as the worker sees it.
type Source struct {
	// Path is a file, a folder or a pattern of files in any format of reviews, or a DuckDB database
	// (.duckdb, .db) with the Table to read, or the View, whose query is then run.
	Path  string `json:"path" yaml:"path" validate:"required"`
	Table string `json:"table,omitempty" yaml:"table,omitempty"`
	View  string `json:"view,omitempty" yaml:"view,omitempty"`
	// Watermark is a column that only grows, such as the loading time: rows above the greatest
	// value ingested so far are new.
	Watermark string `json:"watermark" yaml:"watermark" validate:"required"`
	// Encoding is that of the files' text; empty detects UTF-8 and UTF-16.
	Encoding string `json:"encoding,omitempty" yaml:"encoding,omitempty" validate:"omitempty,encoding"`
}

// IsDatabase reports whether Path is a DuckDB database.
func (s Source) IsDatabase() bool {
	return strings.HasSuffix(s.Path, ".duckdb") || strings.HasSuffix(s.Path, ".db")
}

// Ingested is what was read from a [Source].
type Ingested struct {
	// Rows is the number of new rows.
	Rows int `json:"rows"`
	// WithoutWatermark is the number of rows without a watermark, which are never ingested.
	WithoutWatermark int `json:"without_watermark"`
	// Bad is the number of rows that cannot be read, Replaced the number of those with characters
	// that were replaced, both among old and new rows.
	Bad      int `json:"bad,omitempty"`
	Replaced int `json:"replaced,omitempty"`
	// Watermark is the greatest watermark of the new rows, as text; empty if there are none.
	Watermark string `json:"watermark"`
}

// Gate is what a new student must pass.
type Gate struct {
	// Task is the ranking that is compared: sequential or topn; Metric is one of its metrics, such
	// as NDCG@10.
	Task   string `json:"task" yaml:"task" validate:"oneof=sequential topn"`
	Metric string `json:"metric" yaml:"metric" validate:"oneof=HR@1 HR@5 NDCG@5 HR@10 NDCG@10"`
	// Margin is how much worse the new student may be, on average over the same users; Alpha is the
	// probability of promoting a student that is worse than that.
	Margin float64 `json:"margin" yaml:"margin" validate:"min=0,lt=1"`
	// MarginType is [RelativeMargin] or [AbsoluteMargin].
	MarginType string  `json:"margin_type" yaml:"margin_type" validate:"oneof=relative absolute"`
	Alpha      float64 `json:"alpha" yaml:"alpha" validate:"gt=0,max=0.5"`
	// Floor is the baseline that the new student must not be below, fitted on the same data; the
	// value none switches the floor off.
	Floor string `json:"floor" yaml:"floor" validate:"oneof=popularity markov item-knn none"`
	// MinParsed is the minimum share of this run's teacher replies that must parse.
	MinParsed float64 `json:"min_parsed" yaml:"min_parsed" validate:"min=0,max=1"`
	// MinCoverage is the minimum share of all items that the evaluated users' recommendations must
	// contain, or of the places in their lists where there are fewer places than items.
	MinCoverage float64 `json:"min_coverage" yaml:"min_coverage" validate:"min=0,max=1"`
	// MaxFirstShare is the maximum share of the evaluated users with the same first item.
	MaxFirstShare float64 `json:"max_first_share" yaml:"max_first_share" validate:"gt=0,max=1"`
	// Explanations rejects a new student whose explanations are degenerate, as the report finds
	// them: the same for most users, empty, or repetitive.
	Explanations bool `json:"explanations,omitempty" yaml:"explanations,omitempty"`
	// MinRows and MaxRows bound the number of rows ingested by a nightly run if a model is in use;
	// MaxRows 0 means unbounded.
	MinRows int `json:"min_rows" yaml:"min_rows" validate:"min=0"`
	MaxRows int `json:"max_rows" yaml:"max_rows" validate:"min=0"`
	// MaxBad is the maximum share of these rows that may be unreadable.
	MaxBad float64 `json:"max_bad" yaml:"max_bad" validate:"min=0,max=1"`
}

// Types of margins.
const (
	// RelativeMargin is a share of the promoted model's metric, AbsoluteMargin a difference of the
	// metric.
	RelativeMargin = "relative"
	AbsoluteMargin = "absolute"
)

// FloorNone is the value of [Gate.Floor] that switches the floor off.
const FloorNone = "none"

// DefaultNightly returns the defaults of a nightly block; a YAML document overrides what it sets.
func DefaultNightly() Nightly {
	return Nightly{Gate: Gate{
		Task: "sequential", Metric: "NDCG@10", Margin: 0.1, MarginType: RelativeMargin, Alpha: 0.05,
		Floor: "popularity", MinParsed: 0.5, MinCoverage: 0.05, MaxFirstShare: 0.5, MinRows: 1, MaxBad: 0.05,
	}}
}

// SetDefaults makes a nightly block in a document start from [DefaultNightly].
func (n *Nightly) SetDefaults() { *n = DefaultNightly() }

// Ref names immutable content in the bucket by its hash. It represents a file or a folder in
// workflow payloads.
type Ref struct {
	// Digest is the content's SHA-256 in hexadecimal.
	Digest string `json:"digest"`
	// Size is in bytes.
	Size int64 `json:"size"`
}

// IsZero reports whether r refers to nothing.
func (r Ref) IsZero() bool { return r.Digest == "" }

// Accumulated is the input of a nightly run instead of files: all reviews so far, and the dataset
// whose ids stay. Users never write it.
type Accumulated struct {
	// Reviews is an artifact of review files. PreviousDataset is an artifact of a dataset whose
	// users and items keep their ids; the zero value assigns all ids anew.
	Reviews         Ref `json:"reviews"`
	PreviousDataset Ref `json:"previous_dataset,omitzero"`
}

// nightlyRules returns the rules for a nightly block.
func nightlyRules() []rule {
	nightlyRule := func(violated func(Spec) bool) func(Spec) bool {
		return func(s Spec) bool { return s.Nightly != nil && violated(s) }
	}
	return []rule{
		{
			"data.reviews.path",
			func(s Spec) bool { return s.Nightly == nil && s.Data.Reviews != nil && s.Data.Reviews.Path == "" },
			"names no file", "a file or glob: JSON lines, CSV or Parquet, plain or .gz",
		},
		{
			"data.reviews", nightlyRule(func(s Spec) bool { return s.Data.Reviews == nil }),
			"is missing: nightly runs ingest raw reviews", "",
		},
		{
			"data.reviews.path",
			nightlyRule(func(s Spec) bool { return s.Data.Reviews != nil && s.Data.Reviews.Path != "" }),
			"and nightly.inbox both name the source of reviews", "remove the path and put its files into the inbox",
		},
		{
			"methods",
			nightlyRule(func(s Spec) bool { return len(s.Methods) != 1 || s.Trials != 1 || len(s.Ablate) > 0 }),
			"must be one, with one trial and without ablate: each nightly run trains one student, " +
				"which is promoted or rejected", "",
		},
		{
			"evaluate", nightlyRule(func(s Spec) bool {
				users := map[string]int{"sequential": s.Evaluate.SequentialUsers, "topn": s.Evaluate.TopNUsers}
				return users[s.Nightly.Gate.Task] < 0
			}), "evaluates no user in nightly.gate.task", "",
		},
		{
			"evaluate.explanations", nightlyRule(func(s Spec) bool {
				return s.Nightly.Gate.Explanations && s.Evaluate.Explanations < 0
			}), "evaluates no text for nightly.gate.explanations", "",
		},
		{
			"nightly.webhook", nightlyRule(func(s Spec) bool {
				address, err := url.Parse(s.Nightly.Webhook)
				return err == nil && address.User != nil
			}), "contains credentials in its URL, and specs are stored and shown",
			"requests are signed with the worker's RDREC_WEBHOOK_SECRET",
		},
		{
			"nightly.inbox", nightlyRule(func(s Spec) bool {
				return strings.HasPrefix(s.Nightly.Inbox, "/") || strings.Contains(s.Nightly.Inbox, "://")
			}),
			"is not a prefix in the bucket", "such as inbox/shop/",
		},
	}
}

// sourceRules returns the rules for nightly.source.
func sourceRules() []rule {
	sourceRule := func(violated func(Source, Reviews) bool) func(Spec) bool {
		return func(s Spec) bool {
			return s.Nightly != nil && s.Nightly.Source != nil && s.Data.Reviews != nil &&
				violated(*s.Nightly.Source, *s.Data.Reviews)
		}
	}
	return []rule{
		{
			"data.reviews.format",
			sourceRule(func(_ Source, r Reviews) bool { return r.Format != "auto" && r.Format != "parquet" }),
			"does not match nightly.source, which is ingested as parquet",
			"parquet; data.reviews.columns names the source's columns",
		},
		{
			"nightly.source.table",
			sourceRule(func(source Source, _ Reviews) bool {
				both, named := source.Table != "" && source.View != "", source.Table+source.View != ""
				return both || source.IsDatabase() != named
			}),
			"is for DuckDB databases (.duckdb, .db), which need it or a view", "",
		},
	}
}
