package spec

import (
	"net/url"
	"strings"
)

// Nightly says what a night does beyond an experiment: where new reviews come in, and what a new
// student must prove before it takes the place of the one in use. The spec's name is the name that
// models are promoted under.
type Nightly struct {
	// Inbox is a prefix of the bucket: every file below it that has not been taken yet is
	// tonight's. It stands in the place of data.reviews.path.
	Inbox string `json:"inbox" yaml:"inbox" validate:"required"`
	// Source is a table that grows; what is new in it is drawn into the inbox when a night begins.
	// Without it, others fill the inbox.
	Source *Source `json:"source,omitempty" yaml:"source,omitempty"`
	Gate   Gate    `json:"gate" yaml:"gate"`
	// RetryRejected has the files of a refused night taken again with the next one's. Without it
	// they are set aside, so that one bad delivery does not spoil the nights after it.
	RetryRejected bool `json:"retry_rejected" yaml:"retry_rejected"`
	// Webhook is told what came of each night: a POST of JSON. Empty tells nobody. What signs it
	// comes from the worker's environment.
	Webhook string `json:"webhook,omitempty" yaml:"webhook,omitempty" validate:"omitempty,http_url"`
}

// Source is a table that DuckDB reads, as the worker sees it.
type Source struct {
	// Path is a file or glob of Parquet, CSV or JSON lines (plain or .gz), or a DuckDB database
	// (.duckdb, .db) with the Table to read.
	Path  string `json:"path" yaml:"path" validate:"required"`
	Table string `json:"table,omitempty" yaml:"table,omitempty"`
	// Watermark is a column that only grows, such as the time of loading: rows above the greatest
	// value that was drawn before are new.
	Watermark string `json:"watermark" yaml:"watermark" validate:"required"`
}

// IsDatabase says that Path is a DuckDB database.
func (s Source) IsDatabase() bool {
	return strings.HasSuffix(s.Path, ".duckdb") || strings.HasSuffix(s.Path, ".db")
}

// Gate is what a new student must prove.
type Gate struct {
	// Task is the ranking that is compared: sequential or topn; Metric is one of its figures, such
	// as NDCG@10.
	Task   string `json:"task" yaml:"task" validate:"oneof=sequential topn"`
	Metric string `json:"metric" yaml:"metric" validate:"oneof=HR@1 HR@5 NDCG@5 HR@10 NDCG@10"`
	// Margin is how much worse the new student may be, on average over the same users; Alpha is the
	// chance of promoting one that is worse than that.
	Margin float64 `json:"margin" yaml:"margin" validate:"min=0,max=1"`
	Alpha  float64 `json:"alpha" yaml:"alpha" validate:"gt=0,max=0.5"`
	// MinParsed is the least share of tonight's replies of the teacher that must parse.
	MinParsed float64 `json:"min_parsed" yaml:"min_parsed" validate:"min=0,max=1"`
	// MinCoverage is the least share of all items that the lists of the examined users must name.
	MinCoverage float64 `json:"min_coverage" yaml:"min_coverage" validate:"min=0,max=1"`
	// MinRows and MaxRows bound how many rows come in on a night that has a model in use; MaxRows 0
	// is no bound.
	MinRows int `json:"min_rows" yaml:"min_rows" validate:"min=0"`
	MaxRows int `json:"max_rows" yaml:"max_rows" validate:"min=0"`
	// MaxBad is the largest share of them that may be unreadable.
	MaxBad float64 `json:"max_bad" yaml:"max_bad" validate:"min=0,max=1"`
}

// DefaultNightly returns the settings of a nightly block; a YAML document overrides what it names.
func DefaultNightly() Nightly {
	return Nightly{Gate: Gate{
		Task: "sequential", Metric: "NDCG@10", Margin: 0.01, Alpha: 0.05, MinParsed: 0.5, MinCoverage: 0.01, MinRows: 1, MaxBad: 0.05,
	}}
}

// SetDefaults makes a nightly block that a document names begin with [DefaultNightly].
func (n *Nightly) SetDefaults() { *n = DefaultNightly() }

// Ref names something in the bucket: the form of a storage reference.
type Ref struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// Accumulated is what a night sets in the place of files: all reviews so far, and the dataset whose
// numbers stay. People never write it.
type Accumulated struct {
	// MaxReviews is an artifact of review files. Numbers is an artifact of a dataset, whose users
	// and items keep their numbers; the zero value numbers everything anew.
	Reviews         Ref `json:"reviews"`
	PreviousDataset Ref `json:"previous_dataset,omitzero"`
}

// nightlyRules are the rules on a nightly block.
func nightlyRules() []rule {
	nightlyRule := func(violated func(Spec) bool) func(Spec) bool {
		return func(s Spec) bool { return s.Nightly != nil && violated(s) }
	}
	return []rule{
		{
			"data.reviews.path", func(s Spec) bool { return s.Nightly == nil && s.Data.Reviews != nil && s.Data.Reviews.Path == "" },
			"names no file", "a file or glob: JSON lines, CSV or Parquet, plain or .gz",
		},
		{"data.reviews", nightlyRule(func(s Spec) bool { return s.Data.Reviews == nil }), "is missing: nightly runs ingest raw reviews", ""},
		{
			"data.reviews.path", nightlyRule(func(s Spec) bool { return s.Data.Reviews != nil && s.Data.Reviews.Path != "" }),
			"and nightly.inbox both say where reviews come from", "remove the path and put its files into the inbox",
		},
		{
			"methods", nightlyRule(func(s Spec) bool { return len(s.Methods) != 1 || s.Trials != 1 || len(s.Ablate) > 0 }),
			"must be one, with one trial and nothing ablated: each nightly run trains one student, which is promoted or rejected", "",
		},
		{
			"evaluate", nightlyRule(func(s Spec) bool {
				users := map[string]int{"sequential": s.Evaluate.SequentialUsers, "topn": s.Evaluate.TopNUsers}
				return users[s.Nightly.Gate.Task] < 0
			}), "evaluates no user in nightly.gate.task", "",
		},
		{
			"nightly.webhook", nightlyRule(func(s Spec) bool {
				address, err := url.Parse(s.Nightly.Webhook)
				return err == nil && address.User != nil
			}), "contains credentials in its URL, and specs are stored and shown", "RDREC_WEBHOOK_SECRET of the worker signs what is sent",
		},
		{
			"nightly.inbox", nightlyRule(func(s Spec) bool {
				return strings.HasPrefix(s.Nightly.Inbox, "/") || strings.Contains(s.Nightly.Inbox, "://")
			}),
			"is no prefix of the bucket", "inbox/shop/",
		},
	}
}

// sourceRules are the rules on a nightly's source.
func sourceRules() []rule {
	sourceRule := func(violated func(Source, Reviews) bool) func(Spec) bool {
		return func(s Spec) bool {
			return s.Nightly != nil && s.Nightly.Source != nil && s.Data.Reviews != nil && violated(*s.Nightly.Source, *s.Data.Reviews)
		}
	}
	return []rule{
		{
			"data.reviews.format", sourceRule(func(_ Source, r Reviews) bool { return r.Format != "auto" && r.Format != "parquet" }),
			"does not match nightly.source, which is ingested as parquet", "parquet; data.reviews.columns names the source's columns",
		},
		{
			"nightly.source.table", sourceRule(func(source Source, _ Reviews) bool { return source.IsDatabase() != (source.Table != "") }),
			"is for DuckDB databases (.duckdb, .db), which need it", "",
		},
	}
}
