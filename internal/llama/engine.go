package llama

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// Options configure an engine. Only Type and Context change the generated text.
type Options struct {
	// Format is the file format of the model; "" detects it.
	Format Format
	// Context limits the tokens of a prompt and its reply together, below the model's own limit; 0
	// means no further limit.
	Context int
	// Device is "cpu", "cuda" or "auto".
	Device string
	// Type is the element type of the weights and the KV cache: "f32", "bf16", or "" for f32 on a
	// CPU and bf16 on a GPU.
	Type string
	// Threads is the number of CPU threads of one operation; 0 means libtorch's default.
	Threads int
	// Batch is the maximum number of replies that are generated together; 0 means the device's
	// default. Memory may limit it further.
	Batch int
	// Memory limits the bytes of the rows; 0 means half of the free memory after loading the
	// weights. Long prompts get fewer slots.
	Memory int64
	// OnBatchHalved, unless nil, is called when memory ran out, with the new batch size.
	OnBatchHalved func(batch int, err error)
}

// Engine generates replies with a model in this process. It is a [teacher.Engine]. It is safe for
// concurrent use; concurrent calls run one after another.
type Engine struct {
	mu       sync.Mutex
	options  Options
	model    *model
	vocab    *vocabulary
	chat     chatTemplate
	twoLines *twoLineMasks // created for the first prompt with TwoLines
	batch    int           // maximum number of concurrent replies; memory limits their bytes
	memory   int64
	halvings atomic.Int64
}

// ErrModel marks a model that the engine cannot use. Retrying does not help.
var ErrModel = errors.New("unusable model")

// Open loads the model at path, a file or a folder. The caller must close the engine.
func Open(path string, options Options) (_ *Engine, err error) {
	files, err := openSource(options.Format, path)
	if err != nil {
		return nil, unusable(err)
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	return openEngine(path, files, options)
}

// openEngine loads the model at path from its files.
func openEngine(path string, files source, options Options) (_ *Engine, err error) {
	e := &Engine{options: options}
	if e.vocab, err = files.vocabulary(); err != nil {
		return nil, fmt.Errorf("tokenizer of model %q: %w: %w", path, ErrModel, err)
	}
	if e.chat, err = findChatTemplate(e.vocab); err != nil {
		return nil, fmt.Errorf("model %q: %w: %w", path, ErrModel, err)
	}
	if err := e.load(files, path); err != nil {
		return nil, fmt.Errorf("model %q: %w", path, unusable(err))
	}
	return e, nil
}

// unusable marks an error of a model's files with [ErrModel], unless reading failed or memory ran
// out: then another attempt may succeed.
func unusable(err error) error {
	var failed *fs.PathError
	var raised *torch.Error
	switch {
	case errors.Is(err, ErrModel), errors.As(err, &raised),
		errors.As(err, &failed) && !errors.Is(err, fs.ErrNotExist):
		return err
	default:
		return fmt.Errorf("%w: %w", ErrModel, err)
	}
}

// load reads the weights of the model at path.
func (e *Engine) load(files source, path string) error {
	config, err := files.config()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrModel, err)
	}
	bytes, err := sizeOf(path)
	if err != nil {
		return err
	}
	if err := config.checkSize(bytes); err != nil {
		return fmt.Errorf("%w: %w", ErrModel, err)
	}
	// Control tokens that the model lacks are never used.
	if size := e.vocab.Size() - len(e.vocab.ids); size > config.Vocabulary {
		return fmt.Errorf("%w: the tokenizer has %d tokens, the embedding %d", ErrModel, size, config.Vocabulary)
	}
	if err := checkTokens(e.vocab, e.chat, config.Vocabulary); err != nil {
		return fmt.Errorf("%w: %w", ErrModel, err)
	}
	if n := e.options.Context; n > 0 {
		config.Context = min(config.Context, n)
	}
	device, err := torch.ParseDevice(e.options.Device)
	if err != nil {
		return err
	}
	dtype, err := DType(e.options.Type, device)
	if err != nil {
		return err
	}
	return torch.Run(func(s *torch.Scope) error {
		torch.Threads(e.options.Threads)
		if e.model, err = load(s, files, config, dtype, device); err == nil {
			e.batch, e.memory = e.options.limits(device)
		}
		return err
	})
}

