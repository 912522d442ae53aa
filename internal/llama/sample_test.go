package llama_test

import (
	stdcmp "cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/golden"
	"rdrec/internal/llama"
	"rdrec/internal/teacher"
)

func TestNucleusMatchesMeta(t *testing.T) {
	var file struct {
		TopP []map[string]json.RawMessage `json:"top_p"`
	}
	golden.Load(t, "distill.json", &file)
	if len(file.TopP) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.TopP {
		var probs, want []float32
		var p float64
		for key, value := range c {
			into := any(&want) // the distribution that Meta's code samples from
			switch key {
			case "probs":
				into = &probs
			case "p":
				into = &p
			}
			if err := json.Unmarshal(value, into); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
		}
		if diff := cmp.Diff(want, llama.Nucleus(probs, p)); diff != "" {
			t.Errorf("%v, p %g (-want +got):\n%s", probs, p, diff)
		}
	}
}

func TestSamplesFromTheNucleus(t *testing.T) {
	logits := []float32{2, 1, 0, -1, -50}
	for _, c := range []struct {
		temperature, p float64
		want           []float64
	}{
		{1, 1, []float64{0.644, 0.237, 0.087, 0.032, 0}},
		{0.6, 0.9, []float64{0.841, 0.159, 0, 0, 0}},
		{1, 0, []float64{1, 0, 0, 0, 0}},
	} {
		t.Run(fmt.Sprintf("temperature %g, p %g", c.temperature, c.p), func(t *testing.T) {
			const n = 20_000
			prompt := &teacher.Prompt{Sampling: teacher.Sampling{Seed: 3}}
			inputs, sampling := make([]llama.SampleInput, n), teacher.Sampling{Temperature: c.temperature, TopP: c.p}
			for i, random := range llama.RandomNumbers(prompt, n) {
				inputs[i] = llama.SampleInput{Sampling: sampling, Random: random}
			}
			counts := make([]int, len(logits))
			for _, id := range llama.Sample(slices.Repeat([][]float32{logits}, n), inputs, 256) {
				counts[id]++
			}
			for id, want := range c.want {
				if share := float64(counts[id]) / n; share < want-0.01 || share > want+0.01 {
					t.Errorf("token %d was sampled %.3f of the time, want %.3f", id, share, want)
				}
			}
		})
	}
}

// plainSample samples a token one number at a time: the expected result.
func plainSample(logits []float32, d llama.SampleInput) int64 {
	return plainSampleIn[float64](logits, d)
}

// plainSampleIn adds up the probabilities in a type.
func plainSampleIn[T float32 | float64](logits []float32, d llama.SampleInput) int64 {
	if d.Sampling.Temperature == 0 {
		return int64(slices.Index(logits, slices.Max(logits)))
	}
	best, all := slices.Max(logits), 0.0
	weights := make([]float32, len(logits))
	for id, logit := range logits {
		distance := float64(best-logit) / d.Sampling.Temperature
		all += math.Exp(-distance)
		if distance <= 20 {
			weights[id] = float32(math.Exp(-distance))
		}
	}
	order := make([]int, len(logits))
	for id := range logits {
		weights[id] /= float32(all)
		order[id] = id
	}
	slices.SortStableFunc(order, func(a, b int) int { return stdcmp.Compare(weights[b], weights[a]) })
	var before, total T
	nucleus := make([]float32, len(logits))
	for _, id := range order {
		if before > T(float32(d.Sampling.TopP)) {
			break
		}
		before += T(weights[id])
		nucleus[id] = weights[id]
		total += T(weights[id])
	}
	remaining, last := d.Random, int64(0)
	for id, weight := range nucleus {
		if weight > 0 {
			last = int64(id)
			if remaining -= float64(T(weight) / total); remaining < 0 {
				break
			}
		}
	}
	return last
}

