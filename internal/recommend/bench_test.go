package recommend_test

import (
	"fmt"
	"syscall"
	"testing"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// cpuSeconds is the time that the process has computed: on a shared machine it says more than the clock.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(used.Utime) + seconds(used.Stime)
}

// BenchmarkDecode examines 32 users at a time with random weights, which end no sequence before its greatest length: seven tokens
// for items (the reference's figures in REFERENCE.md took six steps), 15 for explanations.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []string{"t5-tiny", "t5-mini", "t5-small"} {
		for _, protocol := range []string{spec.Paper, spec.Clean} {
			for _, name := range []string{"sequential", "topn", "explain"} {
				b.Run(fmt.Sprintf("%s/%s/%s", size, protocol, name), func(b *testing.B) {
					job := script{}.job(b, protocol)
					for _, s := range spec.Sizes() {
						if s.Name == size {
							model, err := t5.New(t5.FromSize(s, 3), 1, torch.CPU)
							if err != nil {
								b.Fatal(err)
							}
							b.Cleanup(model.Free)
							job.Model = model
						}
					}
					rows := 32
					job.Evaluate.MaxTokens = 7
					switch name {
					case "topn":
						rows = 8
					case "explain":
						job.Evaluate.MaxTokens = 15
					}
					job.Evaluate.Batch = rows
					job.Evaluate.SequentialUsers, job.Evaluate.TopNUsers, job.Evaluate.Explanations = rows, rows, rows
					before := cpuSeconds(b)
					for b.Loop() {
						if _, err := drivers()[name](b.Context(), job); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
					b.ReportMetric(float64(rows*b.N)/(cpuSeconds(b)-before), "rows/cpu-s")
				})
			}
		}
	}
}
