package staging

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"rdrec/internal/devserver"
	"rdrec/internal/faultproxy"
)

// serverSettings is an environment variable that turns this test program into a Temporal server.
// Its value is a database file and a port, separated by a space.
const serverSettings = "RDREC_TEST_SERVER"

// serve runs a Temporal server until SIGTERM and returns the exit code.
func serve(settings string) int {
	database, port, _ := strings.Cut(settings, " ")
	options := devserver.Default()
	options.UIPort, options.Database = -1, database
	var err error
	if options.Port, err = strconv.Atoi(port); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server, err := devserver.Start(ctx, options, zerolog.New(os.Stderr))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	<-ctx.Done()
	if server.Stop() != nil {
		return 1
	}
	return 0
}

// ServerSettings returns settings of a server with a database of its own, on a free port, and the
// server's address.
func ServerSettings(t *testing.T) (settings, address string) {
	t.Helper()
	port := faultproxy.FreePort(t)
	return filepath.Join(t.TempDir(), "temporal.db") + " " + port, "127.0.0.1:" + port
}

// StartServer starts a server in a process of its own and waits until it is healthy. A server with
// the settings of one that was killed continues on its database.
func StartServer(t *testing.T, settings string) *exec.Cmd {
	t.Helper()
	server := exec.Command(os.Args[0]) //nolint:gosec // this test program
	server.Env = append(os.Environ(), serverSettings+"="+settings)
	server.Stderr = io.Discard
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	killAtEnd(t, server)
	_, port, _ := strings.Cut(settings, " ")
	c, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:" + port, Logger: nopLogger{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for range 300 {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := c.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
		if err == nil {
			_, err = c.CheckHealth(ctx, &client.CheckHealthRequest{})
		}
		cancel()
		if err == nil {
			return server
		}
		<-ticker.C
	}
	t.Fatal("the server did not start")
	return nil
}

// killAtEnd kills a program when the test ends.
func killAtEnd(t *testing.T, program *exec.Cmd) {
	t.Helper()
	t.Cleanup(func() {
		_ = program.Process.Kill() //nolint:errcheck // it may have ended
		_ = program.Wait()         //nolint:errcheck // it was killed
	})
}
