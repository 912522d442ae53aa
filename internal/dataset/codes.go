package dataset

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Codes gives each item a short sequence of codes, one for each level. Items that are alike share
// their first codes. A student has a token for each code of each level.
type Codes struct {
	// Widths holds the number of different codes of each level.
	Widths []int `json:"widths"`
	// Items holds the codes of each item, from 0; index id-1. An item may have fewer codes than
	// there are levels. No sequence is the beginning of another.
	Items [][]int `json:"items"`
}

// Tokens returns the number of tokens: one for each code of each level.
func (c *Codes) Tokens() int {
	total := 0
	for _, width := range c.Widths {
		total += width
	}
	return total
}

// ItemTokens returns the tokens of an item, from 0: the codes of a level come after those of the
// levels before it.
func (c *Codes) ItemTokens(item int) []int {
	codes := c.Items[item-1]
	tokens, base := make([]int, len(codes)), 0
	for level, code := range codes {
		tokens[level] = base + code
		base += c.Widths[level]
	}
	return tokens
}

// The bounds of a file of codes. A level needs no more different codes than there are items.
const maxLevels, maxWidth = 64, 1 << 16

// check returns an error that names the first invalid item.
func (c *Codes) check(items int) error {
	if len(c.Items) != items {
		return fmt.Errorf("codes of %d items, but there are %d", len(c.Items), items)
	}
	if err := c.checkWidths(items); err != nil {
		return err
	}
	order := make([]int, items)
	for i, codes := range c.Items {
		order[i] = i
		if len(codes) == 0 || len(codes) > len(c.Widths) {
			return fmt.Errorf("item %d has %d codes, want 1 to %d", i+1, len(codes), len(c.Widths))
		}
		for level, code := range codes {
			if code < 0 || code >= c.Widths[level] {
				return fmt.Errorf("item %d: code %d of level %d is not below %d", i+1, code, level+1, c.Widths[level])
			}
		}
	}
	slices.SortFunc(order, func(a, b int) int { return slices.Compare(c.Items[a], c.Items[b]) })
	for i := 1; i < items; i++ {
		before, after := c.Items[order[i-1]], c.Items[order[i]]
		if slices.Equal(before, after[:min(len(before), len(after))]) {
			return fmt.Errorf("the codes of item %d are the beginning of those of item %d", order[i-1]+1, order[i]+1)
		}
	}
	return nil
}

// checkWidths bounds the levels: a student has a row of weights for each code.
func (c *Codes) checkWidths(items int) error {
	if len(c.Widths) > maxLevels {
		return fmt.Errorf("%d levels, at most %d are possible", len(c.Widths), maxLevels)
	}
	for level, width := range c.Widths {
		if most := max(maxWidth, items); width < 0 || width > most {
			return fmt.Errorf("level %d has %d different codes, at most %d are possible", level+1, width, most)
		}
	}
	return nil
}

// write writes the codes as JSON.
func (c *Codes) write(w *bufio.Writer) error { return json.NewEncoder(w).Encode(c) }

// codes reads codes.json, if the folder has one.
func (r *reader) codes() {
	f := open(r.fsys, fileCodes, r.diags)
	if f == nil {
		return
	}
	defer f.close()
	data := f.readAll()
	if f.failed || f.damage() != nil || !r.mapped {
		return
	}
	codes := &Codes{}
	err := json.Unmarshal(data, codes)
	if err == nil {
		err = codes.check(r.d.Items)
	}
	if err != nil {
		var syntax *json.SyntaxError
		line := 0
		if errors.As(err, &syntax) {
			line = f.lineAt(syntax.Offset)
		}
		r.diags.add(f.name, line, "%v", err)
		return
	}
	r.d.Codes = codes
}
