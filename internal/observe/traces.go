package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// ErrTraces is wrapped by errors of a wrong setting of OpenTelemetry.
var ErrTraces = errors.New("OpenTelemetry's settings")

// flushTimeout is how long the end of a program may take to send its last spans.
const flushTimeout = 3 * time.Second

// Traces sends spans of commands, workflows and activities to an OpenTelemetry collector. One trace
// contains an experiment from the command that started it to its last activity. A nil Traces sends
// nothing.
type Traces struct {
	tracer trace.Tracer
	flush  func()
}

// NewTraces returns the traces of a program as OpenTelemetry's standard variables configure them
// (OTEL_EXPORTER_OTLP_ENDPOINT and more), or nil without an endpoint. The program is named service
// unless OTEL_SERVICE_NAME names it. onError receives what could not be sent; it stops nothing.
func NewTraces(
	ctx context.Context, service string, environment func(string) string, onError func(error),
) (*Traces, error) {
	endpoint := cmp.Or(environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), environment("OTEL_EXPORTER_OTLP_ENDPOINT"))
	if endpoint == "" || environment("OTEL_SDK_DISABLED") == "true" || environment("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil //nolint:nilnil // nil sends nothing
	}
	sender, err := newSender(cmp.Or(
		environment("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), environment("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf",
	))
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, sender)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTraces, err)
	}
	named, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", service)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTraces, err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(onError))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(named))
	return &Traces{tracer: provider.Tracer("rdrec"), flush: func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := provider.Shutdown(limited); err != nil {
			onError(err)
		}
	}}, nil
}

// newSender returns what speaks a protocol, named as OpenTelemetry does.
func newSender(protocol string) (otlptrace.Client, error) {
	switch protocol {
	case "http/protobuf":
		return otlptracehttp.NewClient(), nil
	case "grpc":
		return otlptracegrpc.NewClient(), nil
	default:
		return nil, fmt.Errorf("%w: OTEL_EXPORTER_OTLP_PROTOCOL is %q; http/protobuf and grpc are supported",
			ErrTraces, protocol)
	}
}

// Tracer returns what writes spans, or nil.
func (t *Traces) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.tracer
}

// Close sends the spans that were not sent yet.
func (t *Traces) Close() {
	if t != nil {
		t.flush()
	}
}
