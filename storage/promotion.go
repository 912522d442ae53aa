package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
)

// promotionPointer is the content of current.json: small enough that writing it is one step in
// every kind of bucket.
type promotionPointer struct {
	Number int `json:"number"`
	// Digest is the record's, so that a changed record is detected.
	Digest string `json:"digest"`
}

// PutPromotion stores the record of a promotion under a name, and then makes it the current one.
// The record is written first: a writer that dies in between leaves a record that was never in use.
func (b *Bucket) PutPromotion(ctx context.Context, name string, number int, record []byte) error {
	if err := b.write(ctx, PromotionKey(name, number), record); err != nil {
		return err
	}
	pointer, err := json.Marshal(promotionPointer{number, Digest(record)})
	if err != nil {
		return fmt.Errorf("encode the pointer of %q: %w", name, err)
	}
	return b.write(ctx, CurrentPromotionKey(name), pointer)
}

// CurrentPromotion returns the number and the record of the promotion in use under a name, or
// [ErrNotFound].
func (b *Bucket) CurrentPromotion(ctx context.Context, name string) (number int, record []byte, err error) {
	data, err := b.read(ctx, CurrentPromotionKey(name))
	if err != nil {
		return 0, nil, err
	}
	var pointer promotionPointer
	if err := json.Unmarshal(data, &pointer); err != nil || pointer.Number < 1 {
		return 0, nil, &CorruptError{
			CurrentPromotionKey(name), fmt.Sprintf("its %d bytes contain no promotion", len(data)),
		}
	}
	if record, err = b.Promotion(ctx, name, pointer.Number); err != nil {
		return 0, nil, err
	}
	if got := Digest(record); got != pointer.Digest {
		reason := fmt.Sprintf("it hashes to %s, but the pointer names %s", got, pointer.Digest)
		return 0, nil, &CorruptError{PromotionKey(name, pointer.Number), reason}
	}
	return pointer.Number, record, nil
}

// Promotion returns the record of one promotion of a name.
func (b *Bucket) Promotion(ctx context.Context, name string, number int) ([]byte, error) {
	return b.read(ctx, PromotionKey(name, number))
}

// NewestPromotion returns the greatest number of a promotion's record under a name, 0 where there
// is none. It is greater than the current promotion's where a writer died before it wrote the
// pointer.
func (b *Bucket) NewestPromotion(ctx context.Context, name string) (int, error) {
	keys, err := b.list(ctx, promotionFolder(name))
	if err != nil {
		return 0, err
	}
	newest := 0
	for _, key := range keys {
		var number int
		if _, err := fmt.Sscanf(path.Base(key), "%d.json", &number); err == nil && PromotionKey(name, number) == key {
			newest = max(newest, number)
		}
	}
	return newest, nil
}
