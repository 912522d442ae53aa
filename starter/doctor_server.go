package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"rdrec/internal/devserver"
	"rdrec/workflows"
)

// checkServer checks the server and what rdrec needs on it.
func (d *doctor) checkServer(ctx context.Context) {
	to, err := d.connect(ctx)
	if err != nil {
		d.failWith("Temporal server", err)
		return
	}
	defer to.Close()
	d.ok("Temporal server", "%s", to.address)
	if !d.checkNamespace(ctx, to) {
		return
	}
	d.checkAttributes(ctx, to)
	d.checkClock(ctx, to)
	for _, queue := range workflows.Queues() {
		d.checkQueue(ctx, to, queue)
	}
}

// checkNamespace reports whether the namespace exists.
func (d *doctor) checkNamespace(ctx context.Context, to *server) bool {
	const check = "namespace"
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found, err := to.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{
		Namespace: to.namespace,
	})
	switch {
	case errors.As(err, new(*serviceerror.NamespaceNotFound)), errors.As(err, new(*serviceerror.NotFound)):
		d.fail(check, fmt.Sprintf("there is no namespace %q", to.namespace),
			fmt.Sprintf("temporal operator namespace create --address %s --namespace %s", to.address, to.namespace))
		return false
	case err != nil:
		d.failWith(check, err)
		return false
	}
	days := found.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration().Hours() / 24
	d.ok(check, "%s; finished runs stay for %.0f days", to.namespace, days)
	return true
}

// checkAttributes checks that the search attributes exist, with their types.
func (d *doctor) checkAttributes(ctx context.Context, to *server) {
	const check = "search attributes"
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	want := devserver.Default().SearchAttributes
	found, err := to.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{
		Namespace: to.namespace,
	})
	if err != nil {
		d.warn(check, "the server does not list them: "+err.Error(),
			"check that they exist: "+strings.Join(slices.Sorted(maps.Keys(want)), ", "))
		return
	}
	fix := fmt.Sprintf(
		"temporal operator search-attribute create --address %s --namespace %s", to.address, to.namespace)
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if found.GetCustomAttributes()[name].String() != want[name] {
			missing = append(missing, name)
			fix += fmt.Sprintf(" --name %s --type %s", name, want[name])
		}
	}
	if len(missing) > 0 {
		d.fail(check, "missing: "+strings.Join(missing, ", "), fix)
		return
	}
	d.ok(check, "%d", len(want))
}

// checkQueue checks that a worker serves a queue, and that its bucket is the starter's.
func (d *doctor) checkQueue(ctx context.Context, to *server, queue string) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	live, err := to.pollers(ctx, queue, enums.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		d.failWith(queue, err)
		return
	}
	if len(live) == 0 {
		if id := to.busyWith(ctx, queue); id != "" {
			d.ok(queue, "its workers are busy, for example with %s", id)
			return
		}
		d.fail(queue, "no worker polls it", workerCommand(queue))
		return
	}
	for _, p := range live {
		process, bucket, known := workflows.BucketOfWorker(p.GetIdentity())
		if known && d.bucket.ID != "" && bucket.ID != d.bucket.ID {
			d.fail(queue, fmt.Sprintf("worker %s uses the bucket %s, the starter %s", process, bucket, d.bucket),
				"set --bucket or RDREC_BUCKET to the workers' bucket")
			return
		}
	}
	d.ok(queue, "%s", plural(len(live), "worker"))
}

// plural returns a count of things in English.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxClockOffset is the greatest harmless difference between two clocks.
const maxClockOffset = 30 * time.Second

// checkClock compares this machine's clock with the server's. Times in lists and reports come from
// both.
func (d *doctor) checkClock(ctx context.Context, to *server) {
	const check = "clock"
	offset, err := to.clockOffset(ctx, d.now)
	switch {
	case err != nil:
		d.warn(check, "the server's clock cannot be read: "+err.Error(),
			"compare it with that of this machine: date -u")
	case offset.Abs() > maxClockOffset:
		d.warn(check, fmt.Sprintf("the server's differs by %s", offset.Round(time.Second)),
			"synchronize the clocks of both machines: timedatectl set-ntp true")
	default:
		d.ok(check, "agrees with the server's to the second")
	}
}

// clockOffset returns by how much the server's clock is ahead. The server tells its time only as
// that of a worker's last poll: so this process polls a queue without tasks.
func (s *server) clockOffset(ctx context.Context, now func() time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	queue := "rdrec-clock-" + uuid.NewString()
	polled := make(chan error, 1)
	began := now()
	go func() {
		_, err := s.WorkflowService().PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{
			Namespace: s.namespace, Identity: "starter doctor",
			TaskQueue: &taskqueue.TaskQueue{Name: queue, Kind: enums.TASK_QUEUE_KIND_NORMAL},
		})
		polled <- err
	}()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		described, err := s.DescribeTaskQueue(ctx, queue, enums.TASK_QUEUE_TYPE_ACTIVITY)
		if err != nil {
			return 0, err
		}
		if p := described.GetPollers(); len(p) > 0 {
			return p[0].GetLastAccessTime().AsTime().Sub(began), nil
		}
		select {
		case err := <-polled:
			return 0, errors.Join(errors.New("the poll ended early"), err)
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-ticker.C:
		}
	}
}
