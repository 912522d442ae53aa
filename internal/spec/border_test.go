package spec_test

import (
	"slices"
	"strings"
	"testing"

	"rdrec/internal/spec"
)

const (
	onReviews = "name: shop\ndata: {reviews: {path: x.csv}}\n"
	aServer   = "openai:http://localhost:8000/v1#m"
	aSource   = "nightly.source={path: shop.parquet, watermark: loaded}"
)

// border is a key with its outermost accepted and its nearest rejected values. with are overrides
// that satisfy the rules between fields.
type border struct {
	text, key          string
	with               []string
	accepted, rejected []string
}

// borders returns the borders of every number of a spec.
func borders() []border {
	at := func(key, accepted, rejected string) border {
		return border{
			text: minimalSpec, key: key, accepted: strings.Fields(accepted), rejected: strings.Fields(rejected),
		}
	}
	in := func(text, key, accepted, rejected string) border {
		b := at(key, accepted, rejected)
		b.text = text
		return b
	}
	with := func(b border, overrides ...string) border {
		b.with = overrides
		return b
	}
	return []border{
		at("name", strings.Repeat("a", 64)+" 0 a._-9", strings.Repeat("a", 65)+" -a .a _a aB ä a/b"),
		at("seed", "-9223372036854775808 0 9223372036854775807", "9223372036854775808 0.5"),
		at("trials", "1 100", "0 101"),
		at("data.negatives", "1 1000", "0 1001"),
		in(onReviews, "data.reviews.user_core", "1", "0"),
		in(onReviews, "data.reviews.item_core", "1", "0"),
		in(onReviews, "data.reviews.min_rating", "0 5 5.01 100", "-0.01"),
		in(onReviews, "data.reviews.max_bad", "0 1", "-0.01 1.01"),
		in(onReviews, "data.reviews.header", "true false", "maybe"),
		in(onReviews, "data.reviews.delimiter", "tab space , ; | '::' \"\\t\"", "'::::'"),
		in(onReviews, "data.reviews.quote", "none '\"' |", "double"),
		in(onReviews, "data.reviews.escape", "\\ none", "ab"),
		in(
			onReviews, "data.reviews.encoding", "latin-1 windows-1252 utf-16le gb18030 gbk Shift_JIS cp932 utf-8",
			"latin utf8x",
		),
		in(
			onReviews, "data.reviews.time_format", "unix dmy mdy '%d/%m/%Y' '%Y%m%d%H%M%S' '%-d.%-m.%y'",
			"ymd '%d/%m' '%Q%Y' '%'",
		),
		in(onReviews, "data.reviews.from", "2019-01-01 2020-02-29", "2019-02-29 2019-1-1"),
		in(onReviews, "data.reviews.to", "2019-01-01 2020-02-29", "2019-02-29 2019-1-1"),
		with(in(onReviews, "data.reviews.from", "2019-01-01 2018-12-31", "2019-01-02"), "data.reviews.to=2019-01-01"),
		at("teacher.max_reviews", "0", "-1"),
		at("teacher.batch", "0 1024", "-1 1025"),
		at("teacher.shard_rows", "1", "0"),
		with(at("teacher.max_tokens", "8 511", "7 512"), "teacher.max_context=513"),
		with(at("teacher.max_tokens", "63", "64 65"), "teacher.max_context=64"),
		with(at("teacher.max_tokens", "16", "15"), "teacher.constrain=two-lines"),
		with(at("teacher.max_context", "64 131072", "63 131073"), "teacher.max_tokens=8"),
		with(at("teacher.max_tokens", "8 512 131072", "7 131073"), "teacher.model="+aServer),
		with(at("teacher.max_tokens", "16", "15"), "teacher.model="+aServer, "teacher.constrain=two-lines"),
		at("teacher.temperature", "0 2", "-0.01 2.01"),
		at("teacher.top_p", "0.001 1", "0 1.01"),
		at("teacher.repetition_penalty", "1 2", "0.99 2.01"),
		at("teacher.max_bad", "0 1", "-0.01 1.01"),
		at("student.dropout", "0 0.9", "-0.01 0.91"),
		at("train.batch", "1", "0"),
		at("train.micro_batch", "0", "-1"),
		with(at("data.codes.levels", "1 16", "0 17"), "data.indexing=codes", "protocol=clean"),
		with(at("data.codes.width", "2 4096", "1 4097"), "data.indexing=codes", "protocol=clean"),
		with(at("data.codes.dimensions", "1 1024", "0 1025"), "data.indexing=codes", "protocol=clean"),
		at("student.initializer_range", "0 1", "-0.01 1.01"),
		at("train.warmup_steps", "0", "-1"),
		with(at("train.warmup_steps", "9", "10"), "train.steps=10"),
		at("train.label_smoothing", "0 0.9", "-0.01 0.91"),
		at("train.max_grad_norm", "0", "-0.01"),
		at("train.batch_tokens", "0", "-1"),
		at("train.ema_decay", "0 0.999", "-0.01 1"),
		with(at("train.head_weight", "0 1000", "-0.01 1000.1"), "data.indexing=codes", "protocol=clean"),
		at("train.selection_users", "0", "-1"),
		at("train.ratio.explanation", "0 0.001", "-0.01"),
		at("train.ratio.sequential", "0 0.001", "-0.01"),
		at("train.ratio.rationale", "0 0.001", "-0.01"),
		at("train.ratio.topn", "0 0.001", "-0.01"),
		at("train.learning_rate", "1e-9 1", "0 1.01"),
		at("train.weight_decay", "0 1", "-0.01 1.01"),
		at("train.epochs", "1", "0"),
		at("train.steps", "0", "-1"),
		at("train.epoch_steps", "0", "-1"),
		at("train.patience", "1", "0"),
		at("train.validation_rows", "0", "-1"),
		at("train.max_target_tokens", "2 512", "1 513"),
		at("train.checkpoint_steps", "1", "0"),
		at("train.keep_checkpoints", "1", "0"),
		at("evaluate.batch", "1", "0"),
		at("evaluate.shards", "0 256", "-1 257"),
		at("evaluate.sequential_users", "-1 0", "-2"),
		at("evaluate.topn_users", "-1 0", "-2"),
		at("evaluate.explanations", "-1 0", "-2"),
		with(at("evaluate.num_beams", "1 100", "0 101"), "evaluate.num_return_sequences=1", "evaluate.topn=1"),
		with(at("evaluate.num_return_sequences", "1 100", "0 101"), "evaluate.num_beams=100"),
		with(at("evaluate.num_return_sequences", "19 20", "21"), "evaluate.num_beams=20"),
		with(at("evaluate.topn", "1 100", "0 101"), "evaluate.num_beams=100"),
		with(at("evaluate.topn", "19 20", "21"), "evaluate.num_beams=20"),
		with(at("evaluate.explanation_num_beams", "1 100", "0 101"), "evaluate.explanation_num_beam_groups=1"),
		with(at("evaluate.explanation_num_beam_groups", "1 100", "0 101"), "evaluate.explanation_num_beams=100"),
		with(at("evaluate.explanation_num_beam_groups", "1 3 7 21", "2 6 20 22"), "evaluate.explanation_num_beams=21"),
		at("evaluate.min_length", "1 49 50", "0 51"), // evaluate.max_length is 50
		with(at("evaluate.max_length", "2 512", "1 513"), "evaluate.min_length=1"),
		at("evaluate.max_reference_tokens", "2 512", "1 513"),
		with(at("sasrec.hidden_sizes", "4 1024 4,8", "3 1025 8,8 4,3"), "sasrec.heads=1"),
		with(at("sasrec.hidden_sizes", "6 9,12", "4 6,8"), "sasrec.heads=3"),
		at("sasrec.dropouts", "0 0.9 0.1,0.2", "-0.01 0.91 0.1,0.1 0.1,1"),
		at("sasrec.learning_rates", "1e-9 1 0.1,0.2", "0 1.01 0.1,0.1 0.1,2"),
		at("sasrec.blocks", "1 32", "0 33"),
		with(at("sasrec.heads", "1 64", "0 65"), "sasrec.hidden_sizes=64"),
		at("sasrec.max_length", "2 1000", "1 1001"),
		at("sasrec.batch", "1", "0"),
		at("sasrec.epochs", "1", "0"),
		at("sasrec.patience", "1", "0"),
		in(nightlySpec, "nightly.gate.margin", "0 0.99", "-0.01 1 1.01"),
		in(nightlySpec, "nightly.gate.margin_type", "relative absolute", "none"),
		in(nightlySpec, "nightly.gate.floor", "popularity markov item-knn none", "rule sasrec"),
		in(nightlySpec, "nightly.gate.alpha", "0.001 0.5", "0 0.51"),
		in(nightlySpec, "nightly.gate.min_parsed", "0 1", "-0.01 1.01"),
		in(nightlySpec, "nightly.gate.min_coverage", "0 1", "-0.01 1.01"),
		in(nightlySpec, "nightly.gate.max_first_share", "0.01 1", "0 1.01"),
		in(nightlySpec, "nightly.gate.min_rows", "0", "-1"),
		in(nightlySpec, "nightly.gate.max_rows", "0", "-1"),
		in(nightlySpec, "nightly.gate.max_bad", "0 1", "-0.01 1.01"),
	}
}

