package activities

import "slices"

// stagesOf maps an activity's registered type to the stages whose work it does.
var stagesOf = map[string][]string{
	"Import":           {"import"},
	"PlanDistillation": {"distill"},
	"DistillShard":     {"distill"},
	"MergeRationales":  {"distill"},
	"Preprocess":       {"preprocess"},
	"Pretrain":         {"pretrain"},
	"Evaluate":         {"evaluate", "evaluate-shard"},
	"MergePredictions": {"evaluate"},
	"RankBaselines":    {"baseline"},
	"TrainSasrec":      {"sasrec", "bsarec"},
	"Fuse":             {"fuse"},
	"CheckEntailment":  {"entailment"},
	"PlanExport":       {"export"},
	"MergeExport":      {"export"},
	"ExportShard":      {"export-shard"},
	"FormatExport":     {"export-format"},
}

// StagesOf returns the stages whose work an activity of the given registered type does. It returns
// none for bookkeeping, and for the activities of a nightly run that belong to no stage.
func StagesOf(activityType string) []string { return slices.Clone(stagesOf[activityType]) }
