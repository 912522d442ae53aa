package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// span is a received span; parent is its id, trace the id of its trace.
type span struct{ program, name, parent, trace string }

// collector is an OpenTelemetry collector that stores the spans that it receives.
type collector struct {
	sync.Mutex
	spans map[string]span // by id
}

// newCollector starts a collector and returns it with its address.
func newCollector(t *testing.T) (*collector, string) {
	t.Helper()
	c := &collector{spans: map[string]span{}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var request coltracepb.ExportTraceServiceRequest
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("a request to %s: %v", r.URL.Path, err)
		}
		c.add(&request)
	}))
	t.Cleanup(server.Close)
	return c, server.URL
}

func (c *collector) add(request *coltracepb.ExportTraceServiceRequest) {
	c.Lock()
	defer c.Unlock()
	for _, of := range request.GetResourceSpans() {
		program := ""
		for _, attribute := range of.GetResource().GetAttributes() {
			if attribute.GetKey() == "service.name" {
				program = attribute.GetValue().GetStringValue()
			}
		}
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans[string(s.GetSpanId())] = span{
					program, s.GetName(), string(s.GetParentSpanId()), string(s.GetTraceId()),
				}
			}
		}
	}
}

// checkTraces checks that each experiment is one trace, which leads from the command through the
// workflows to their activities.
func (c *collector) checkTraces(t *testing.T, experiments int) {
	t.Helper()
	c.Lock()
	defer c.Unlock()
	traces := map[string]bool{}
	for _, s := range c.spans {
		if s.name == "RunActivity:Pretrain" {
			traces[s.trace] = true
			c.checkPath(t, s)
		}
	}
	if len(traces) != experiments {
		t.Errorf("the trainings of %d experiments are in %d traces", experiments, len(traces))
	}
}

// checkPath checks the spans from a training to the command that started it.
func (c *collector) checkPath(t *testing.T, s span) {
	t.Helper()
	var path []string
	for known := true; known; s, known = c.spans[s.parent] {
		path = append(path, s.program+" "+s.name)
	}
	if diff := cmp.Diff([]string{
		"rdrec-worker RunActivity:Pretrain",
		"rdrec-worker StartActivity:Pretrain",
		"rdrec-worker RunWorkflow:Trial",
		"rdrec-worker StartChildWorkflow:Trial",
		"rdrec-worker RunWorkflow:Experiment",
		"rdrec-starter StartWorkflow:Experiment",
	}, path); diff != "" {
		t.Errorf("from the activity to the command (-want +got):\n%s", diff)
	}
}
