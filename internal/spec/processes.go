package spec

// processRules returns the rule for a training of several processes.
func processRules() []rule {
	return []rule{
		{
			"train.processes", func(s Spec) bool {
				t := s.Train
				return t.Processes > 1 && (t.MicroBatch == 0 || (t.Processes-1)*t.MicroBatch >= t.Batch)
			},
			"leaves a process without a micro-batch",
			"set train.micro_batch to at most train.batch divided by train.processes",
		},
	}
}
