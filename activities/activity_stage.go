package activities

// StagesOf returns the stages whose work an activity of the given registered type does. It returns
// none for bookkeeping, and for the activities of a nightly run that belong to no stage.
func StagesOf(activityType string) []string {
	switch activityType {
	case "Import":
		return []string{"import"}
	case "PlanDistillation", "DistillShard", "MergeRationales":
		return []string{"distill"}
	case "Preprocess":
		return []string{"preprocess"}
	case "Pretrain":
		return []string{"pretrain"}
	case "Evaluate":
		return []string{"evaluate", "evaluate-shard"}
	case "MergePredictions":
		return []string{"evaluate"}
	case "RankBaselines":
		return []string{"baseline"}
	case "TrainSasrec":
		return []string{"sasrec"}
	case "PlanExport", "MergeExport":
		return []string{"export"}
	case "ExportShard":
		return []string{"export-shard"}
	case "FormatExport":
		return []string{"export-format"}
	default:
		return nil
	}
}
