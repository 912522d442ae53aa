package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Rationales are the finished rows of one teacher (its fingerprint: weights, prompt, sampling).
// They are kept forever, so no row is requested twice. Rows are written as they finish, each part
// under the hash of its content; the parts of a finished shard are merged.
type Rationales[Row any] struct {
	bucket *Bucket
	folder string
	// shard is the prefix of the parts' names; empty means all parts.
	shard string
}

// OpenRationales returns the rows of the teacher with this fingerprint.
func OpenRationales[Row any](b *Bucket, teacher string) Rationales[Row] {
	return Rationales[Row]{bucket: b, folder: rationaleFolder(teacher)}
}

// Shard restricts the rows to those of one shard, which is named by the digest of its requests: the
// same requests find the same rows.
func (r Rationales[Row]) Shard(shard string) Rationales[Row] {
	r.shard = shard[:16] + "-"
	return r
}

// Append stores rows. Once it has returned, they survive a crash of the process.
func (r Rationales[Row]) Append(ctx context.Context, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := r.put(ctx, rows)
	return err
}

func (r Rationales[Row]) put(ctx context.Context, rows []Row) (key string, err error) {
	var part bytes.Buffer
	enc := json.NewEncoder(&part)
	for _, row := range rows {
		if err := enc.Encode(row); err != nil {
			return "", fmt.Errorf("encode rationale: %w", err)
		}
	}
	key = r.folder + r.shard + Digest(part.Bytes()) + ".jsonl"
	return key, r.bucket.write(ctx, key, part.Bytes())
}

// Compact merges the parts of a finished shard. Rows must be all of the shard's, so that nothing is
// lost whatever another attempt at the same shard does.
func (r Rationales[Row]) Compact(ctx context.Context, rows []Row) error {
	superseded, err := r.bucket.list(ctx, r.folder+r.shard)
	if err != nil || len(superseded) < 2 {
		return err
	}
	merged, err := r.put(ctx, rows)
	if err != nil {
		return err
	}
	return r.bucket.remove(ctx, slices.DeleteFunc(superseded, func(key string) bool { return key == merged })...)
}

// maxLoads is how often reading restarts when parts were merged in the meantime.
const maxLoads = 4

// Load returns all rows, in the order of their parts' keys; a row may occur twice. A part whose
// content does not match its name is quarantined, and its rows are requested again.
func (r Rationales[Row]) Load(ctx context.Context) (rows []Row, err error) {
	for range maxLoads {
		if rows, err = r.load(ctx); !errors.Is(err, ErrNotFound) {
			break
		}
	}
	return rows, err
}

func (r Rationales[Row]) load(ctx context.Context) ([]Row, error) {
	keys, err := r.bucket.list(ctx, r.folder+r.shard)
	if err != nil {
		return nil, err
	}
	parts, err := r.bucket.readAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, key := range keys {
		data := parts[i]
		if !strings.HasSuffix(key, Digest(data)+".jsonl") {
			if err := r.bucket.quarantine(ctx, key); err != nil {
				return nil, err
			}
			continue
		}
		part, err := decodeLines[Row](key, data)
		if err != nil {
			return nil, err
		}
		rows = append(rows, part...)
	}
	return rows, nil
}

func decodeLines[Row any](key string, data []byte) ([]Row, error) {
	var rows []Row
	for dec := json.NewDecoder(bytes.NewReader(data)); dec.More(); {
		var row Row
		if err := dec.Decode(&row); err != nil {
			return nil, &CorruptError{key, fmt.Sprintf("byte %d: %v", dec.InputOffset(), err)}
		}
		rows = append(rows, row)
	}
	return rows, nil
}
