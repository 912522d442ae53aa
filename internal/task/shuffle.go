package task

import "rdrec/internal/dataset"

// shuffleRationales returns the explanations with their rationales shuffled: each gets the
// rationale of another user's explanation, as long as there is one to exchange with.
func shuffleRationales(list []dataset.Explanation, random Random) []dataset.Explanation {
	from := make([]int, len(list)) // where each gets its rationale
	for i := range from {
		from[i] = i
	}
	random.Shuffle(from)
	differ := func(i, from int) bool { return list[i].User != list[from].User }
	for i := range from {
		if differ(i, from[i]) {
			continue
		}
		for step := 1; step < len(from); step++ {
			j := (i + step) % len(from)
			if differ(i, from[j]) && differ(j, from[i]) {
				from[i], from[j] = from[j], from[i]
				break
			}
		}
	}
	shuffled := make([]dataset.Explanation, len(list))
	for i, e := range list {
		shuffled[i] = e
		shuffled[i].Preference, shuffled[i].Attribution = list[from[i]].Preference, list[from[i]].Attribution
	}
	return shuffled
}