func TestBorders(t *testing.T) {
	t.Parallel()
	for _, b := range borders() {
		for _, value := range b.accepted {
			if _, err := spec.Parse(
				"shop.yaml",
				[]byte(b.text),
				slices.Concat(b.with, []string{b.key + "=" + value}),
			); err != nil {
				t.Errorf("%s=%s with %q is rejected: %v", b.key, value, b.with, err)
			}
		}
		for _, value := range b.rejected {
			_, err := spec.Parse("shop.yaml", []byte(b.text), slices.Concat(b.with, []string{b.key + "=" + value}))
			if err == nil || !strings.Contains(err.Error(), b.key) {
				t.Errorf("%s=%s with %q: error %v", b.key, value, b.with, err)
			}
		}
	}
}

// TestTeacherNames: a name of the table, or one of its prefixes followed by more.
func TestTeacherNames(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]bool{
		"smollm2": true, "copy": true, "gguf:x.gguf": true, "meta:x": true, "hf:x": true, "gguf:a:b": true,
		"openai:http://h/v1#m": true, "openai:https://h#m": true, "openai:http://h:8000/v1#a/b": true,
		"gguf:http://me:word@h/x": false, // no scheme of a bucket
		"":                        false, "gguf": false, "gguf:": false, "meta:": false, "hf:": false, "openai:": false,
		"smollm2:":  false,
		"smollm2:x": false,
		"copy:x":    false, "llama:x": false, "openai:ftp://h/v1#m": false, "openai:http:///v1#m": false,
		"openai:http://h/v1":  false,
		"openai:http://h/v1#": false, "openai:h/v1#m": false, "openai:http://h:port/v1#m": false,
		"openai:http://me@h/v1#m": false, "openai:http://me:word@h/v1#m": false,
	} {
		s := spec.Default()
		s.Name, s.Data.Folder, s.Teacher.Model = "shop", "x", model
		if err := spec.Validate(s); want != (err == nil) {
			t.Errorf("%q: error %v", model, err)
		}
	}
}

