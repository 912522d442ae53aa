package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"rdrec/internal/progress"
)

// InboxFile is an object of an inbox, and what tells whether it has changed since it was hashed.
type InboxFile struct {
	File
	Written time.Time `json:"written"`
	// MD5 is the object's, as the bucket lists it; nil in buckets that list none.
	MD5 []byte `json:"md5,omitempty"`
}

// Inbox returns the objects under a prefix by key, with the hashes of their current content. Those
// that are among the known ones, with the same size and time, are not read again. Prefixes of the
// bucket's own keys are rejected.
func (b *Bucket) Inbox(ctx context.Context, prefix string, known []InboxFile) ([]InboxFile, error) {
	for _, own := range []string{
		casPrefix, stagePrefix, rationalePrefix, checkpointPrefix, runPrefix, nightlyPrefix, exportPrefix,
		quarantinePrefix, requestPrefix, forgottenPrefix,
	} {
		if strings.HasPrefix(own, prefix) || strings.HasPrefix(prefix, own) {
			return nil, fmt.Errorf("inbox %q: reserved for the bucket's own objects (%s)", prefix, own)
		}
	}
	hashed := make(map[string]InboxFile, len(known))
	for _, f := range known {
		hashed[f.Name] = f
	}
	var files []InboxFile
	err := b.scan(ctx, prefix, func(o object) error {
		if strings.HasSuffix(o.key, "/") || strings.HasSuffix(o.key, ".tmp") {
			return nil // a folder's marker, or a file that is still being written
		}
		f := InboxFile{File{Name: o.key, Ref: Ref{Size: o.size}}, o.written, o.md5}
		if h := hashed[o.key]; h.Size == f.Size && h.Written.Equal(f.Written) && bytes.Equal(h.MD5, f.MD5) {
			f.Digest = h.Digest
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return files, inParallel(ctx, len(files), func(ctx context.Context, i int) (err error) {
		if files[i].Digest == "" {
			files[i].Ref, err = b.hashAt(ctx, files[i].Name)
		}
		return err
	})
}

func (b *Bucket) hashAt(ctx context.Context, key string) (Ref, error) {
	r, err := b.open(ctx, key)
	if err != nil {
		return Ref{}, classify("read", key, err)
	}
	defer r.Close() // reading only
	h := sha256.New()
	size, err := io.Copy(h, progress.Reader(ctx, r))
	return Ref{Digest: hex.EncodeToString(h.Sum(nil)), Size: size}, classify("read", key, err)
}

// FetchObject copies an object to a file at path. One that has changed since it was hashed is an
// error.
func (b *Bucket) FetchObject(ctx context.Context, f File, path string) error {
	return b.fetch(ctx, f.Name, f.Ref, path)
}

// IngestObject stores an object as content, by way of a file at path, which remains. An object that
// has changed since it was hashed is an error.
func (b *Bucket) IngestObject(ctx context.Context, f File, path string) error {
	if err := b.FetchObject(ctx, f, path); err != nil {
		return err
	}
	_, err := b.PutFile(ctx, path)
	return err
}

// PutInbox stores the file at path in an inbox, under a key with the inbox's prefix.
func (b *Bucket) PutInbox(ctx context.Context, key, path string) error {
	_, f, err := hashFile(ctx, path)
	if err != nil {
		return err
	}
	defer f.Close() // reading only
	return b.writeFrom(ctx, key, f)
}

// Watermark is how far a source was ingested into an inbox.
type Watermark struct {
	// Source and Column identify the source and its watermark column; Value is the greatest
	// ingested value of the column.
	Source string `json:"source"`
	Column string `json:"column"`
	Value  string `json:"value"`
}

// Watermark returns the last watermark of a name; the zero value where nothing was ingested yet.
func (b *Bucket) Watermark(ctx context.Context, name string) (w Watermark, err error) {
	key := watermarkKey(name)
	data, err := b.read(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return w, &CorruptError{key, "not a watermark: " + err.Error()}
	}
	return w, nil
}

// PutWatermark stores the watermark of a name. The rows up to it must be in the inbox already.
func (b *Bucket) PutWatermark(ctx context.Context, name string, w Watermark) error {
	data, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("encode the watermark of %q: %w", name, err)
	}
	return b.write(ctx, watermarkKey(name), data)
}

// PutArtifact stores a list of content that is in the bucket already.
func (b *Bucket) PutArtifact(ctx context.Context, a Artifact) (Ref, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return Ref{}, fmt.Errorf("encode artifact %s: %w", a.Kind, err)
	}
	return b.Put(ctx, data)
}
