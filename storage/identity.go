package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Identity identifies a bucket. Two URLs with the same ID lead to the same bucket.
type Identity struct {
	// ID is random and made once in each bucket.
	ID string `json:"id"`
	// URL is where this process opened the bucket, without credentials and parameters.
	URL string `json:"url"`
}

// String returns the URL and the beginning of the id.
func (i Identity) String() string { return fmt.Sprintf("%s (id %.8s)", i.URL, i.ID) }

// identityRecord is the object that holds a bucket's id.
type identityRecord struct {
	ID string `json:"id"`
}

// Identity returns the bucket's identity. The first call on a bucket makes the id; of several
// processes that make it at the same time, all get the same one.
func (b *Bucket) Identity(ctx context.Context) (Identity, error) {
	data, err := b.read(ctx, identityKey)
	if errors.Is(err, ErrNotFound) {
		if data, err = json.Marshal(identityRecord{strings.ToLower(rand.Text())}); err != nil {
			return Identity{}, fmt.Errorf("encode the bucket's id: %w", err)
		}
		if err = b.create(ctx, identityKey, data); err == nil {
			data, err = b.read(ctx, identityKey) // another process may have made it first
		}
	}
	if err != nil {
		return Identity{}, err
	}
	var record identityRecord
	if err := json.Unmarshal(data, &record); err != nil || record.ID == "" {
		return Identity{}, &CorruptError{identityKey, "it holds no id"}
	}
	return Identity{record.ID, b.displayURL()}, nil
}

// displayURL returns the bucket's URL for people, without credentials and parameters.
func (b *Bucket) displayURL() string {
	u, err := url.Parse(b.url)
	if err != nil {
		return strings.SplitN(b.url, ":", 2)[0] + "://"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// create stores data at key unless an object exists there already, which is no error.
func (b *Bucket) create(ctx context.Context, key string, data []byte) error {
	if folder := b.folder(); folder != "" {
		return classify("create", key, createFile(filepath.Join(folder, key), data, b.fsync))
	}
	options := &blob.WriterOptions{ContentType: "application/octet-stream", IfNotExist: true}
	err := b.copyTo(ctx, key, bytes.NewReader(data), options)
	if gcerrors.Code(err) == gcerrors.FailedPrecondition || gcerrors.Code(err) == gcerrors.AlreadyExists {
		return nil
	}
	return classify("create", key, err)
}

// createFile writes a file unless it exists. The blob library checks for an existing file under a
// lock of its own process; a hard link fails in every process if the name is taken.
func createFile(path string, data []byte, fsync func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, fsync(f), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	return syncPath(filepath.Dir(path), fsync)
}

// CheckAccess checks that this process can write, read, list and delete objects, so that missing
// rights are found before any work.
func (b *Bucket) CheckAccess(ctx context.Context) error {
	key := probePrefix + strings.ToLower(rand.Text())
	want := []byte("access check of a worker\n")
	if err := b.write(ctx, key, want); err != nil {
		return err
	}
	got, err := b.read(ctx, key)
	if err == nil && !bytes.Equal(got, want) {
		err = &CorruptError{key, "it is not what was written"}
	}
	if err == nil {
		_, err = b.list(ctx, probePrefix)
	}
	return errors.Join(err, b.remove(ctx, key))
}