// TestSamplesMatchThePlainSampler checks the tokens of many rows with different settings, with
// equal logits, with masked tokens, and with nuclei that exceed the first candidates.
func TestSamplesMatchThePlainSampler(t *testing.T) {
	for _, size := range []int{1, 7, 258, 3000} {
		for _, scale := range []float64{0.5, 3, 12} {
			t.Run(fmt.Sprintf("%d tokens, deviation %g", size, scale), func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(size), uint64(scale)))
				rows := 40_000 / (size + 100)
				logits, inputs := make([][]float32, rows), make([]llama.SampleInput, rows)
				want := make([]int64, rows)
				for i := range logits {
					logits[i] = randomLogits(random, size, scale)
					inputs[i] = randomInput(random)
					want[i] = plainSample(logits[i], inputs[i])
				}
				for _, candidates := range []int{2, 64, 1024} {
					if diff := cmp.Diff(want, llama.Sample(logits, inputs, candidates)); diff != "" {
						t.Errorf("%d candidates at first (-want +got):\n%s", candidates, diff)
					}
				}
				for i := range inputs {
					inputs[i].Sampling.TopP = 1
					want[i] = plainSample(logits[i], inputs[i])
				}
				if diff := cmp.Diff(want, llama.Sample(logits, inputs, 64)); diff != "" {
					t.Errorf("the whole distribution (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// randomLogits returns logits of which many are equal and some are masked.
func randomLogits(random *rand.Rand, size int, scale float64) []float32 {
	logits := make([]float32, size)
	coarse, masked := random.IntN(2) == 0, random.IntN(2) == 0
	for i := range logits {
		logits[i] = float32(random.NormFloat64() * scale)
		if coarse {
			logits[i] = float32(math.Round(float64(logits[i])*2) / 2)
		}
		if masked && i > 0 && random.IntN(3) == 0 {
			logits[i] = float32(math.Inf(-1))
		}
	}
	return logits
}

func randomInput(random *rand.Rand) llama.SampleInput {
	temperatures, masses := []float64{0, 0.1, 0.6, 1, 2}, []float64{0, 0.3, 0.9, 0.95, 1}
	return llama.SampleInput{Random: random.Float64(), Sampling: teacher.Sampling{
		Temperature: temperatures[random.IntN(len(temperatures))], TopP: masses[random.IntN(len(masses))],
	}}
}

// TestSumsInFloat32ChooseTheSameTokens checks that the paper's settings choose the tokens that they
// chose when probabilities were added up in float32, as the reference's code does on a GPU.
func TestSumsInFloat32ChooseTheSameTokens(t *testing.T) {
	const rows = 2000
	random := rand.New(rand.NewPCG(5, 6))
	logits, inputs, want := make([][]float32, rows), make([]llama.SampleInput, rows), make([]int64, rows)
	for i := range logits {
		logits[i] = randomLogits(random, 1000, 3)
		inputs[i] = llama.SampleInput{Sampling: teacher.Sampling{Temperature: 0.6, TopP: 0.9}, Random: random.Float64()}
		want[i] = plainSampleIn[float32](logits[i], inputs[i])
	}
	if diff := cmp.Diff(want, llama.Sample(logits, inputs, 256)); diff != "" {
		t.Errorf("(-float32 +float64):\n%s", diff)
	}
}

// TestSampledTextMatchesThePlainModel checks whole replies, with all settings in one batch, against
// a model and a sampler that compute one number at a time.
func TestSampledTextMatchesThePlainModel(t *testing.T) {
	m := newTiny(false)
	engine := open(t, m.write(t), testOptions(16))
	prompts := chatPrompts(20, teacher.Sampling{MaxTokens: 16})
	start := engine.ChatTokens(prompts[0].Messages)
	for i := range prompts {
		sampling := &prompts[i].Sampling
		sampling.Temperature, sampling.TopP = []float64{0.6, 0, 1.2}[i%3], []float64{0.9, 1}[i%2]
		sampling.RepetitionPenalty = []float64{1, 1.3}[i/2%2]
		start = common(start, engine.ChatTokens(prompts[i].Messages))
	}
	for i, reply := range complete(t, engine, prompts) {
		ids := m.generate(engine.ChatTokens(prompts[i].Messages), &prompts[i], start)
		if want := strings.ToValidUTF8(engine.Decode(ids), "\uFFFD"); reply.Text != want || reply.Tokens != len(ids) {
			t.Errorf("prompt %d: %q of %d tokens, want %q of %d", i, reply.Text, reply.Tokens, want, len(ids))
		}
	}
}
