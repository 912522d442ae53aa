package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"rdrec/internal/untrusted"
)

// ErrAllCorrupt means that checkpoints exist and all are corrupt: training must not silently start
// from step zero.
var ErrAllCorrupt = errors.New("every checkpoint is corrupt")

// Checkpoints are the training states of one piece of work (a stage's fingerprint). They belong to
// the work, not to the run, so they outlive it. Each attempt writes under its own token, which
// sorts after the tokens of all earlier attempts: a zombie attempt may still write, but the newest
// attempt's files are the ones that are read.
type Checkpoints struct {
	bucket      *Bucket
	fingerprint string
	token       string
	keep        int
}

// Checkpoint is a checkpoint that was restored.
type Checkpoint struct {
	Token string `json:"token"`
	Step  int    `json:"step"`
	// Quarantined names the newer checkpoints that were corrupt and are now in quarantine.
	Quarantined []string `json:"quarantined,omitempty"`
	// AttemptsWithoutCheckpoint is the number of consecutive attempts before this one that left no
	// checkpoint.
	AttemptsWithoutCheckpoint int `json:"attempts_without_checkpoint"`
}

// A checkpoint is complete once its manifest exists; an attempt is known by its own record.
const (
	manifestName = "manifest.json"
	attemptName  = "attempt.json"
)

type manifest struct {
	Step  int    `json:"step"`
	Files []File `json:"files"`
}

// OpenCheckpoints begins an attempt at the work: it records owner (run, activity and attempt, and a
// unique suffix) under a token that sorts after all earlier ones. keep is the number of this
// attempt's checkpoints to keep.
func OpenCheckpoints(ctx context.Context, b *Bucket, fingerprint, owner string, keep int) (*Checkpoints, error) {
	tokens, err := tokensOf(ctx, b, fingerprint)
	if err != nil {
		return nil, err
	}
	next, parent := 1, ""
	if n := len(tokens); n > 0 {
		parent = tokens[n-1]
		next = tokenOrder(parent) + 1
	}
	c := &Checkpoints{b, fingerprint, fmt.Sprintf("%06d-%s", next, owner), max(keep, 1)}
	record, err := json.Marshal(map[string]string{"owner": owner, "parent": parent})
	if err != nil {
		return nil, fmt.Errorf("encode attempt: %w", err)
	}
	return c, b.write(ctx, attemptFolder(fingerprint, c.token)+attemptName, record)
}

// Save stores the files under dir as the state after step: the files first, then the manifest with
// their hashes. Afterwards it deletes older checkpoints of this attempt beyond the number to keep.
func (c *Checkpoints) Save(ctx context.Context, step int, dir string) error {
	names, err := filesUnder(dir)
	if err != nil {
		return fmt.Errorf("checkpoint at step %d: %w", step, err)
	}
	folder := stepFolder(c.fingerprint, c.token, step)
	m := manifest{Step: step}
	for _, name := range names {
		ref, err := c.bucket.upload(ctx, folder+name, filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("checkpoint at step %d: %w", step, err)
		}
		m.Files = append(m.Files, File{name, ref})
	}
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode checkpoint manifest: %w", err)
	}
	if err := c.bucket.write(ctx, folder+manifestName, data); err != nil {
		return fmt.Errorf("checkpoint at step %d: %w", step, err)
	}
	return c.prune(ctx)
}

// Restore fetches the newest valid checkpoint of all attempts into dir: the newest attempt that has
// one, then its highest step. Corrupt ones are quarantined and named. It returns ErrNotFound if
// there never was a checkpoint, and ErrAllCorrupt if there were some and all are corrupt.
func (c *Checkpoints) Restore(ctx context.Context, dir string) (Checkpoint, error) {
	manifests, err := c.manifests(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	var checkpoint Checkpoint
	for _, key := range slices.Backward(manifests) {
		m, err := c.restoreOne(ctx, key, dir)
		var corrupt *CorruptError
		switch {
		case err == nil:
			checkpoint.Token, checkpoint.Step = tokenOf(key), m.Step
			checkpoint.AttemptsWithoutCheckpoint = tokenOrder(c.token) - tokenOrder(checkpoint.Token) - 1
			return checkpoint, nil
		case errors.As(err, &corrupt), errors.Is(err, ErrNotFound):
			checkpoint.Quarantined = append(checkpoint.Quarantined, fmt.Sprintf("%s: %v", key, err))
			if err := c.bucket.quarantine(ctx, key); err != nil {
				return checkpoint, err
			}
		default:
			return checkpoint, err
		}
	}
	return c.notRestored(ctx, checkpoint)
}

// notRestored returns the error for a restore without a result. Corrupt checkpoints in quarantine
// count forever, not only when they are found: a restarted job must not start from step zero
// without an explicit decision.
func (c *Checkpoints) notRestored(ctx context.Context, checkpoint Checkpoint) (Checkpoint, error) {
	folder := quarantineKey(checkpointFolder(c.fingerprint))
	quarantined, err := c.bucket.list(ctx, folder)
	if err != nil {
		return checkpoint, err
	}
	if len(quarantined) > 0 {
		reasons := strings.Join(append(checkpoint.Quarantined, quarantined...), "; ")
		return checkpoint, fmt.Errorf("resume %s: %w (delete %s to start from scratch): %s",
			c.fingerprint[:12], ErrAllCorrupt, c.bucket.URL(folder), reasons)
	}
	checkpoint.AttemptsWithoutCheckpoint = tokenOrder(c.token) - 1
	return checkpoint, fmt.Errorf("resume %s: %w", c.fingerprint[:12], ErrNotFound)
}

func (c *Checkpoints) restoreOne(ctx context.Context, key, dir string) (manifest, error) {
	data, err := c.bucket.read(ctx, key)
	if err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return m, &CorruptError{key, err.Error()}
	}
	for _, f := range m.Files {
		to, err := untrusted.Join(dir, f.Name)
		if err != nil {
			return m, &CorruptError{key, err.Error()}
		}
		if err := c.bucket.fetch(ctx, path.Dir(key)+"/"+f.Name, f.Ref, to); err != nil {
			return m, err
		}
	}
	return m, nil
}

