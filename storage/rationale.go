package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// Rationales are the finished rows of one teacher (its fingerprint: weights, prompt, sampling), kept for ever: nothing is asked
// twice. Rows are written a few at a time, each part under the hash of its content.
type Rationales[Row any] struct {
	bucket  *Bucket
	teacher string
}

// OpenRationales returns the rows of the teacher with this fingerprint.
func OpenRationales[Row any](b *Bucket, teacher string) Rationales[Row] {
	return Rationales[Row]{b, teacher}
}

// Append stores rows; when it returns they survive a crash of the process.
func (r Rationales[Row]) Append(ctx context.Context, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	var part bytes.Buffer
	enc := json.NewEncoder(&part)
	for _, row := range rows {
		if err := enc.Encode(row); err != nil {
			return fmt.Errorf("encode rationale: %w", err)
		}
	}
	return r.bucket.write(ctx, rationaleFolder(r.teacher)+Digest(part.Bytes())+".jsonl", part.Bytes())
}

// Load returns all rows, in the order of their parts' keys. A part whose content does not match its name is quarantined and
// its rows are asked again.
func (r Rationales[Row]) Load(ctx context.Context) ([]Row, error) {
	keys, err := r.bucket.list(ctx, rationaleFolder(r.teacher))
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, key := range keys {
		data, err := r.bucket.read(ctx, key)
		if err != nil {
			return nil, err
		}
		if rationaleFolder(r.teacher)+Digest(data)+".jsonl" != key {
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
