package main

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
)

// errDeviceLost reports that this process can no longer use its device.
var errDeviceLost = errors.New("the device is lost to this process")

// deviceInterceptor stops the worker after an activity that lost the device: each later job would
// fail, while a new process can use the device again.
type deviceInterceptor struct {
	interceptor.WorkerInterceptorBase
	fatal chan<- error
}

// InterceptActivity wraps each activity.
func (d *deviceInterceptor) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &deviceInbound{interceptor.ActivityInboundInterceptorBase{Next: next}, d.fatal}
}

type deviceInbound struct {
	interceptor.ActivityInboundInterceptorBase
	fatal chan<- error
}

// ExecuteActivity executes the activity.
func (d *deviceInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	result, err := d.Next.ExecuteActivity(ctx, in)
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) && failed.Type() == activities.TypeDeviceLost {
		select {
		case d.fatal <- fmt.Errorf("%w: %s", errDeviceLost, failed.Message()):
		default: // the worker stops already
		}
	}
	return result, err
}
