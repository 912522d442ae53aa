package main

import (
	"strconv"
	"strings"

	"rdrec/internal/devserver"
)

// helpTexts holds the help texts that are too long for the line of their flag or command, and the
// defaults that other packages set.
var helpTexts = map[string]string{
	"dev_config": devserver.DefaultPath,

	"max_listed":       strconv.Itoa(maxListed),
	"list_states":      strings.Join(runStates(), ","),
	"help_list_status": "Only runs in this state: " + strings.Join(runStates(), ", ") + ".",
	"help_list_since": "Only runs that started since then: a duration such as 36h, 7d or 2w, " +
		"or a day as YYYY-MM-DD.",

	"help_address":   "Temporal server as host:port; overrides TEMPORAL_ADDRESS and the profile's.",
	"help_namespace": "Temporal namespace; overrides TEMPORAL_NAMESPACE and the profile's.",
	"help_ui":        "Address of the Web UI; the default is derived from a server on the loopback interface.",
	"help_bucket": "URL of the workers' bucket: file:///path, s3://, gs:// or azblob://; " +
		"the default is .rdrec/bucket in the current folder.",

	"help_cluster_init": "Create the namespace and the search attributes that are missing on the server. " +
		"It may run again.",
	"help_keep_runs": "Keep the runs of the last N experiments or schedules' runs of each name, and delete those of " +
		"older ones with what only they refer to, whatever the bucket's settings are. Models in use and exported " +
		"tables stay. 0 keeps all.",
	"help_retention": "Show or change how long the bucket's runs remain. A change is shown first, with what gc would " +
		"delete, and made with --yes.",
	"help_keep_promotions":  "Models of the last N promotions and nightly runs of a name remain, at least 2.",
	"help_keep_checkpoints": "Leave checkpoints of finished trainings to gc, instead of deleting them at once.",
	"help_export": "Export recommendations for all users of a model as Parquet, JSON lines or CSV, " +
		"or export the student itself.",
	"help_verify": "Verify the hashes of all objects that a run refers to, or of the whole bucket; " +
		"list corrupt objects and the affected runs.",
	"help_nightly": "Run nightly retraining: ingest new reviews, train, " +
		"and promote the model unless it is worse. List past runs.",
	"help_run": "Start the experiment of a spec and watch it. Stages whose inputs did not change are reused.",
	"help_force": "Recompute all stages, also if nothing changed since the last run. " +
		"Rationales of a teacher behind a server are reused.",
	"help_explain_stage": "The stage: its name, such as pretrain, or the beginning of its label, " +
		"such as \"evaluate topn\". All stages without it.",
	"help_logs_stage": "Only lines of stages whose label begins with this, such as pretrain or \"evaluate topn\".",
	"help_compare": "Compare finished runs: settings that differ, stages they share, " +
		"metrics with paired tests over users, and cost.",
	"help_compare_html": "Also write the comparison as a page.",
	"help_compare_runs": "Finished runs: ID or ID/RUN; an ID alone means its latest run. Tests are against the first.",
	"help_plan": "List the stages that a run of a spec would reuse and those it would run: why, and how long. " +
		"Runs nothing; a worker looks the stages up.",
	"help_plan_force": "Plan a run with --force, which reuses no stage.",
	"help_plan_sample": "Measure the time of stages that no run of the bucket did yet: " +
		"run a small part of the spec first.",
	"help_yes":    "Start without asking, however long the run will take.",
	"help_cancel": "Cancel an experiment; its finished work is kept, and running it again resumes.",
	"help_audit":  "Look for leaks in a dataset folder: what a rule without a model scores, and why.",

	"help_import": "Read raw reviews: print the counts by cause and the first rows as they were understood. " +
		"Needs no server and trains nothing.",
	"help_import_spec": "The spec, for its data.reviews; or name the reviews with --from.",
	"help_import_from": "The reviews, without a spec: a file, a folder or a pattern. --set adds settings, " +
		"for example data.reviews.header=false.",
	"help_import_out": "Keep the dataset folder that the import writes.",

	"help_set":          "Override a value of the spec, for example train.epochs=2.",
	"help_keep_serving": "Keep serving afterwards: yes, no, or auto (on a terminal).",

	"help_spec": "The spec, a YAML file; its paths are relative to the worker's folder. " +
		"Without one, --dataset runs with a small built-in spec.",
	"help_files": "Look for the files that the spec names, as a worker in this folder would. " +
		"--no-files skips it where the files are on other machines.",
	"help_dataset": "The data: a folder in RDRec's format, or the name of one in RDREC_DATA, " +
		"data or testdata/rdrec.",

	"help_distill_start": "Distill a data set's explanations into rationales; finished rows are reused.",
	"help_distill_skip": "Skip a shard; its finished rows are kept, " +
		"the next distillation requests the rest.",
	"help_distill_spec": "A spec, for its data and teacher; or name the data with --dataset or --reviews.",
	"help_distill_teacher": "The teacher: smollm2, meta:DIR, hf:DIR, gguf:FILE, openai:URL#MODEL or copy; " +
		"same as --set teacher.model=...",
	"help_distill_sample": "Distill only N explanations, sampled evenly, and print the rationales, " +
		"to check quality before paying for all. Their rows are reused.",
	"help_distill_id": "The distillation's id, as distill prints it. " +
		"Within an experiment, it is the experiment's id followed by /distill.",
	"help_parallel": "Shards in parallel; 0 means 16. Each needs a worker on the queue rdrec-gpu.",

	"help_model": "The model: a name of promotions, or a finished experiment as ID or ID/RUN.",
	"help_out":   "Where to write recommendations.FORMAT: a folder, or a URL such as s3://bucket/path.",
	"help_spreadsheet": "Put an apostrophe before cells of CSV that a spreadsheet would run " +
		"(they begin with =, +, -, @, a tab or a line break).",
	"help_explain": "Add the student's explanation of each item; this takes one beam search per row.",
	"help_shard":   "Users per shard; 0 means 512, or 64 with explanations.",

	"help_rerun_compare": "Start nothing: compare with this run, for example a detached rerun.",
	"help_rerun_rationales": "Also request rationales from a teacher behind a server again. This may cost money " +
		"and is rarely reproducible; without it, finished rows are reused.",

	"help_retake": "Ingest this file of the inbox although an earlier run skipped it or set it aside.",
	"help_nightly_wait": "Wait for the verdict: exit code 0 if the model was promoted or nothing was new, " +
		"12 if it was rejected.",
	"help_promote_run": "The run that trained it: WORKFLOW/RUN, as printed in its report; " +
		"a workflow alone means its latest run.",
	"help_rollback_to": "Number of the promotion to return to; the default is the one before the current one.",

	"help_schedule_zone": "Time zone, such as Europe/Vienna. In a zone with daylight saving, a time that is " +
		"skipped in spring is not run that day, and one that occurs twice in autumn is run twice (the second " +
		"is skipped while the first runs): prefer times outside 01:00 to 03:00, or UTC.",

	"help_forget": "Remove a user from the bucket: datasets, what was made of them, rationales, reports and logs. " +
		"Lists the models that have seen the user.",
	"help_forget_retire": "Also remove this nightly name: its records, promotions and reviews. Retrain under another " +
		"name before.",
	"help_forget_yes": "Remove; there is no way back.",

	"help_codec": "Decrypt payloads for the Web UI, on the loopback interface; \"starter dev\" does it by itself. " +
		"The keys are in RDREC_PAYLOAD_KEYS (docs/security.md).",
	"help_codec_listen":  "Address on the loopback interface.",
	"help_codec_origin":  "Address of the Web UI whose pages may ask, as the browser shows it.",
	"help_codec_new_key": "Only print a new key.",

	"help_audit_data": "A folder in the format of RDRec, POD and P5 " +
		"(sequential.txt, datamaps.json, ...; plain or .gz).",
	"help_audit_seed": "Seed of the bootstrap for the confidence intervals of --json.",
}
