package metric

import (
	"fmt"
	"strings"
)

// TextDiversity describes how repetitive texts are. All shares are from 0 to 1.
type TextDiversity struct {
	Texts int `json:"texts"`
	// Distinct is the number of distinct texts, and DistinctShare the same as a share of Texts.
	Distinct      int     `json:"distinct"`
	DistinctShare float64 `json:"distinct_share"`
	// TextShare is the share of the most frequent text, and Empty that of texts without a word.
	TextShare float64 `json:"text_share"`
	Empty     float64 `json:"empty"`
	// Looping is the share of texts of which a phrase of two or more words, three times or more in
	// a row, makes up half or more: "so soft and soft and soft and".
	Looping float64 `json:"looping"`
	// Repetitive is the share of texts of which one word makes up half or more and occurs at least
	// twice: "I a a a a", but not "very good".
	Repetitive float64 `json:"repetitive"`
	// MeanRun is the mean over texts of the longest run of one word: 4 for "I a a a a", 1 for a
	// text without a repetition, 0 for an empty text.
	MeanRun float64 `json:"mean_run"`
}

// MeasureTexts returns the diversity of the generated words of the texts.
func MeasureTexts(texts []Text) TextDiversity {
	d := TextDiversity{Texts: len(texts)}
	whole := map[string]int{}
	repetitive, looping, empty, runs := 0, 0, 0, 0
	for _, text := range texts {
		words := text.Generated
		whole[strings.Join(words, " ")]++
		runs += longestRun(words)
		counts := map[string]int{}
		for _, word := range words {
			counts[word]++
		}
		if top := most(counts); top > 1 && 2*top >= len(words) {
			repetitive++
		}
		if loop := longestLoop(words); loop > 0 && 2*loop >= len(words) {
			looping++
		}
		if len(words) == 0 {
			empty++
		}
	}
	d.Distinct, d.DistinctShare = len(whole), share(len(whole), len(texts))
	d.TextShare, d.Empty = share(most(whole), len(texts)), share(empty, len(texts))
	d.Looping = share(looping, len(texts))
	d.Repetitive, d.MeanRun = share(repetitive, len(texts)), share(runs, len(texts))
	return d
}

// longestRun returns the length of the longest run of one word.
func longestRun(words []string) int {
	longest, run := 0, 0
	for i, word := range words {
		if i > 0 && word != words[i-1] {
			run = 0
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// minLoops is how often a phrase follows itself in a loop.
const minLoops = 3

// longestLoop returns the number of words of the longest loop: a phrase of two or more words,
// minLoops times or more in a row. Runs of one word are none.
func longestLoop(words []string) int {
	longest := 0
	for length := 2; length*minLoops <= len(words); length++ {
		equal := 0 // words in a row that are equal to those a phrase before
		for i := length; i < len(words); i++ {
			if words[i] != words[i-length] {
				equal = 0
				continue
			}
			equal++
			loop := (equal + length) / length * length
			if loop >= length*minLoops && longestRun(words[i+1-loop:i+1]) < loop {
				longest = max(longest, loop)
			}
		}
	}
	return longest
}

// Findings returns the measurements beyond their limits, the most severe first; none for fewer than
// ten texts.
func (d TextDiversity) Findings() (found []Degeneracy) {
	if d.Texts < minDiverse {
		return nil
	}
	add := func(beyond bool, measure string, value, limit float64, text string) {
		if beyond {
			found = append(found, Degeneracy{measure, value, limit, text})
		}
	}
	add(d.Empty > MaxEmpty, "empty", d.Empty, MaxEmpty, fmt.Sprintf(
		"%s of %d texts are empty (limit %s)", percent(d.Empty), d.Texts, percent(MaxEmpty)))
	add(d.Repetitive > MaxRepetitive, "repetitive", d.Repetitive, MaxRepetitive, fmt.Sprintf(
		"in %s of %d texts one repeated word makes up half or more (limit %s)",
		percent(d.Repetitive), d.Texts, percent(MaxRepetitive)))
	add(d.MeanRun > MaxMeanRun, "mean_run", d.MeanRun, MaxMeanRun, fmt.Sprintf(
		"the longest run of one word is %.1f words on average over %d texts (limit %.1f)",
		d.MeanRun, d.Texts, MaxMeanRun))
	add(d.Looping > MaxLooping, "looping", d.Looping, MaxLooping, fmt.Sprintf(
		"in %s of %d texts a phrase in a loop makes up half or more (limit %s)",
		percent(d.Looping), d.Texts, percent(MaxLooping)))
	add(d.TextShare > MaxTextShare, "text_share", d.TextShare, MaxTextShare, fmt.Sprintf(
		"%s of %d texts are the same (limit %s)", percent(d.TextShare), d.Texts, percent(MaxTextShare)))
	add(d.DistinctShare < MinDistinctTexts, "distinct_share", d.DistinctShare, MinDistinctTexts, fmt.Sprintf(
		"%d of %d texts are distinct (%s; at least %s expected)",
		d.Distinct, d.Texts, percent(d.DistinctShare), percent(MinDistinctTexts)))
	return found
}