// manifests returns the keys of all checkpoints' manifests, oldest first: tokens and padded steps
// sort as text.
func (c *Checkpoints) manifests(ctx context.Context) ([]string, error) {
	keys, err := c.bucket.list(ctx, checkpointFolder(c.fingerprint))
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return path.Base(key) != manifestName })
	sort.Strings(keys)
	return keys, nil
}

// prune deletes this attempt's checkpoints beyond the number to keep, and those of earlier attempts
// once this attempt has enough. The manifest is deleted first, so that a half-deleted checkpoint is
// never selected.
func (c *Checkpoints) prune(ctx context.Context) error {
	manifests, err := c.manifests(ctx)
	if err != nil {
		return err
	}
	ownManifests := slices.DeleteFunc(slices.Clone(manifests), func(key string) bool { return tokenOf(key) != c.token })
	if len(ownManifests) <= c.keep {
		return nil
	}
	oldest := ownManifests[len(ownManifests)-c.keep]
	for _, key := range manifests {
		if key >= oldest {
			break
		}
		files, err := c.bucket.list(ctx, path.Dir(key)+"/")
		if err != nil {
			return err
		}
		if err := c.bucket.remove(ctx, append([]string{key}, files...)...); err != nil {
			return err
		}
	}
	return nil
}

// RemoveCheckpoints deletes the complete checkpoints of a piece of work, each manifest before its
// files. Those that another attempt writes now, and the records of attempts, are left to garbage
// collection. It may be called again.
func (b *Bucket) RemoveCheckpoints(ctx context.Context, fingerprint string) error {
	keys, err := b.list(ctx, checkpointFolder(fingerprint))
	if err != nil {
		return err
	}
	complete := map[string]bool{}
	var manifests, files []string
	for _, key := range keys {
		if path.Base(key) == manifestName {
			complete[path.Dir(key)] = true
			manifests = append(manifests, key)
		}
	}
	for _, key := range keys {
		if path.Base(key) != manifestName && complete[checkpointOf(key)] {
			files = append(files, key)
		}
	}
	return b.remove(ctx, append(manifests, files...)...)
}

// upload stores the file at path under key and returns its hash and size.
func (b *Bucket) upload(ctx context.Context, key, file string) (Ref, error) {
	ref, data, err := hashFile(ctx, file)
	if err != nil {
		return Ref{}, err
	}
	defer data.Close()
	return ref, b.writeFrom(ctx, key, data)
}

func tokensOf(ctx context.Context, b *Bucket, fingerprint string) ([]string, error) {
	keys, err := b.list(ctx, checkpointFolder(fingerprint))
	if err != nil {
		return nil, err
	}
	var tokens []string
	for _, key := range keys {
		if token := tokenOf(key); tokenOrder(token) > 0 && !slices.Contains(tokens, token) {
			tokens = append(tokens, token)
		}
	}
	sort.Strings(tokens)
	return tokens, nil
}

// tokenOf returns the attempt's part of a checkpoint's key.
func tokenOf(key string) string {
	parts := strings.SplitN(strings.TrimPrefix(key, checkpointPrefix), "/", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

// fingerprintOf returns the fingerprint in a checkpoint's key.
func fingerprintOf(key string) string {
	fingerprint, _, _ := strings.Cut(strings.TrimPrefix(key, checkpointPrefix), "/")
	return fingerprint
}

// checkpointOf returns the folder of the checkpoint to which a file belongs, which has the
// manifest.
func checkpointOf(key string) string {
	parts := strings.SplitN(strings.TrimPrefix(key, checkpointPrefix), "/", 4)
	return checkpointPrefix + path.Join(parts[:min(len(parts), 3)]...)
}

// tokenOrder returns an attempt's number in the sequence of attempts, 0 for an invalid token.
func tokenOrder(token string) int {
	n, err := strconv.Atoi(strings.SplitN(token, "-", 2)[0])
	if err != nil {
		return 0
	}
	return n
}
