package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"go.temporal.io/api/enums/v1"

	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/workflows"
)

// Limits of the plan before a run.
const (
	// quickPlanTimeout is how long the plan may take; a run starts without one that takes longer.
	quickPlanTimeout = 20 * time.Second
	// askAbove is the estimate above which a run on a terminal asks before it starts.
	askAbove = time.Hour
)

// showPlan prints how long the run of a spec will take, if the bucket has runs to tell by, and asks
// on a terminal whether to start a long one. A plan that fails prevents nothing.
func (a *app) showPlan(ctx context.Context, to *server, s spec.Spec, force, yes bool) error {
	plan, ok := a.quickPlan(ctx, to, s, force)
	if interrupted(ctx) {
		return errInterrupted
	}
	if !ok || plan.Total.Runs == 0 {
		return nil
	}
	a.logf("plan: %s", totalText(plan))
	asks := isatty.IsTerminal(os.Stdin.Fd()) && progress.IsTerminal(a.stderr)
	if yes || !asks || plan.Total.High < askAbove.Seconds() {
		return nil
	}
	fmt.Fprint(a.stderr, "start it? [y/N] ")
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if word := strings.ToLower(strings.TrimSpace(answer)); err != nil || word != "y" && word != "yes" {
		return errDeclined
	}
	return nil
}

// quickPlan returns the plan of a spec; ok is false where the bucket has no run to estimate by, or
// no worker answers soon.
func (a *app) quickPlan(ctx context.Context, to *server, s spec.Spec, force bool) (plan registry.Plan, ok bool) {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return plan, false
	}
	defer bucket.Close()
	basis, err := registry.HasBasis(ctx, bucket, s)
	if err != nil || !basis || !to.polled(ctx, workflows.QueueCPU, enums.TASK_QUEUE_TYPE_ACTIVITY) {
		return plan, false
	}
	ctx, cancel := context.WithTimeout(ctx, quickPlanTimeout)
	defer cancel()
	plan, err = a.plan(ctx, to, s, force, quickPlanTimeout)
	return plan, err == nil
}
