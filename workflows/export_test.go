package workflows

// StageVersions returns the versions of all stages.
func StageVersions() map[string]int { return stageVersions() }
