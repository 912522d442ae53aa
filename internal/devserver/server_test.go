package devserver_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rdrec/internal/devserver"
	"rdrec/internal/document"
)

// options returns the defaults with free ports and a database of the test's own.
func options(t *testing.T) devserver.Options {
	t.Helper()
	o := devserver.Default()
	o.Port, o.UIPort, o.Database = 0, -1, filepath.Join(t.TempDir(), "t 100%.db")
	return o
}

func start(t *testing.T, o devserver.Options) *devserver.Server {
	t.Helper()
	s, err := devserver.Start(t.Context(), o, zerolog.New(zerolog.NewTestWriter(t)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, s *devserver.Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

func dial(t *testing.T, s *devserver.Server) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.Address()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func greet(_ workflow.Context, name string) (string, error) { return "hello " + name, nil }

// TestHistorySurvivesARestart runs a workflow, starts the server again on the same file, and reads
// the result.
func TestHistorySurvivesARestart(t *testing.T) {
	t.Parallel()
	o := options(t)
	first := start(t, o)
	c := dial(t, first)
	w := worker.New(c, "greetings", worker.Options{})
	w.RegisterWorkflow(greet)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	method := temporal.NewSearchAttributeKeyKeywordList("RdrecMethod")
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "greeting", TaskQueue: "greetings",
		TypedSearchAttributes: temporal.NewSearchAttributes(method.ValueSet([]string{"rdrec", "pod"})),
	}, greet, "there")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := run.Get(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	w.Stop()
	stop(t, first)

	o.SearchAttributes["RdrecLater"] = "Int"
	second := start(t, o)
	defer stop(t, second)
	c = dial(t, second)
	if err := c.GetWorkflow(t.Context(), "greeting", "").Get(t.Context(), &got); err != nil || got != "hello there" {
		t.Errorf("after the restart: got %q, %v", got, err)
	}
	request := &operatorservice.ListSearchAttributesRequest{Namespace: "default"}
	known, err := c.OperatorService().ListSearchAttributes(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := known.GetCustomAttributes()["RdrecLater"]; !ok {
		t.Errorf("attribute added to the settings is missing from %v", known.GetCustomAttributes())
	}
}

func TestDatabaseIsLockedByOneServer(t *testing.T) {
	t.Parallel()
	o := options(t)
	s := start(t, o)
	defer stop(t, s)
	if _, err := devserver.Start(t.Context(), o, zerolog.Nop()); !errors.Is(err, devserver.ErrDatabaseInUse) {
		t.Errorf("second server: got %v, want %v", err, devserver.ErrDatabaseInUse)
	}
}

func TestForeignDatabaseIsRejected(t *testing.T) {
	t.Parallel()
	o := options(t)
	old := strings.TrimSuffix(o.Database, ".db") + "-0.1.db"
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := devserver.Start(t.Context(), o, zerolog.Nop())
	if !errors.Is(err, devserver.ErrForeignDatabase) || !strings.Contains(err.Error(), "-0.1.db") {
		t.Errorf("got %v, want %v naming the file", err, devserver.ErrForeignDatabase)
	}
}

func TestPortsInUseAreAllReported(t *testing.T) {
	t.Parallel()
	o := options(t)
	addresses := make([]string, 0, 2)
	for _, port := range []*int{&o.Port, &o.UIPort} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		tcp, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			t.Fatalf("listener at %v has no port", listener.Addr())
		}
		*port, addresses = tcp.Port, append(addresses, tcp.String())
	}
	_, err := devserver.Start(t.Context(), o, zerolog.Nop())
	if !errors.Is(err, devserver.ErrPortTaken) {
		t.Fatalf("got %v, want %v", err, devserver.ErrPortTaken)
	}
	for _, address := range addresses {
		if !strings.Contains(err.Error(), address) {
			t.Errorf("%q does not name %s", err, address)
		}
	}
}

func TestUIAnswers(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.UIPort = 0
	s := start(t, o)
	defer stop(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	url := s.UI() + "/api/v1/namespaces/default/workflows"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the UI answers %s", response.Status)
	}
}

// TestShippedSettingsAreTheDefaults checks that temporal-dev.yaml has the defaults of the code.
func TestShippedSettingsAreTheDefaults(t *testing.T) {
	t.Parallel()
	got, err := devserver.Load("../../temporal-dev.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(devserver.Default(), got); diff != "" {
		t.Errorf("temporal-dev.yaml (-default +file):\n%s", diff)
	}
}

func TestBadSettingsReportAllDiagnostics(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dev.yaml")
	text := `ip: localhost
port: 70000
ui_prt: 8233
retention: 5m
log_level: loud
namespaces: []
search_attributes:
  RdrecShop: Keywrd
dynamic_config:
  matching.enableFairnes: true
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := devserver.Load(path, []string{"database="})
	var diagnostics document.Error
	if !errors.As(err, &diagnostics) {
		t.Fatalf("got %v, want diagnostics", err)
	}
	want := []string{
		`:1: ip: must be an IP address, not "localhost"`,
		`:2: port: must be at most 65535, not 70000`,
		`:3: ui_prt: is not a known key (did you mean "ui_port"?)`,
		`:4: retention: must be at least 1h, not 5m0s`,
		`:5: log_level: "loud" is not known (known are debug, info, warn, error)`,
		`:6: namespaces: must have at least 1 entries`,
		`:8: search_attributes[RdrecShop]: "Keywrd" is not known (did you mean "Keyword"?)`,
		`:10: dynamic_config[matching.enableFairnes]: is rejected by the server: ` +
			`unregistered key "matching.enablefairnes"`,
		`--set database=: database: is required`,
	}
	if diff := cmp.Diff(want, strings.Split(strings.ReplaceAll(diagnostics.Error(), path, ""), "\n")); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
}
