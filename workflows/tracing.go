package workflows

import (
	"fmt"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
)

// Trace makes a client, and the workers on it, write spans with a tracer: one trace leads from the
// command through the workflows to their activities. Without a tracer it does nothing.
func Trace(options *client.Options, tracer trace.Tracer) error {
	if tracer == nil {
		return nil
	}
	tracing, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer: tracer, DisableQueryTracing: true, // watch asks every second
	})
	if err != nil {
		return fmt.Errorf("trace workflows: %w", err)
	}
	options.Interceptors = append(options.Interceptors, tracing)
	return nil
}
