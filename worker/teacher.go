package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"rdrec/activities"
	"rdrec/internal/cachedir"
	"rdrec/internal/llama"
	"rdrec/internal/openai"
	"rdrec/internal/progress"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/internal/torch"
	"rdrec/internal/untrusted"
	"rdrec/storage/remote"
)

// teachers opens the teachers that a spec can name. To add one, add a case to weights and to Open.
type teachers struct {
	device  string
	threads int
	log     zerolog.Logger
	cache   *engineCache
	// memory is the bytes of the device; 0 means unknown.
	memory int64
	// sources keeps weights that are in a bucket.
	sources *remote.Cache
}

// Teachers without local weights.
const (
	// copyTeacher is the ablation without a language model: the explanation itself is the
	// rationale.
	copyTeacher = "copy"
	// chatServer is the prefix of teachers behind a server; its address and model follow.
	chatServer = "openai"
)

// weights returns the format and the path of a teacher's weights; both are "" for a teacher without
// weights here.
func weights(model string) (llama.Format, string, error) {
	prefix, location, _ := strings.Cut(model, ":")
	switch prefix {
	case copyTeacher:
		return "", "", nil
	case chatServer:
		if _, err := openai.Parse(location); err != nil {
			// The rest of the model's name may contain a password.
			return "", "", fmt.Errorf("%w: teacher %q: %w", activities.ErrInvalid, chatServer, err)
		}
		return "", "", nil
	case "smollm2":
		path, err := cachedir.DemoTeacherFile()
		return llama.GGUF, path, err
	case string(llama.GGUF), string(llama.HuggingFace), string(llama.Meta):
		path, _ := spec.PathOf(location)
		return llama.Format(prefix), path, nil
	default:
		return "", "", fmt.Errorf("%w: teacher %q is not one that this worker can open "+
			"(it has smollm2, gguf:FILE, hf:DIR, meta:DIR, openai:URL#MODEL and copy)", activities.ErrInvalid, model)
	}
}

