// Package badnet is the bad network of tests: a proxy between a worker and a real server that
// answers some requests itself, resets connections or lets half a body through. Beside it are the
// real blob servers that make conformance fetches, each started in a process of its own. Only tests
// import this package.
package faultproxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// ServersEnv in the environment names the folder where make conformance has put the real servers.
const ServersEnv = "RDREC_SERVERS"

// StartServer starts a server of that folder on a free port, with the arguments that args makes of
// the port, and returns its address once it listens. A server that is not there skips the test.
func StartServer(t *testing.T, program string, args func(port string) []string) string {
	t.Helper()
	path := filepath.Join(os.Getenv(ServersEnv), program)
	if _, err := os.Stat(path); os.Getenv(ServersEnv) == "" || err != nil {
		t.Skipf("%s is not there: make conformance fetches it", program)
	}
	port := FreePort(t)
	address := "127.0.0.1:" + port
	server := exec.CommandContext(t.Context(), path, args(port)...) //nolint:gosec // a test's own server
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill() //nolint:errcheck // it may have ended
		_ = server.Wait()         //nolint:errcheck // it was killed
	})
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range 1200 {
		dialer := net.Dialer{}
		if c, err := dialer.DialContext(t.Context(), "tcp", address); err == nil {
			_ = c.Close()
			return address
		}
		<-ticker.C
	}
	t.Fatalf("%s did not come up", program)
	return ""
}

// FreePort is a port of this machine on which nobody listens.
func FreePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// S3 is the program of the S3-compatible server.
const S3 = "gofakes3"

// S3Bucket is the URL of bucket rdrec of the S3-compatible server behind address, and what the
// environment of its users must have.
func S3Bucket(address string) (bucket string, env map[string]string) {
	return "s3://rdrec?region=us-east-1&use_path_style=true&endpoint=" + url.QueryEscape("http://"+address),
		map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
}

// Fault says whether it has dealt with a request; one that it has not dealt with goes to the
// server.
type Fault func(w http.ResponseWriter, r *http.Request) bool

// Proxy stands before a server and hurts some of the requests.
type Proxy struct {
	// Address is where it listens.
	Address  string
	fault    atomic.Pointer[Fault]
	injected atomic.Int64
}

// NewProxy starts a proxy before the server at target. keepHost lets the host's name of a request
// through: signatures cover it.
func NewProxy(t *testing.T, target string, keepHost bool) *Proxy {
	t.Helper()
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: target})
			if keepHost {
				r.Out.Host = r.In.Host
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	p := &Proxy{}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed with the server
	if err != nil {
		t.Fatal(err)
	}
	p.Address = l.Addr().String()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := p.fault.Load(); fault != nil && (*fault)(w, r) {
			p.injected.Add(1)
			return
		}
		forward.ServeHTTP(w, r)
	})}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("proxy: %v", err)
		}
	}()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

// Inject makes the proxy hurt requests from now on.
func (p *Proxy) Inject(fault Fault) { p.fault.Store(&fault) }

// Clear lets all requests through.
func (p *Proxy) Clear() { p.fault.Store(nil) }

// Injected is how many requests were hurt so far.
func (p *Proxy) Injected() int { return int(p.injected.Load()) }

// IsWrite says whether a request changes anything.
func IsWrite(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// Unavailable answers that the server is out of order.
func Unavailable(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}

// Reset closes the connection after half of the request's body was read.
func Reset(w http.ResponseWriter, r *http.Request) bool {
	if _, err := io.CopyN(io.Discard, r.Body, r.ContentLength/2); err == nil {
		closeConnection(w)
	}
	return true
}

// Truncate answers half of what it promises.
func Truncate(w http.ResponseWriter, _ *http.Request) bool {
	for name, value := range map[string]string{"Content-Length": "100", "Last-Modified": "Mon, 02 Jan 2006 15:04:05 GMT", "ETag": `"1"`} {
		w.Header().Set(name, value)
	}
	if _, err := io.WriteString(w, "half of it"); err == nil {
		closeConnection(w)
	}
	return true
}

// Delay lets each request wait before it goes on.
func Delay(d time.Duration) Fault {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
		return false
	}
}

func closeConnection(w http.ResponseWriter) {
	if hijacker, ok := w.(http.Hijacker); ok {
		if c, _, err := hijacker.Hijack(); err == nil {
			_ = c.Close()
		}
	}
}
