package t5

import (
	"errors"
	"fmt"
	"slices"

	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// DecodeOptions configures the decoding of a batch.
type DecodeOptions struct {
	// NumBeams is the maximum number of sequences per row (at least 1).
	NumBeams int
	// MaxLength is the maximum length of a sequence in tokens, including the start token (at least
	// 2).
	MaxLength int
	// MaskCross masks padding in the cross-attention, as in [spec.Protocol].
	MaskCross bool
	// AllowedTokens restricts scores to these tokens, in this order; nil means the whole
	// vocabulary. It is on the model's device, of type int64. [tokens]
	AllowedTokens *torch.Tensor
}

// Decoding is the state of decoding a batch one token at a time. The encoder's states and the
// cross-attention's keys and values are computed once per row and shared by its sequences; the
// self-attention's keys and values are cached (KV cache). Use it inside [torch.Run], from one
// goroutine, and free it with [Decoding.Close].
type Decoding struct {
	model *Model
	n     *network
	scope *torch.Scope
	opt   DecodeOptions

	rows     int64 // rows in the batch
	numBeams int64 // sequences of each row in the last step
	step     int64 // tokens in the cache
	// crossKeys and crossValues hold one tensor per block. [rows, heads, source, head]
	crossKeys, crossValues []*torch.Tensor
	crossMask              *torch.Tensor // [rows, 1, 1, source], nil if nothing is masked
	bias                   *torch.Tensor // [1, heads, tokens, tokens]
	// cache and spare hold the self-attention's keys and values of all blocks; reordering reads one
	// and writes the other.
	cache, spare *torch.Tensor // [2 * blocks, sequences, heads, tokens, head]
}

// Start encodes a batch. The decoding has no tokens yet: the first [Decoding.Step] appends the
// start tokens.
func (m *Model) Start(b task.Batch, opt DecodeOptions) (*Decoding, error) {
	if opt.NumBeams < 1 || opt.MaxLength < 2 {
		return nil, fmt.Errorf("decoding %d beams to %d tokens: want at least 1 and 2", opt.NumBeams, opt.MaxLength)
	}
	if err := m.checkBatch(b); err != nil {
		return nil, err
	}
	d := &Decoding{
		model: m, n: m.assemble(m.views, 0, false), scope: torch.NewScope(), opt: opt, rows: int64(b.Size),
	}
	done := false
	defer func() {
		if !done { // libtorch panicked; torch.Run recovers
			d.Close()
		}
	}()
	d.encode(b)
	done = true
	return d, nil
}

// embeddedBucket runs the encoder and prepares what all steps share.
func (d *Decoding) encode(b task.Batch) {
	n := d.n
	inner := d.scope.Sub()
	defer inner.Close()
	b.TargetLen, b.Target = 0, nil
	g := lengthBucket{batch: b, padRepeats: 1}
	mask := n.padMask(inner, b, d.model.device)
	embedded, _ := n.embed(inner, []lengthBucket{g}, d.model.device)
	encoded := n.encode(inner, embedded[0].source, mask) // [rows, source, model]
	for _, block := range n.decoder.blocks {
		kv := block.cross.splitHeads(encoded.Linear(block.cross.keys), 2)
		d.crossKeys = append(d.crossKeys, d.scope.Adopt(kv[0]))     // [rows, heads, source, head]
		d.crossValues = append(d.crossValues, d.scope.Adopt(kv[1])) // [rows, heads, source, head]
	}
	if mask = n.crossMask(encoded, mask, g, d.opt.MaskCross); mask != nil {
		d.crossMask = d.scope.Adopt(mask)
	}
	if allowed := d.opt.AllowedTokens; allowed != nil {
		d.n.head = d.scope.Adopt(n.head.In(encoded).IndexSelect(0, allowed))
	}
	d.pack(inner)
	d.bias = d.scope.Adopt(n.positionBias(encoded, n.decoder.bias, int64(d.opt.MaxLength-1), false))
	d.allocateCache(min(initialCacheLength, int64(d.opt.MaxLength-1)))
}

// pack packs the weight matrices that every step multiplies by. A few steps repay the cost.
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

// initialCacheLength is the initial capacity of the cache in tokens. Items fit in it; capacity for
// the maximum length would allocate gigabytes that are rarely used. The capacity doubles as
// sequences grow.
const initialCacheLength = 8

// allocateCache allocates cache and spare with a capacity in tokens.
func (d *Decoding) allocateCache(tokens int64) {
	shape := []int64{2 * int64(len(d.n.decoder.blocks)), d.rows * int64(d.opt.NumBeams), d.n.Heads, tokens, d.n.Head}
	d.cache = d.scope.Empty(torch.Float32, d.model.device, shape...)
	d.spare = d.scope.Empty(torch.Float32, d.model.device, shape...)
}

// growCache doubles the capacity if the next token does not fit.
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
// See [Decoding.Hidden].
// [sequences, vocabulary or allowed tokens]
func (d *Decoding) Step(s *torch.Scope, tokens, parents []int64) (*torch.Tensor, error) {
	hidden, err := d.Hidden(s, tokens, parents)
	if err != nil {
		return nil, err
	}
	return d.LogProbs(hidden), nil
}

// Hidden is Step without the head, for searches that compute scores in parts with
// [Decoding.LogProbs]. Sequences are ordered by row, with the same number in each row. parents
// holds, for each sequence, the index of the sequence of the previous step that it continues; nil
// keeps the order. The first step may have one sequence per row, since all beams of a row are equal
// then. [sequences, model]
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

// HiddenOn is [Decoding.Hidden] for tokens and parents that are on the device already: [sequences],
// int64. parents is nil in the first step. HiddenOn checks their number, but not their values.
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

// next reorders the sequences by parents and appends the tokens. [sequences, model]
func (d *Decoding) next(s *torch.Scope, tokens, parents *torch.Tensor) *torch.Tensor {
	if parents != nil {
		d.reorder(s, parents)
	}
	d.growCache(s)
	hidden := d.forward(s, tokens) // [sequences, 1, model]
	d.step, d.numBeams = d.step+1, tokens.Dim(0)/d.rows
	return hidden.Select(1, 0)
}

// LogProbs returns the log-probabilities for hidden states that [Decoding.Hidden] returned, all or
// some of them, in the scope of hidden.
// [hidden's sequences, vocabulary or allowed tokens]
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

// indexOutOfRange returns the index of the first value outside [0, limit), or -1.
func indexOutOfRange(values []int64, limit int64) int {
	return slices.IndexFunc(values, func(n int64) bool { return n < 0 || n >= limit })
}

// reorder replaces the cache's sequences by those that parents selects.
func (d *Decoding) reorder(s *torch.Scope, parents *torch.Tensor) {
	used := func(cache *torch.Tensor) *torch.Tensor { return s.Use(cache).Narrow(3, 0, d.step) }
	used(d.cache).IndexSelectInto(used(d.spare).Narrow(1, 0, parents.Dim(0)), 1, parents)
	d.cache, d.spare = d.spare, d.cache
}

// forward runs the decoder over one token per sequence. [sequences, 1, model]
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

// selfAttention computes the attention of x to the cached tokens and to itself, and caches x.
// [sequences, 1, model]
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

// crossAttention computes the attention of x to the row's source. The sequences of a row are
// queries of one attention, so its keys and values need not be repeated. [sequences, 1, model]
func (d *Decoding) crossAttention(a attention, i int, x *torch.Tensor) *torch.Tensor {
	count, n := x.Dim(0), d.n
	// Both are [rows, heads, beams, head].
	q := d.n.linear(x, a.query).View(d.rows, count/d.rows, n.Heads, n.Head).Transpose(1, 2)
	attended := a.weightedSum(q, d.crossKeys[i].In(x), d.crossValues[i].In(x), d.crossMask)
	return n.linear(attended.Transpose(1, 2).Reshape(count, 1, n.Heads*n.Head), a.out)
}

// Keep drops all rows except the given ones and orders them as given, so that finished rows are not
// decoded further. Sequences keep their order within a row; the parents of the next step are
// indices into the sequences of the kept rows.
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

// Rows returns the number of rows that are being decoded.
func (d *Decoding) Rows() int { return int(d.rows) }

// Close frees the decoding. A second Close does nothing.
func (d *Decoding) Close() {
	for _, matrix := range d.n.packed {
		matrix.Free()
	}
	d.n.packed = nil
	d.scope.Close()
}
