package llama

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Nucleus returns the distribution of top-p sampling: the most likely tokens with a total
// probability of p, scaled to a sum of 1, and 0 for the others. A token is excluded if the sum of
// those before it exceeds p, so the most likely one always remains. The arithmetic is float32, as
// in Meta's code.
func Nucleus(probabilities []float32, p float64) []float32 {
	out := make([]float32, len(probabilities))
	var sum, total float32
	for _, id := range sortByWeight(probabilities) {
		sum += probabilities[id]
		if sum-probabilities[id] > float32(p) {
			break
		}
		out[id] = probabilities[id]
		total += out[id]
	}
	for id := range out {
		out[id] /= total
	}
	return out
}

// sortByWeight returns the ids by descending weight, equal ones by id.
func sortByWeight(weights []float32) []int {
	ids := make([]int, len(weights))
	for id := range ids {
		ids[id] = id
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		switch {
		case weights[a] > weights[b]:
			return -1
		case weights[a] < weights[b]:
			return 1
		default:
			return 0
		}
	})
	return ids
}

// negligibleLogit is the distance in logits (at temperature 1) below the best at which a token is
// negligible: it has e^-20 of the best's probability.
const negligibleLogit = 20

// sample samples a token from the nucleus of softmax(logits / temperature). Only tokens that are
// not negligible are sorted: the others together have less than a ten-thousandth of the
// probability.
func sample(logits []float32, temperature, p float64, random *rand.Rand) int32 {
	best := slices.Max(logits)
	var ids []int32
	var weights []float32
	var all float64
	for id, logit := range logits {
		distance := float64(best-logit) / temperature
		weight := math.Exp(-distance)
		all += weight
		if distance <= negligibleLogit {
			ids, weights = append(ids, int32(id)), append(weights, float32(weight))
		}
	}
	for i := range weights {
		weights[i] /= float32(all)
	}
	remaining := random.Float64()
	last := int32(0)
	for i, probability := range Nucleus(weights, p) {
		if probability == 0 {
			continue
		}
		last = ids[i]
		if remaining -= float64(probability); remaining < 0 {
			break
		}
	}
	return last
}

// penalize applies the repetition penalty to the logit of a used token: it divides positive logits
// by the penalty and multiplies negative ones.
func penalize(logit float32, penalty float64) float32 {
	if logit > 0 {
		return float32(float64(logit) / penalty)
	}
	return float32(float64(logit) * penalty)
}