// TestRulesBetweenFields breaks each rule by the smallest step and also checks that the value next
// to it passes.
func TestRulesBetweenFields(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text      string
		overrides []string
		want      string
	}{
		"folder and reviews": {minimalSpec, []string{"data.reviews.path=x"}, "names both folder and reviews"},
		"reviews, indexed":   {onReviews, []string{"data.indexing=appearance"}, ""},
		"reviews, as is":     {onReviews, []string{"data.indexing=as-is"}, "applies to folders"},
		"a folder, as is":    {minimalSpec, []string{"data.indexing=as-is"}, ""},
		"from without to":    {onReviews, []string{"data.reviews.from=2019-01-01"}, ""},
		"to without from":    {onReviews, []string{"data.reviews.to=2019-01-01"}, ""},
		"columns of CSV": {
			onReviews, []string{"data.reviews.columns={user: who}", "data.reviews.format=csv"}, "",
		},
		"columns, format unknown": {onReviews, []string{"data.reviews.columns={user: who}"}, ""},
		"columns of Amazon": {
			onReviews,
			[]string{"data.reviews.columns={user: who}", "data.reviews.format=amazon-2023"},
			"applies to files of any names",
		},
		"columns of JSON": {
			onReviews, []string{"data.reviews.columns={user: who}", "data.reviews.format=json"}, "",
		},
		"a title's column": {onReviews, []string{"data.reviews.columns={title: name}"}, ""},
		"quotes of Parquet": {
			onReviews, []string{"data.reviews.quote=none", "data.reviews.format=parquet"}, "data.reviews.format",
		},
		"quotes of CSV": {onReviews, []string{"data.reviews.quote=none", "data.reviews.format=csv"}, ""},
		"a table without metadata": {
			onReviews, []string{"data.reviews.metadata_table.header=false"}, "applies to data.reviews.metadata",
		},
		"a table of metadata": {
			onReviews, []string{"data.reviews.metadata_table.header=false", "data.reviews.metadata=m"}, "",
		},
		"a user's column of an item": {
			onReviews,
			[]string{"data.reviews.metadata_table.columns={user: 1}", "data.reviews.metadata=m"},
			"metadata_table.columns[user]",
		},
		"Amazon without columns": {onReviews, []string{"data.reviews.format=amazon-2023"}, ""},
		"an empty column name": {
			onReviews, []string{"data.reviews.columns={user: ''}"}, "data.reviews.columns[user]",
		},
		"two lines, strict": {minimalSpec, []string{"teacher.constrain=two-lines"}, ""},
		"two lines, the paper's parser": {
			minimalSpec,
			[]string{"teacher.constrain=two-lines", "teacher.parse=paper"},
			"requires teacher.parse strict",
		},
		"request fields": {
			minimalSpec, []string{
				"teacher.model=" + aServer,
				"teacher.request={chat_template_kwargs: {enable_thinking: false}, effort: low, top_k: 20}",
			}, "",
		},
		"request fields, no server": {
			minimalSpec, []string{"teacher.request={top_k: 20}"}, "teacher.request: applies to chat servers",
		},
		"a request field of its own key": {
			minimalSpec,
			[]string{"teacher.model=" + aServer, "teacher.request={temperature: 1}"},
			`teacher.request: sets "temperature", which teacher.temperature decides`,
		},
		"a request field with a dot": {
			minimalSpec,
			[]string{"teacher.model=" + aServer, "teacher.request={a.b: 1}"},
			"the name of a request field",
		},
		"a request field without a value": {
			minimalSpec,
			[]string{"teacher.model=" + aServer, "teacher.request={a: }"},
			"teacher.request[a]: has no value",
		},
		"a request field that is no JSON": {
			minimalSpec,
			[]string{"teacher.model=" + aServer, "teacher.request={a: .nan}"},
			"teacher.request: has a value that JSON cannot hold",
		},
		"two lines, teacher copy": {
			minimalSpec, []string{"teacher.constrain=two-lines", "teacher.model=copy"}, "applies to language models",
		},
		"free, the paper's parser": {minimalSpec, []string{"teacher.parse=paper"}, ""},
		"free, copy, few tokens":   {minimalSpec, []string{"teacher.model=copy", "teacher.max_tokens=15"}, ""},
		"ablations":                {minimalSpec, []string{"ablate=skip_pads,mask_cross"}, ""},
		"an ablation twice": {
			minimalSpec, []string{"ablate=skip_pads,mask_cross,skip_pads"}, "contains duplicates",
		},
		"it affects one method": {minimalSpec, []string{"ablate=correct_tasks", "methods=pod,rdrec"}, ""},
		"it affects no method": {
			minimalSpec,
			[]string{"ablate=correct_tasks", "methods=pod,p5"},
			`names "correct_tasks", which changes nothing`,
		},
		"a thousand students": {minimalSpec, []string{
			"methods=rdrec,pod", "trials=100", "ablate=skip_pads,mask_cross,constrained,held_out",
		}, ""},
		"more than a thousand students": {minimalSpec, []string{
			"methods=rdrec,pod", "trials=100", "ablate=skip_pads,mask_cross,constrained,held_out,full_prefixes",
		}, "more than 1000 trained students"},
		"no method":        {minimalSpec, []string{"methods=[]"}, "methods"},
		"a method twice":   {minimalSpec, []string{"methods=pod,pod"}, "methods"},
		"no baseline":      {minimalSpec, []string{"baselines=[]"}, "baselines"},
		"a baseline twice": {minimalSpec, []string{"baselines=rule,rule"}, "baselines"},
		"no hidden size":   {minimalSpec, []string{"sasrec.hidden_sizes=[]"}, "sasrec.hidden_sizes"},
		"no dropout":       {minimalSpec, []string{"sasrec.dropouts=[]"}, "sasrec.dropouts"},
		"no learning rate": {minimalSpec, []string{"sasrec.learning_rates=[]"}, "sasrec.learning_rates"},
		"explanations alone": {
			minimalSpec, []string{"train.ratio={explanation: 0.1, sequential: 0, rationale: 0, topn: 0}"}, "",
		},
		"sequences alone": {
			minimalSpec, []string{"train.ratio={explanation: 0, sequential: 0.1, rationale: 0, topn: 0}"}, "",
		},
		"rationales alone": {
			minimalSpec, []string{"train.ratio={explanation: 0, sequential: 0, rationale: 0.1, topn: 0}"}, "",
		},
		"top-N alone": {
			minimalSpec, []string{"train.ratio={explanation: 0, sequential: 0, rationale: 0, topn: 0.1}"}, "",
		},
		"all weights zero": {
			minimalSpec,
			[]string{"train.ratio={explanation: 0, sequential: 0, rationale: 0, topn: 0}"},
			"leaves a method no task to train on",
		},
		"one of two methods without a task": {
			minimalSpec,
			[]string{"methods=rdrec,pod", "train.ratio={explanation: 0, sequential: 0, rationale: 1, topn: 0}"},
			"leaves a method no task",
		},
		"nightly": {nightlySpec, nil, ""},
		"nightly without reviews": {
			"name: shop\ndata: {folder: x}\nnightly: {inbox: in/}\n", nil, "nightly runs ingest raw reviews",
		},
		"nightly with a path":      {nightlySpec, []string{"data.reviews.path=x"}, "both name the source of reviews"},
		"nightly with two methods": {nightlySpec, []string{"methods=rdrec,pod"}, "must be one"},
		"nightly with two trials":  {nightlySpec, []string{"trials=2"}, "must be one"},
		"nightly with an ablation": {nightlySpec, []string{"ablate=skip_pads"}, "must be one"},
		"gate top-N": {
			nightlySpec, []string{"nightly.gate.task=topn", "evaluate.sequential_users=-1"}, "",
		},
		"gate top-N without users": {
			nightlySpec, []string{"nightly.gate.task=topn", "evaluate.topn_users=-1"}, "evaluates no user",
		},
		"gate sequential":               {nightlySpec, []string{"evaluate.topn_users=-1"}, ""},
		"gate sequential without users": {nightlySpec, []string{"evaluate.sequential_users=-1"}, "evaluates no user"},
		"gate explanation":              {nightlySpec, []string{"nightly.gate.task=explanation"}, "nightly.gate.task"},
		"a webhook":                     {nightlySpec, []string{"nightly.webhook=https://h/x"}, ""},
		"a webhook with credentials": {
			nightlySpec, []string{"nightly.webhook=https://me:word@h/x"}, "contains credentials",
		},
		"a webhook without host": {nightlySpec, []string{"nightly.webhook=h"}, "nightly.webhook"},
		"an absolute inbox":      {nightlySpec, []string{"nightly.inbox=/inbox"}, "is not a prefix in the bucket"},
		"an inbox elsewhere":     {nightlySpec, []string{"nightly.inbox=gs://inbox"}, "is not a prefix in the bucket"},
		"no inbox":               {nightlySpec, []string{"nightly.inbox="}, "nightly.inbox"},
		"a source of Parquet":    {nightlySpec, []string{aSource, "data.reviews.format=parquet"}, ""},
		"a source of any format": {nightlySpec, []string{aSource, "data.reviews.format=auto"}, ""},
		"a source of CSV": {
			nightlySpec,
			[]string{aSource, "data.reviews.format=csv"},
			"does not match nightly.source, which is ingested as parquet",
		},
		"a table of a file": {
			nightlySpec,
			[]string{aSource, "data.reviews.format=auto", "nightly.source.table=t"},
			"is for DuckDB databases",
		},
		"a database's table": {
			nightlySpec,
			[]string{aSource, "data.reviews.format=auto", "nightly.source.path=a.db", "nightly.source.table=t"},
			"",
		},
		"a table of a .duckdb database": {
			nightlySpec,
			[]string{aSource, "data.reviews.format=auto", "nightly.source.path=a.duckdb", "nightly.source.table=t"},
			"",
		},
		"a database without a table": {
			nightlySpec,
			[]string{aSource, "data.reviews.format=auto", "nightly.source.path=a.db"},
			"is for DuckDB databases",
		},
		"a source without reviews": {
			"name: shop\ndata: {folder: x}\nnightly: {inbox: in/, source: {path: a, watermark: b}}\n", nil,
			"nightly runs ingest raw reviews",
		},
		"a webhook with a bad port": {nightlySpec, []string{"nightly.webhook=http://me@h:port/"}, "nightly.webhook"},
		"an unknown method": {
			minimalSpec, []string{"methods=rdrek", "ablate=correct_tasks"}, `"rdrek" is not known`,
		},
		"a negative number of beams": {
			minimalSpec,
			[]string{"evaluate.explanation_num_beams=-1"},
			"evaluate.explanation_num_beams: must be at least 1",
		},
		"no group of beams": {
			minimalSpec,
			[]string{"evaluate.explanation_num_beam_groups=0"},
			"evaluate.explanation_num_beam_groups: must be at least 1",
		},
		"no head": {minimalSpec, []string{"sasrec.heads=0"}, "sasrec.heads: must be at least 1"},
		"a source without a path": {
			nightlySpec, []string{aSource, "data.reviews.format=auto", "nightly.source.path="}, "nightly.source.path",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.Parse("shop.yaml", []byte(c.text), c.overrides)
			if (err == nil) != (c.want == "") || !strings.Contains(errString(err), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("several diagnostics: %v", err)
			}
		})
	}
}
