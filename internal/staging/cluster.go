package staging

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"rdrec/internal/faultproxy"
)

// Cluster is a Temporal server as in production: the server's own program, PostgreSQL as its
// database, and mutual TLS.
type Cluster struct {
	// Address is the frontend's.
	Address string
	// Authority has signed the certificates of the server and of its clients.
	Authority *Authority
	t         *testing.T
	// programs is the folder with the server and its tool, postgres that with PostgreSQL's.
	programs, postgres string
	// dir contains the configuration, data the database; port is PostgreSQL's.
	dir, data, port string
	database        *exec.Cmd
}

// StartCluster starts the cluster. It skips the test if PostgreSQL or the server's programs, which
// "make rehearsal" builds, are missing.
func StartCluster(t *testing.T) *Cluster {
	t.Helper()
	c := &Cluster{t: t, programs: os.Getenv(faultproxy.ServersEnv), Authority: NewAuthority(t), port: lowPort(t)}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		t.Skip("PostgreSQL is missing: install Debian's postgresql")
	}
	c.postgres = filepath.Dir(found[len(found)-1])
	if _, err := os.Stat(filepath.Join(c.programs, "temporal-server")); c.programs == "" || err != nil {
		t.Skip("the Temporal server is missing: make rehearsal builds it")
	}
	c.dir = c.folder("cluster")
	c.data = c.folder("postgres")
	c.Authority.Issue()
	initdb := filepath.Join(c.postgres, "initdb")
	c.mustRun(c.asUser(initdb, "-D", c.data, "-U", "temporal", "--auth=trust", "--no-sync"))
	c.StartDatabase()
	for schema, database := range map[string]string{"temporal": "temporal", "visibility": "temporal_visibility"} {
		c.sqlTool(database, "create-database")
		c.sqlTool(database, "setup-schema", "-v", "0.0")
		c.sqlTool(database, "update-schema", "--schema-name", "postgresql/v12/"+schema)
	}
	c.startServer()
	return c
}

// folder returns a new folder that every user may enter: PostgreSQL refuses to run as root.
func (c *Cluster) folder(name string) string {
	c.t.Helper()
	base, err := os.MkdirTemp("", "rdrec-"+name)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			c.t.Error(err)
		}
	})
	if os.Geteuid() == 0 {
		if err := os.Chown(base, nobody, nobody); err != nil {
			c.t.Fatal(err)
		}
	}
	return base
}

// nobody is Debian's user without rights.
const nobody = 65534

// asUser returns a command that does not run as root.
func (c *Cluster) asUser(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...) //nolint:gosec // PostgreSQL's program
	cmd.Dir = c.data
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