// Digest hashes the teacher's weights, or identifies those of a bucket by what it lists. The digest
// of a teacher without weights here, such as a server's, is its name: if a server loads other
// weights, it must give them another name.
func (teachers) Digest(ctx context.Context, settings spec.Teacher) (string, error) {
	form, path, err := weights(settings.Model)
	if err != nil || path == "" {
		return settings.Model, err
	}
	if spec.IsURL(path) {
		found, err := findWeights(ctx, form, path)
		return found.Digest(), err
	}
	files, err := llama.Files(form, path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	h := sha256.New()
	for _, file := range files {
		if len(files) > 1 {
			fmt.Fprintf(h, "%s\n", filepath.Base(file)) // a hash never returns an error
		}
		if err := hashFile(ctx, h, file); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Size returns the size of the teacher's model on this worker's device.
func (t teachers) Size(settings spec.Teacher) (room.Teacher, error) {
	form, path, err := weights(settings.Model)
	if err != nil || path == "" {
		return room.Teacher{}, err
	}
	if spec.IsURL(path) {
		return room.Teacher{}, errNotFetched
	}
	return t.sizeOf(form, path, settings)
}

// errNotFetched is the error of a size that is known once the weights are fetched.
var errNotFetched = errors.New("the weights are in a bucket")

// sizeOf returns the size of the model whose weights are at a path.
func (t teachers) sizeOf(form llama.Format, path string, settings spec.Teacher) (room.Teacher, error) {
	config, err := llama.ReadConfig(form, path)
	if err != nil {
		return room.Teacher{}, err
	}
	device, err := torch.ParseDevice(t.device)
	if err != nil {
		return room.Teacher{}, err
	}
	element, err := llama.DType("", device)
	if err != nil {
		return room.Teacher{}, err
	}
	bytes := int64(element.Size())
	return room.Teacher{
		Parameters: config.Parameters(), WeightBytes: bytes, TokenBytes: bytes * config.TokenWeights(),
		Context: int64(min(settings.MaxContext, config.Context)),
		Batch:   int64(cmp.Or(settings.Batch, llama.DefaultBatch(device))),
	}, nil
}

// hashFile hashes the bytes of a file until ctx ends.
func hashFile(ctx context.Context, h io.Writer, path string) error {
	f, err := untrusted.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	defer f.Close() // read only
	if n, err := io.Copy(h, progress.Reader(ctx, f)); err != nil {
		return fmt.Errorf("hash %q after %d bytes: %w", path, n, err)
	}
	return nil
}

// Open loads the teacher, or returns the cached one.
func (t teachers) Open(ctx context.Context, settings spec.Teacher) (teacher.Engine, func(), error) {
	form, path, err := weights(settings.Model)
	if err != nil {
		return nil, nil, err
	}
	if prefix, location, _ := strings.Cut(settings.Model, ":"); prefix == chatServer {
		return t.openServer(location, settings)
	}
	if path == "" {
		return teacher.Copy{}, func() {}, nil
	}
	path, release, err := t.localWeights(ctx, form, path)
	if err != nil {
		return nil, nil, err
	}
	defer release() // a loaded teacher reads no file
	engine, free, err := t.load(path, settings, llama.Options{
		Format: form, Device: t.device, Threads: t.threads, Batch: settings.Batch, Context: settings.MaxContext,
		OnBatchHalved: t.logHalving,
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, llama.ErrModel) {
		err = fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	}
	if err != nil {
		return nil, nil, err
	}
	return engine, free, nil
}

func (t teachers) load(path string, settings spec.Teacher, o llama.Options) (*llama.Engine, func(), error) {
	key, err := cacheKey(o, path)
	if err != nil {
		return nil, nil, err
	}
	return t.cache.get(key, func() (*llama.Engine, error) {
		if size, err := t.sizeOf(o.Format, path, settings); err == nil { // opening it reports the same error
			needs := size.Need("teacher " + settings.Model)
			if err := room.Check(needs, map[string]int64{room.Memory: t.memory}); err != nil {
				return nil, fmt.Errorf("%w: %w", activities.ErrInvalid, err)
			}
		}
		t.log.Info().Str("weights", path).Msg("loading teacher")
		return llama.Open(path, o)
	})
}

func (t teachers) logHalving(batch int, err error) {
	t.log.Warn().Err(err).Int("batch", batch).Msg("out of memory: batch size halved")
}

// defaultInFlight is the number of concurrent requests to a server if teacher.batch is 0.
const defaultInFlight = 32

// openServer returns a teacher behind a chat server; settings.Batch is the number of concurrent
// requests.
func (t teachers) openServer(location string, settings spec.Teacher) (teacher.Engine, func(), error) {
	server, err := openai.Parse(location)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: teacher %q: %w", activities.ErrInvalid, chatServer, err)
	}
	engine := openai.New(server, openai.Options{
		Key: openai.Key(os.Getenv), Concurrency: cmp.Or(settings.Batch, defaultInFlight), Request: settings.Request,
		OnAdjusted: t.logAdjusted,
	})
	return serverEngine{engine}, engine.Close, nil
}

func (t teachers) logAdjusted(field, renamed string) {
	t.log.Warn().Str("field", field).Str("renamed", renamed).
		Msg("chat server rejects a request field: dropped, or renamed")
}

// maxRetryAfter is the maximum delay of a retry that a server can request.
const maxRetryAfter = 24 * time.Hour

// serverEngine is a server's engine with errors of package activities.
type serverEngine struct {
	engine *openai.Engine
}

// Complete sends the prompts to the server.
func (r serverEngine) Complete(
	ctx context.Context, prompts []teacher.Prompt, emit func(int, teacher.Reply) error,
) error {
	err := r.engine.Complete(ctx, prompts, emit)
	switch {
	case errors.Is(err, openai.ErrAuth):
		return fmt.Errorf("%w: %w", activities.ErrTeacherAuth, err)
	case errors.Is(err, openai.ErrQuota):
		return fmt.Errorf("%w: %w", activities.ErrQuota, err)
	case errors.Is(err, openai.ErrRejected):
		return fmt.Errorf("%w: %w", activities.ErrInvalid, err)
	case openai.RetryAfter(err) > 0:
		return &activities.RetryAfterError{After: min(openai.RetryAfter(err), maxRetryAfter), Err: err}
	default:
		return err
	}
}
