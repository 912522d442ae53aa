package workflows

import "go.temporal.io/sdk/workflow"

// parallel calls do for each of n items, at most limit at a time. The first error cancels the
// others; parallel returns it when all have ended. It has one coroutine for each running item: the
// SDK resumes every coroutine of a workflow at every event.
func parallel(ctx workflow.Context, n, limit int, do func(ctx workflow.Context, i int) error) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	next, running := 0, min(n, limit)
	var firstErr error
	for range running {
		workflow.Go(ctx, func(ctx workflow.Context) {
			for next < n && firstErr == nil && ctx.Err() == nil {
				next++
				if err := do(ctx, next-1); err != nil && firstErr == nil {
					firstErr = err
					cancel()
				}
			}
			running--
		})
	}
	uncancelled, _ := workflow.NewDisconnectedContext(ctx)
	if err := workflow.Await(uncancelled, func() bool { return running == 0 }); err != nil {
		return err
	}
	if firstErr == nil && next < n {
		return ctx.Err()
	}
	return firstErr
}