func (c *Cluster) mustRun(cmd *exec.Cmd) {
	c.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// sqlTool runs Temporal's tool for the schema of a database.
func (c *Cluster) sqlTool(database string, args ...string) {
	c.t.Helper()
	c.mustRun(exec.Command(filepath.Join(c.programs, "temporal-sql-tool"), append([]string{ //nolint:gosec // ours
		"--plugin", "postgres12", "--ep", "127.0.0.1", "-p", c.port, "-u", "temporal", "--db", database,
	}, args...)...))
}

// StartDatabase starts PostgreSQL and waits until it answers.
func (c *Cluster) StartDatabase() {
	c.t.Helper()
	c.database = c.asUser(filepath.Join(c.postgres, "postgres"), "-D", c.data, "-p", c.port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	c.database.Stdout, c.database.Stderr = io.Discard, io.Discard
	if err := c.database.Start(); err != nil {
		c.t.Fatal(err)
	}
	database := c.database
	c.t.Cleanup(func() {
		_ = database.Process.Signal(syscall.SIGQUIT) //nolint:errcheck // it may have ended
		_ = database.Wait()                          //nolint:errcheck // it was stopped
	})
	c.await("PostgreSQL answers", func() error {
		return exec.Command( //nolint:gosec // PostgreSQL's program
			filepath.Join(c.postgres, "pg_isready"), "-h", "127.0.0.1", "-p", c.port).Run()
	})
}

// StopDatabase ends PostgreSQL as a crash does; the next start recovers from its log.
func (c *Cluster) StopDatabase() {
	c.t.Helper()
	if err := c.database.Process.Signal(syscall.SIGQUIT); err != nil {
		c.t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := c.database.Wait(); err != nil && !errors.As(err, &ended) {
		c.t.Fatal(err)
	}
}

// await calls ready until it succeeds.
func (c *Cluster) await(condition string, ready func() error) {
	c.t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var err error
	for range 600 {
		if err = ready(); err == nil {
			return
		}
		<-ticker.C
	}
	c.t.Fatalf("not within a minute: %s: %v", condition, err)
}

// startServer starts the server with all of its services in one process.
func (c *Cluster) startServer() {
	c.t.Helper()
	frontend := lowPort(c.t)
	c.Address = "127.0.0.1:" + frontend
	values := []string{
		"CERTS", filepath.Dir(c.Authority.File("ca.pem")), "POSTGRES", "127.0.0.1:" + c.port, "FRONTEND", c.Address,
		"PORT1", frontend,
	}
	for i := 2; i <= 8; i++ {
		values = append(values, fmt.Sprint("PORT", i), lowPort(c.t))
	}
	config := filepath.Join(c.dir, "server.yaml")
	text := strings.NewReplacer(values...).Replace(serverConfig)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(c.dir, "server.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	server := exec.Command( //nolint:gosec // the test's own server
		filepath.Join(c.programs, "temporal-server"), "--config-file", config, "start")
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		c.t.Fatal(err)
	}
	killAtEnd(c.t, server)
	c.await("the Temporal server answers", func() error {
		connected, err := client.DialContext(c.t.Context(), c.options(""))
		if err == nil {
			connected.Close()
		}
		return err
	})
}

// options returns the options of a client.
func (c *Cluster) options(namespace string) client.Options {
	return client.Options{
		HostPort: c.Address, Namespace: namespace, Logger: nopLogger{},
		ConnectionOptions: client.ConnectionOptions{TLS: c.Authority.ClientTLS()},
	}
}

// NewOn returns an environment in a new namespace of a cluster, which the starter creates.
func NewOn(c *Cluster, namespace string) *Env {
	c.t.Helper()
	e := newEnv(c.t, c.options(namespace))
	e.addVariables(c.Authority.Variables())
	e.MustStarter("cluster", "init")
	return e
}

// lowPort returns a free port below 32768: Temporal stores its ports in PostgreSQL as 16-bit
// numbers with a sign.
func lowPort(t *testing.T) string {
	t.Helper()
	for port := 20000 + os.Getpid()%5000; port < 1<<15; port++ {
		if !taken[port] && faultproxy.IsFree(port) {
			taken[port] = true
			return fmt.Sprint(port)
		}
	}
	t.Fatal("no port below 32768 is free")
	return ""
}

// taken are the ports that lowPort has returned.
var taken = map[int]bool{}

// serverConfig is the server's configuration with four ports of gRPC and four of membership.
const serverConfig = `
log: {stdout: true, level: warn}
persistence:
  defaultStore: default
  visibilityStore: visibility
  numHistoryShards: 4
  datastores:
    default:
      sql: {pluginName: postgres12, databaseName: temporal, connectAddr: "POSTGRES", connectProtocol: tcp, user: temporal,
        maxConns: 20, maxIdleConns: 20}
    visibility:
      sql: {pluginName: postgres12, databaseName: temporal_visibility, connectAddr: "POSTGRES", connectProtocol: tcp,
        user: temporal, maxConns: 5, maxIdleConns: 5}
global:
  membership: {maxJoinDuration: 30s, broadcastAddress: 127.0.0.1}
  tls:
    internode: &mutual
      server: {certFile: CERTS/server.pem, keyFile: CERTS/server.key, requireClientAuth: true,
        clientCaFiles: [CERTS/ca.pem]}
      client: {serverName: localhost, rootCaFiles: [CERTS/ca.pem]}
    frontend: *mutual
    systemWorker:
      certFile: CERTS/client.pem
      keyFile: CERTS/client.key
      client: {serverName: localhost, rootCaFiles: [CERTS/ca.pem]}
services:
  frontend: {rpc: {grpcPort: PORT1, membershipPort: PORT5, bindOnIP: 127.0.0.1}}
  history: {rpc: {grpcPort: PORT2, membershipPort: PORT6, bindOnIP: 127.0.0.1}}
  matching: {rpc: {grpcPort: PORT3, membershipPort: PORT7, bindOnIP: 127.0.0.1}}
  worker: {rpc: {grpcPort: PORT4, membershipPort: PORT8, bindOnIP: 127.0.0.1}}
clusterMetadata:
  enableGlobalNamespace: false
  failoverVersionIncrement: 10
  masterClusterName: active
  currentClusterName: active
  clusterInformation:
    active: {enabled: true, initialFailoverVersion: 1, rpcName: frontend, rpcAddress: "FRONTEND"}
dcRedirectionPolicy: {policy: noop}
`