// DType returns the element type of a name: that of the device for "".
func DType(name string, device torch.Device) (torch.DType, error) {
	switch {
	case name == "f32" || name == "" && device == torch.CPU:
		return torch.Float32, nil
	case name == "bf16" || name == "":
		return torch.BFloat16, nil
	default:
		return 0, fmt.Errorf("type of weights %q: want f32 or bf16", name)
	}
}

// Config returns the configuration of the model.
func (e *Engine) Config() Config { return e.model.config }

// ChatTokens returns the tokens of a conversation, with the start of the reply; nil if the model's
// template rejects it.
func (e *Engine) ChatTokens(messages []teacher.Message) []int32 {
	ids, err := e.render(messages)
	if err != nil {
		return nil
	}
	return ids
}

// Encode returns a text's tokens.
func (e *Engine) Encode(text string) []int32 { return e.vocab.Encode(text) }

// EndTokens returns the tokens that end a reply.
func (e *Engine) EndTokens() []int32 { return slices.Sorted(maps.Keys(e.vocab.endTokens)) }

// Decode returns the text of tokens.
func (e *Engine) Decode(ids []int32) string {
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(e.vocab.Piece(id))
	}
	return text.String()
}

// Close frees the weights.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.model.free()
	e.twoLines.free()
	return nil
}

// Complete generates the replies to all prompts; see [teacher.Engine].
func (e *Engine) Complete(
	ctx context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error,
) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return torch.Run(func(s *torch.Scope) (err error) {
		torch.Threads(e.options.Threads)
		if err := e.prepare(s, prompts); err != nil {
			return err
		}
		torch.NoGrad(func() {
			for _, group := range e.groupByPrefix(prompts) {
				if err == nil {
					err = e.generate(ctx, s, group, emit)
				}
			}
		})
		return err
	})
}

// prepare creates the two-line masks if a prompt needs them.
func (e *Engine) prepare(s *torch.Scope, prompts []teacher.Prompt) (err error) {
	if e.twoLines == nil && slices.ContainsFunc(prompts, func(p teacher.Prompt) bool { return p.TwoLines }) {
		e.twoLines, err = newTwoLineMasks(s, e.vocab, e.model.config.Vocabulary, e.model.device)
	}
	return err
}

// prefixGroup is the rows that share a prefix.
type prefixGroup struct {
	prefix    []int32
	sequences []*sequence
	failed    []rejectedPrompt
}

type rejectedPrompt struct {
	index int
	reply teacher.Reply
}

// minSharedPrefix is the minimum length of a shared prefix in tokens. Sharing shorter ones saves
// nothing.
const minSharedPrefix = 16

// minReplyTokens is the length of two short sentences in tokens. As in the reference, a reply may
// use the rest of the context after its prompt, but a prompt that leaves less than this is
// rejected.
const minReplyTokens = 32

// groupByPrefix groups prompts by their shared prefix, in the order of first occurrence.
func (e *Engine) groupByPrefix(prompts []teacher.Prompt) []*prefixGroup {
	var out []*prefixGroup
	shared := sharedPrefixes{}
	for i := range prompts {
		p := &prompts[i]
		ids, err := e.render(p.Messages)
		ids = append(ids, e.vocab.Encode(p.ReplyPrefix)...)
		start := e.sharedPrefix(shared, p, ids)
		at := slices.IndexFunc(out, func(f *prefixGroup) bool { return slices.Equal(f.prefix, start) })
		if at < 0 {
			at = len(out)
			out = append(out, &prefixGroup{prefix: start})
		}
		available := e.model.config.Context - len(ids)
		if reason := e.rejection(p, available, err); reason != "" {
			out[at].failed = append(out[at].failed, rejectedPrompt{i, teacher.Reply{Failed: reason}})
			continue
		}
		r := newSequence(i, p, len(ids), ids[len(start):])
		r.maxNewTokens = min(r.maxNewTokens, available)
		out[at].sequences = append(out[at].sequences, r)
	}
	return out
}

