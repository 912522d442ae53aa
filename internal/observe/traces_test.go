package observe_test

import (
	"errors"
	"testing"

	"rdrec/internal/observe"
)

func TestTracesNeedAnEndpoint(t *testing.T) {
	const endpoint, address = "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"
	for name, c := range map[string]struct {
		environment map[string]string
		sends       bool
	}{
		"nothing":      {nil, false},
		"an endpoint":  {map[string]string{endpoint: address}, true},
		"of traces":    {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": address}, true},
		"gRPC":         {map[string]string{endpoint: address, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, true},
		"disabled":     {map[string]string{endpoint: address, "OTEL_SDK_DISABLED": "true"}, false},
		"not exported": {map[string]string{endpoint: address, "OTEL_TRACES_EXPORTER": "none"}, false},
	} {
		traces, err := observe.NewTraces(t.Context(), "test", func(key string) string { return c.environment[key] },
			func(error) {})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if sends := traces.Tracer() != nil; sends != c.sends {
			t.Errorf("%s: sends %t, want %t", name, sends, c.sends)
		}
		traces.Close()
	}
}

func TestUnknownProtocolOfTraces(t *testing.T) {
	_, err := observe.NewTraces(t.Context(), "test", func(key string) string {
		return map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
		}[key]
	}, func(error) {})
	const want = `OpenTelemetry's settings: OTEL_EXPORTER_OTLP_PROTOCOL is "http/json"; ` +
		`http/protobuf and grpc are supported`
	if !errors.Is(err, observe.ErrTraces) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
