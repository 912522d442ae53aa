package llama_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"rdrec/internal/cachedir"
	"rdrec/internal/golden"
	"rdrec/internal/llama"
	"rdrec/internal/spec"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/teacher"
)

// BenchmarkDistil distils 64 sentences of real reviews with the demo's settings and reports
// rationales and tokens per second, including all overhead.
func BenchmarkDistil(b *testing.B) {
	path := demoTeacher(b)
	texts := reviewSentences(b, 64)
	var requests []teacher.Request
	for _, text := range texts {
		requests = append(requests, teacher.Request{ID: text, Text: text})
	}
	for _, kind := range []string{"f32", "bf16"} {
		for _, batch := range []int{16, 32, 64} {
			b.Run(fmt.Sprintf("type=%s/batch=%d", kind, batch), func(b *testing.B) {
				engine := open(b, path, llama.Options{Device: "cpu", Type: kind, Batch: batch})
				var rows []teacher.Rationale
				for b.Loop() {
					rows = rows[:0]
					settings := spec.Default().Teacher
					err := teacher.Distill(b.Context(), engine, settings, requests, func(r teacher.Rationale) error {
						rows = append(rows, r)
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				q := teacher.Measure(rows)
				seconds := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(float64(q.Tokens)/seconds, "tokens/s")
				b.ReportMetric(float64(q.Rationales)/seconds, "rationales/s")
				b.ReportMetric(float64(q.Parsed), "parsed")
				b.ReportMetric(q.Grounded, "grounded")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkRead prefills prompts of 64 tokens and generates one token each.
func BenchmarkRead(b *testing.B) {
	engine := open(b, demoTeacher(b), llama.Options{Device: "cpu", Batch: 32})
	var prompts []teacher.Prompt
	for i := range 32 {
		prompts = append(prompts, teacher.Prompt{
			Messages: []teacher.Message{{
				Role: teacher.User, Content: fmt.Sprintf("%d %s", i, strings.Repeat("soap and water ", 15)),
			}},
			Sampling: teacher.Sampling{MaxTokens: 1, RepetitionPenalty: 1},
		})
	}
	tokens := 0
	for b.Loop() {
		for _, reply := range complete(b, engine, prompts) {
			tokens += reply.PromptTokens
		}
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}

// reviewSentences returns n different sentences of five to twenty-five words from the shipped
// reviews.
func reviewSentences(b testing.TB, n int) []string {
	b.Helper()
	file, err := os.Open(golden.Data(b, "reviews/All_Beauty_5.json.gz"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		b.Fatal(err)
	}
	var out []string
	for lines := bufio.NewScanner(unzipped); lines.Scan() && len(out) < n; {
		var review struct{ ReviewText string }
		if err := json.Unmarshal(lines.Bytes(), &review); err != nil {
			b.Fatal(err)
		}
		first, _, _ := strings.Cut(review.ReviewText, ".")
		if words := len(strings.Fields(first)); words >= 5 && words <= 25 && !slices.Contains(out, first) {
			out = append(out, first)
		}
	}
	return out
}

// BenchmarkSampling generates with 64 rows and reports a step's milliseconds and CPU milliseconds,
// without prefill: greedily, with the paper's temperature and top-p, and with the demo's repetition
// penalty. "tiny" has Llama 2's 32,000 tokens and random weights.
func BenchmarkSampling(b *testing.B) {
	const rows, long, short = 64, 20, 4
	wide := newTinyLayers(false, 4).withVocabulary(32_000)
	for name, path := range map[string]string{"tiny": wide.write(b), "smollm2": demoTeacher(b)} {
		for kind, sampling := range map[string]teacher.Sampling{
			"greedy":  {RepetitionPenalty: 1},
			"paper":   {Temperature: 0.6, TopP: 0.9, RepetitionPenalty: 1},
			"penalty": {RepetitionPenalty: 1.15},
		} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				engine := open(b, path, llama.Options{Device: "cpu", Batch: rows})
				run := func(tokens int) (seconds, cpu float64) {
					sampling.MaxTokens = tokens
					prompts := chatPrompts(rows, sampling)
					began, before := time.Now(), modeltest.CPUSeconds(b)
					complete(b, engine, prompts)
					return time.Since(began).Seconds(), modeltest.CPUSeconds(b) - before
				}
				run(short)
				var seconds, cpu float64
				for b.Loop() {
					longSeconds, longCPU := run(long)
					shortSeconds, shortCPU := run(short)
					seconds, cpu = seconds+longSeconds-shortSeconds, cpu+longCPU-shortCPU
				}
				steps := float64(b.N * (long - short))
				b.ReportMetric(1e3*seconds/steps, "ms/step")
				b.ReportMetric(1e3*cpu/steps, "cpu-ms/step")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func demoTeacher(b *testing.B) string {
	b.Helper()
	path, err := cachedir.DemoTeacherFile()
	if err != nil {
		b.Skip(err)
	}
	return path
}