// rejection returns the reason why a prompt gets no reply, or "". available is the room for the
// reply, err the error of rendering the prompt.
func (e *Engine) rejection(p *teacher.Prompt, available int, err error) string {
	want, context := min(p.Sampling.MaxTokens, minReplyTokens), e.model.config.Context
	switch {
	case err != nil:
		return err.Error()
	case available < want:
		return fmt.Sprintf("the prompt is too long: %d tokens, plus %d for a reply, exceed the context of %d",
			context-available, want, context)
	default:
		return ""
	}
}

// render returns the tokens of messages, with the begin token.
func (e *Engine) render(messages []teacher.Message) ([]int32, error) {
	ids, err := e.chat(e.vocab, messages)
	if err != nil {
		return nil, err
	}
	if b := e.vocab.beginToken; b >= 0 && (len(ids) == 0 || ids[0] != b) {
		ids = append([]int32{b}, ids...)
	}
	return ids, nil
}

// sharedPrefixes caches shared prefixes by the messages' common text.
type sharedPrefixes map[string][]int32

// sharedPrefix returns the tokens that all prompts with p's common text start with. They depend on
// that text alone and not on the other prompts of a batch, so that a prompt is computed in the same
// way in every batch. They are the common prefix of probe messages, which continue the common text
// with characters that a tokenizer might merge with its end.
func (e *Engine) sharedPrefix(shared sharedPrefixes, p *teacher.Prompt, ids []int32) []int32 {
	if len(p.Messages) == 0 {
		return nil
	}
	last := len(p.Messages) - 1
	key := fmt.Sprintf("%q %q", p.Messages[:last], p.Messages[last].Content[:p.SharedPrefix])
	prefix, ok := shared[key]
	if !ok {
		messages := slices.Clone(p.Messages)
		endings := []string{"0", "x", "I", " ", "\"", "(", ".", "'s", "-", "\n", "\u00e9", "\u4e00", "\U0001f44d"}
		for i, content := range endings {
			messages[last].Content = p.Messages[last].Content[:p.SharedPrefix] + content
			probe, err := e.render(messages)
			if err != nil || i == 0 {
				prefix = probe
			} else {
				prefix = commonPrefix(prefix, probe)
			}
		}
		shared[key] = prefix
	}
	if len(prefix) < minSharedPrefix || len(prefix) >= len(ids) || !slices.Equal(prefix, ids[:len(prefix)]) {
		return nil
	}
	return prefix
}

func commonPrefix(a, b []int32) []int32 {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// generate generates the replies of a group: the rows that need most memory first, with fewer
// slots.
func (e *Engine) generate(
	ctx context.Context, s *torch.Scope, f *prefixGroup, emit func(int, teacher.Reply) error,
) error {
	for _, failed := range f.failed {
		if err := emit(failed.index, failed.reply); err != nil {
			return err
		}
	}
	if len(f.sequences) == 0 {
		return nil
	}
	var start *prefix
	if f.prefix != nil {
		start = e.model.prefillPrefix(s, f.prefix)
		defer start.free()
	}
	slices.SortStableFunc(f.sequences, func(a, b *sequence) int { return b.cacheLength() - a.cacheLength() })
	for rows := f.sequences; len(rows) > 0; {
		batch := e.nextBatch(rows)
		unfinished, err := e.generateBatch(ctx, start, rows[:batch], emit)
		if err != nil {
			return err
		}
		rows = append(unfinished, rows[batch:]...)
	}
	return nil
}
