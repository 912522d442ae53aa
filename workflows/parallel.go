package workflows

import "go.temporal.io/sdk/workflow"

// parallel calls do for each of n items, at most limit at a time. The first error cancels the
// others; parallel returns it when all have ended.
func parallel(ctx workflow.Context, n, limit int, do func(ctx workflow.Context, i int) error) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	semaphore := workflow.NewSemaphore(ctx, int64(limit))
	running := n
	var firstErr error
	for i := range n {
		workflow.Go(ctx, func(ctx workflow.Context) {
			err := semaphore.Acquire(ctx, 1)
			if err == nil {
				err = do(ctx, i)
				semaphore.Release(1)
			}
			if err != nil && firstErr == nil {
				firstErr = err
				cancel()
			}
			running--
		})
	}
	uncancelled, _ := workflow.NewDisconnectedContext(ctx)
	if err := workflow.Await(uncancelled, func() bool { return running == 0 }); err != nil {
		return err
	}
	return firstErr
}
