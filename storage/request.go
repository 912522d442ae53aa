package storage

import (
	"context"
	"crypto/rand"
	"strings"
)

// A request for one user's recommendations travels through the bucket, so that no user id is in a
// history: the starter writes the question, a worker the reply, and the starter removes both.

// PutRequest stores a question and returns the id of the request.
func (b *Bucket) PutRequest(ctx context.Context, question []byte) (id string, err error) {
	id = strings.ToLower(rand.Text())
	return id, b.write(ctx, requestKey(id, questionName), question)
}

// Request returns the question of a request.
func (b *Bucket) Request(ctx context.Context, id string) ([]byte, error) {
	return b.read(ctx, requestKey(id, questionName))
}

// PutReply stores the reply of a request.
func (b *Bucket) PutReply(ctx context.Context, id string, reply []byte) error {
	return b.write(ctx, requestKey(id, replyName), reply)
}

// Reply returns the reply of a request.
func (b *Bucket) Reply(ctx context.Context, id string) ([]byte, error) {
	return b.read(ctx, requestKey(id, replyName))
}

// RemoveRequest removes the question and the reply of a request.
func (b *Bucket) RemoveRequest(ctx context.Context, id string) error {
	return b.remove(ctx, requestKey(id, questionName), requestKey(id, replyName))
}
