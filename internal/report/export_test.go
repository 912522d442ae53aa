package report

// PublishedTrials returns the published trials by "task data metric": RDRec's, then POD's.
func PublishedTrials() map[string][2][]float64 {
	all := map[string][2][]float64{}
	for _, row := range allPublishedTrials() {
		all[row.task+" "+row.data+" "+row.metric] = [2][]float64{row.rdrec, row.pod}
	}
	return all
}

// PublishedTrialsWithCaveat returns the rows that have a caveat.
func PublishedTrialsWithCaveat() []string {
	var all []string
	for _, row := range allPublishedTrials() {
		if row.caveat != "" {
			all = append(all, row.task+" "+row.data+" "+row.metric)
		}
	}
	return all
}

// PublishedData returns the name of the published data set with a digest.
func PublishedData(digest string) (string, bool) { return publishedData(digest) }
