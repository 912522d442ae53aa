package workflows

import (
	"context"
	"fmt"
	"strings"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/storage"
)

// A run's bucket travels in the headers of its workflows and activities: the starter sets it, the
// child workflows and the activities inherit it, and each worker compares it with its own before it
// does any work.

// TypeWrongBucket is the type of the error of a run that reached a worker on another bucket.
const TypeWrongBucket = "WrongBucket"

// bucketHeader is the header's name.
const bucketHeader = "rdrec-bucket"

type bucketKey struct{}

// WithBucket returns a context whose workflows belong to a bucket.
func WithBucket(ctx context.Context, bucket storage.Identity) context.Context {
	return context.WithValue(ctx, bucketKey{}, bucket)
}

// CheckBucket returns a non-retryable error if the run of an activity belongs to another bucket
// than the worker's. Runs without a bucket, started by older versions, are accepted.
func CheckBucket(ctx context.Context, own storage.Identity, worker string) error {
	run, ok := ctx.Value(bucketKey{}).(storage.Identity)
	if !ok || run.ID == own.ID {
		return nil
	}
	message := fmt.Sprintf("the run was started for the bucket %s, but worker %s uses the bucket %s", run, worker, own)
	return temporal.NewNonRetryableApplicationError(message, TypeWrongBucket, nil)
}

// Propagators returns the context propagators of all clients: the starter's and the workers'.
func (p Payloads) Propagators() []workflow.ContextPropagator {
	values := p.Converter()
	return []workflow.ContextPropagator{bucketPropagator{values}, jobPropagator{values}}
}

// bucketPropagator carries the bucket of a context in headers.
type bucketPropagator struct{ values converter.DataConverter }

// Inject writes the bucket of the starter's context.
func (p bucketPropagator) Inject(ctx context.Context, w workflow.HeaderWriter) error {
	return p.write(ctx.Value(bucketKey{}), w)
}

// InjectFromWorkflow writes the bucket of a workflow's context.
func (p bucketPropagator) InjectFromWorkflow(ctx workflow.Context, w workflow.HeaderWriter) error {
	return p.write(ctx.Value(bucketKey{}), w)
}

func (p bucketPropagator) write(value any, w workflow.HeaderWriter) error {
	bucket, ok := value.(storage.Identity)
	if !ok {
		return nil
	}
	payload, err := p.values.ToPayload(bucket)
	if err != nil {
		return fmt.Errorf("encode the bucket's identity: %w", err)
	}
	w.Set(bucketHeader, payload)
	return nil
}

// Extract returns an activity's context with the run's bucket.
func (p bucketPropagator) Extract(ctx context.Context, r workflow.HeaderReader) (context.Context, error) {
	bucket, ok, err := p.read(r)
	if ok {
		ctx = WithBucket(ctx, bucket)
	}
	return ctx, err
}

// ExtractToWorkflow returns a workflow's context with the run's bucket.
func (p bucketPropagator) ExtractToWorkflow(ctx workflow.Context, r workflow.HeaderReader) (workflow.Context, error) {
	bucket, ok, err := p.read(r)
	if ok {
		ctx = workflow.WithValue(ctx, bucketKey{}, bucket)
	}
	return ctx, err
}

func (p bucketPropagator) read(r workflow.HeaderReader) (bucket storage.Identity, ok bool, err error) {
	payload, ok := r.Get(bucketHeader)
	if !ok {
		return bucket, false, nil
	}
	if err := p.values.FromPayload(payload, &bucket); err != nil {
		return bucket, false, fmt.Errorf("decode the bucket's identity: %w", err)
	}
	return bucket, bucket.ID != "", nil
}

// identitySeparator is between a worker's process and its bucket in the worker's identity.
const identitySeparator = " bucket "

// WorkerIdentity returns the identity under which a process with a bucket polls. The server lists
// it with the pollers of a queue.
func WorkerIdentity(process string, bucket storage.Identity) string {
	return process + identitySeparator + bucket.ID + " " + bucket.URL
}

// BucketOfWorker returns the process and the bucket of a worker's identity; ok is false for one of
// another form.
func BucketOfWorker(identity string) (process string, bucket storage.Identity, ok bool) {
	process, rest, ok := strings.Cut(identity, identitySeparator)
	bucket.ID, bucket.URL, _ = strings.Cut(rest, " ")
	return process, bucket, ok && bucket.ID != ""
}
