package t5

import (
	"errors"
	"fmt"
	"slices"

	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// DecodeOptions says how a batch is to be decoded.
type DecodeOptions struct {
	// NumBeams is the most sequences that a row may have at once (at least 1).
	NumBeams int
	// MaxLength is the longest sequence, start token included (at least 2).
	MaxLength int
	// MaskCross hides padding from the cross-attention, as in [spec.Protocol].
	MaskCross bool
	// AllowedTokens are the only ones that are scored, in the order of the scores; nil means the
	// whole vocabulary.
	AllowedTokens []int64
}

// Decoding is a batch in the middle of being decoded token by token. The encoder and the
// cross-attention's keys and values are computed once a row and shared by its sequences; the keys
// and values of the tokens so far are cached. It lives inside [torch.Run] and is freed with
// [Decoding.Close]; one goroutine uses it.
type Decoding struct {
	model *Model
	n     *network
	scope *torch.Scope
	opt   DecodeOptions

	rows     int64 // goldenRows in the batch
	numBeams int64 // sequences of each row in the last step
	step     int64 // tokens that are cached
	// crossKeys and crossValues hold one tensor a block. [goldenRows, heads, source, head]
	crossKeys, crossValues []*torch.Tensor
	crossMask              *torch.Tensor // [goldenRows, 1, 1, source], nil where nothing is hidden
	bias                   *torch.Tensor // [1, heads, tokens, tokens]
	// cache and spare hold the self-attention's keys and values of all blocks; a step reads one and
	// writes the other.
	cache, spare *torch.Tensor // [2 * blocks, sequences, heads, tokens, head]
}

// Start reads a batch. What it answers has no tokens yet: the first [Decoding.Step] gives it the
// start tokens.
func (m *Model) Start(b task.Batch, opt DecodeOptions) (*Decoding, error) {
	if opt.NumBeams < 1 || opt.MaxLength < 2 {
		return nil, fmt.Errorf("decoding %d beams to %d tokens: want at least 1 and 2", opt.NumBeams, opt.MaxLength)
	}
	if err := m.checkBatch(b); err != nil {
		return nil, err
	}
	d := &Decoding{model: m, n: m.assemble(m.views, 0, false), scope: torch.NewScope(), opt: opt, rows: int64(b.Size)}
	done := false
	defer func() {
		if !done { // libtorch raised a fault that torch.Run will catch
			d.Close()
		}
	}()
	d.encode(b)
	done = true
	return d, nil
}

// embeddedGroup runs the encoder and prepares what all steps share.
func (d *Decoding) encode(b task.Batch) {
	n := d.n
	inner := d.scope.Sub()
	defer inner.Close()
	b.TargetLen, b.Target = 0, nil
	g := lengthBucket{batch: b, padRepeats: 1}
	mask := n.padMask(inner, b, d.model.device)
	encoded := n.encode(inner, n.embed(inner, []lengthBucket{g}, d.model.device)[0].source, mask) // [goldenRows, source, model]
	for _, block := range n.decoder.blocks {
		kv := block.cross.splitHeads(encoded.Linear(block.cross.keys), 2)
		d.crossKeys = append(d.crossKeys, d.scope.Adopt(kv[0]))     // [goldenRows, heads, source, head]
		d.crossValues = append(d.crossValues, d.scope.Adopt(kv[1])) // [goldenRows, heads, source, head]
	}
	if mask = n.crossMask(encoded, mask, g, d.opt.MaskCross); mask != nil {
		d.crossMask = d.scope.Adopt(mask)
	}
	if len(d.opt.AllowedTokens) > 0 {
		d.n.head = d.scope.Adopt(n.head.In(encoded).IndexSelect(0, encoded.NewInt64(d.opt.AllowedTokens, int64(len(d.opt.AllowedTokens)))))
	}
	d.pack(inner)
	d.bias = d.scope.Adopt(n.positionBias(encoded, n.decoder.bias, int64(d.opt.MaxLength-1), false))
	d.allocateCache(min(initialCacheLength, int64(d.opt.MaxLength-1)))
}

// pack prepares the matrices of each step: what packing costs is less than what a few steps gain by
// it.
func (d *Decoding) pack(s *torch.Scope) {
	if d.model.device != torch.CPU || !torch.SupportsPacking() {
		return
	}
	d.n.packed = map[*torch.Tensor]*torch.Matrix{}
	add := func(matrices ...*torch.Tensor) {
		for _, matrix := range matrices {
			d.n.packed[matrix] = torch.ShareMatrix(s, matrix)
		}
	}
	for _, b := range d.n.decoder.blocks {
		add(b.self.query, b.self.out, b.cross.query, b.cross.out, b.feed.wi, b.feed.wo)
	}
	add(d.n.head)
}

// initialCacheLength is for how many tokens the cache has room at first: items end within it, and
// room for the longest sequence would be gigabytes that nobody touches, or touches a page at a
// time. It doubles as sequences grow.
const initialCacheLength = 8

// allocateCache makes cache and spare, with room for so many tokens.
func (d *Decoding) allocateCache(tokens int64) {
	shape := []int64{2 * int64(len(d.n.decoder.blocks)), d.rows * int64(d.opt.NumBeams), d.n.Heads, tokens, d.n.Head}
	d.cache = d.scope.Empty(torch.Float32, d.model.device, shape...)
	d.spare = d.scope.Empty(torch.Float32, d.model.device, shape...)
}

// growCache makes room for the next token.
func (d *Decoding) growCache(s *torch.Scope) {
	old := d.cache
	capacity := old.Dim(3)
	if d.step < capacity {
		return
	}
	d.spare.Free()
	d.allocateCache(min(2*capacity, int64(d.opt.MaxLength-1)))
	s.Use(d.cache).Narrow(3, 0, capacity).SetTo(s.Use(old).Narrow(1, 0, d.cache.Dim(1)))
	old.Free()
}

// Step appends a token to each sequence and returns the log-probabilities of the next, in scope s.
// See [Decoding.Hidden]. [sequences, vocabulary or Decode.AllowedTokens]
func (d *Decoding) Step(s *torch.Scope, tokens, parents []int64) (*torch.Tensor, error) {
	hidden, err := d.Hidden(s, tokens, parents)
	if err != nil {
		return nil, err
	}
	return d.LogProbs(hidden), nil
}

// Hidden is Step before the head, for searches that ask [Decoding.LogProbs] for some of the scores
// at a time. Sequences lie row by row, the same number in each. parents says which sequence of the
// step before each one goes on from; nil means that they stay as they are. The first step may have
// one sequence a row, as all are equal then. [sequences, model]
func (d *Decoding) Hidden(s *torch.Scope, tokens, parents []int64) (*torch.Tensor, error) {
	if err := d.check(tokens, parents); err != nil {
		return nil, err
	}
	inner := s.Sub()
	defer inner.Close()
	var from *torch.Tensor
	if parents != nil {
		from = d.index(inner, parents)
	}
	return s.Adopt(d.next(inner, d.index(inner, tokens), from)), nil
}

// HiddenOn is [Decoding.Hidden] of tokens and parents that are on the device already, and stay
// unread: [sequences], int64. parents is nil in the first step. Only their number is checked.
func (d *Decoding) HiddenOn(s *torch.Scope, tokens, parents *torch.Tensor) (*torch.Tensor, error) {
	count := int64(0)
	if parents != nil {
		count = parents.Dim(0)
	}
	if err := d.checkCounts(tokens.Dim(0), count, parents != nil); err != nil {
		return nil, err
	}
	inner := s.Sub()
	defer inner.Close()
	return s.Adopt(d.next(inner, tokens, parents)), nil
}

func (d *Decoding) index(s *torch.Scope, values []int64) *torch.Tensor {
	return s.FromInt64(values, int64(len(values))).ToDevice(d.model.device)
}

// next feeds the tokens to the sequences that the parents name. [sequences, model]
func (d *Decoding) next(s *torch.Scope, tokens, parents *torch.Tensor) *torch.Tensor {
	if parents != nil {
		d.reorder(s, parents)
	}
	d.growCache(s)
	hidden := d.forward(s, tokens) // [sequences, 1, model]
	d.step, d.numBeams = d.step+1, tokens.Dim(0)/d.rows
	return hidden.Select(1, 0)
}

// LogProbs is the log-probabilities for some of the sequences that [Decoding.Hidden] returned, in
// the scope of hidden. [maskValue's sequences, vocabulary or Decode.AllowedTokens]
func (d *Decoding) LogProbs(hidden *torch.Tensor) *torch.Tensor {
	return torch.Within(hidden, func(x *torch.Tensor) *torch.Tensor { return d.n.logits(x).LogSoftmax(-1) })
}

func (d *Decoding) check(tokens, parents []int64) error {
	if err := d.checkCounts(int64(len(tokens)), int64(len(parents)), parents != nil); err != nil {
		return err
	}
	if i := indexOutOfRange(tokens, d.n.Vocabulary); i >= 0 {
		return fmt.Errorf("decoding: token %d is not below %d", tokens[i], d.n.Vocabulary)
	}
	if i := indexOutOfRange(parents, d.rows*d.numBeams); i >= 0 {
		return fmt.Errorf("decoding: parent %d is not a sequence of the previous step", parents[i])
	}
	return nil
}

func (d *Decoding) checkCounts(sequences, parents int64, reorders bool) error {
	switch {
	case d.step >= int64(d.opt.MaxLength-1):
		return fmt.Errorf("decoding: step %d exceeds the maximum length %d", d.step+1, d.opt.MaxLength)
	case sequences == 0 || sequences%d.rows != 0 || sequences > d.rows*int64(d.opt.NumBeams):
		return fmt.Errorf("decoding: %d sequences for %d rows of at most %d beams", sequences, d.rows, d.opt.NumBeams)
	case reorders && parents != sequences:
		return fmt.Errorf("decoding: %d parents of %d sequences", parents, sequences)
	case reorders && d.step == 0:
		return errors.New("decoding: the first step has no parents")
	case !reorders && d.step > 0 && sequences != d.rows*d.numBeams:
		return fmt.Errorf("decoding: %d sequences continue %d sequences without parents", sequences, d.rows*d.numBeams)
	}
	return nil
}

// indexOutOfRange is the place of the first number that is not from 0 up to limit; -1 if there is
// none.
func indexOutOfRange(values []int64, limit int64) int {
	return slices.IndexFunc(values, func(n int64) bool { return n < 0 || n >= limit })
}

// reorder makes the cache's sequences those that the parents name.
func (d *Decoding) reorder(s *torch.Scope, parents *torch.Tensor) {
	used := func(cache *torch.Tensor) *torch.Tensor { return s.Use(cache).Narrow(3, 0, d.step) }
	used(d.cache).IndexSelectInto(used(d.spare).Narrow(1, 0, parents.Dim(0)), 1, parents)
	d.cache, d.spare = d.spare, d.cache
}

// forward runs the decoder over one token a sequence. [sequences, 1, model]
func (d *Decoding) forward(s *torch.Scope, tokens *torch.Tensor) *torch.Tensor {
	n := d.n
	bias := s.Use(d.bias).Narrow(2, d.step, 1).Narrow(3, 0, d.step+1) // [1, heads, 1, so far]
	hidden := tokens.In(bias).View(-1, 1).Embedding(n.words)          // [sequences, 1, model]
	for i, block := range n.decoder.blocks {
		hidden = torch.Within(hidden, func(x *torch.Tensor) *torch.Tensor {
			x = x.Add(d.selfAttention(block.self, i, block.selfNorm.forward(x), bias))
			x = x.Add(d.crossAttention(block.cross, i, block.crossNorm.forward(x)))
			return x.Add(block.feed.forward(block.feedNorm.forward(x)))
		})
	}
	return n.decoder.norm.forward(hidden)
}

// selfAttention looks at the cached tokens and at x itself, which it caches. [sequences, 1, model]
func (d *Decoding) selfAttention(a attention, i int, x, bias *torch.Tensor) *torch.Tensor {
	count := x.Dim(0)
	qkv := a.splitHeads(d.n.linear(x, a.query), 3) // 3 x [sequences, heads, 1, head]
	cached := func(which int64, added *torch.Tensor) *torch.Tensor {
		cache := d.cache.In(x).Select(0, 2*int64(i)+which).Narrow(0, 0, count) // [sequences, heads, tokens, head]
		cache.Narrow(2, d.step, 1).SetTo(added)
		return cache.Narrow(2, 0, d.step+1) // [sequences, heads, so far, head]
	}
	return d.n.linear(a.mergeHeads(a.weightedSum(qkv[0], cached(0, qkv[1]), cached(1, qkv[2]), bias)), a.out)
}

// crossAttention looks at the row's source. A row's sequences are so many queries of one attention,
// so its keys and values are not copied for each. [sequences, 1, model]
func (d *Decoding) crossAttention(a attention, i int, x *torch.Tensor) *torch.Tensor {
	count, n := x.Dim(0), d.n
	q := d.n.linear(x, a.query).View(d.rows, count/d.rows, n.Heads, n.Head).Transpose(1, 2) // [goldenRows, heads, beams, head]
	attended := a.weightedSum(q, d.crossKeys[i].In(x), d.crossValues[i].In(x), d.crossMask) // [goldenRows, heads, beams, head]
	return n.linear(attended.Transpose(1, 2).Reshape(count, 1, n.Heads*n.Head), a.out)
}

// Keep drops all rows but those numbered, in their order: finished rows need not be decoded on.
// Sequences keep their places in their rows, so the next step's parents count the kept rows'
// sequences alone.
func (d *Decoding) Keep(rows []int) {
	inner := d.scope.Sub()
	defer inner.Close()
	indices := make([]int64, len(rows))
	sequences := make([]int64, 0, len(rows)*int(d.numBeams))
	for i, row := range rows {
		indices[i] = int64(row)
		for beam := range d.numBeams {
			sequences = append(sequences, int64(row)*d.numBeams+beam)
		}
	}
	index := d.index(inner, indices)
	selectRows := func(t **torch.Tensor) {
		selected := d.scope.Adopt((*t).IndexSelect(0, index))
		(*t).Free()
		*t = selected
	}
	for i := range d.crossKeys {
		selectRows(&d.crossKeys[i])
		selectRows(&d.crossValues[i])
	}
	if d.crossMask != nil {
		selectRows(&d.crossMask)
	}
	d.reorder(inner, d.index(inner, sequences))
	d.rows = int64(len(rows))
}

// Rows is how many rows are being decoded.
func (d *Decoding) Rows() int { return int(d.rows) }

// Close frees the decoding. A second Close does nothing.
func (d *Decoding) Close() {
	for _, matrix := range d.n.packed {
		matrix.Free()
	}
	d.n.packed = nil
	d.scope.Close()
}
