package workflows

import "go.temporal.io/sdk/workflow"

// share does n pieces of work, no more than most of them at once. The first failure ends the others; share returns it when all have
// ended.
func share(ctx workflow.Context, n, most int, do func(ctx workflow.Context, i int) error) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	places := workflow.NewSemaphore(ctx, int64(most))
	left := n
	var failed error
	for i := range n {
		workflow.Go(ctx, func(ctx workflow.Context) {
			err := places.Acquire(ctx, 1)
			if err == nil {
				err = do(ctx, i)
				places.Release(1)
			}
			if err != nil && failed == nil {
				failed = err
				cancel()
			}
			left--
		})
	}
	calm, _ := workflow.NewDisconnectedContext(ctx)
	if err := workflow.Await(calm, func() bool { return left == 0 }); err != nil {
		return err
	}
	return failed
}
