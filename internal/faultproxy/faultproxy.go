// Package faultproxy injects network faults in tests. In: the address of a real server. Out: a
// proxy that answers some requests itself, resets connections or truncates bodies. It also starts
// the blob servers that make conformance fetches, each in a process of its own. Only tests import
// this package.
package faultproxy

import (
	"errors"
	"fmt"
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

// ServersEnv is the environment variable with the folder of the servers that make conformance
// fetches.
const ServersEnv = "RDREC_SERVERS"

// StartServer starts a server of that folder on a free port and returns its address once it
// listens; args returns the arguments for the port. A missing server skips the test.
func StartServer(t *testing.T, program string, args func(port string) []string) string {
	t.Helper()
	path := filepath.Join(os.Getenv(ServersEnv), program)
	if _, err := os.Stat(path); os.Getenv(ServersEnv) == "" || err != nil {
		t.Skipf("%s is missing: make conformance fetches it", program)
	}
	port := FreePort(t)
	address := "127.0.0.1:" + port
	server := exec.CommandContext(t.Context(), path, args(port)...) //nolint:gosec // the test's own server
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
	t.Fatalf("%s does not listen at %s", program, address)
	return ""
}

// FreePort returns a TCP port of the loopback interface that is free now.
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

// IsFree reports whether a TCP port of the loopback interface is free now.
func IsFree(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)) //nolint:noctx // it is closed at once
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// S3 is the program of the S3-compatible server.
const S3 = "gofakes3"

// S3Bucket returns the URL of the bucket rdrec on the S3-compatible server at address, and the
// environment variables that its clients need.
func S3Bucket(address string) (bucket string, env map[string]string) {
	env = map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
	}
	endpoint := url.QueryEscape("http://" + address)
	return "s3://rdrec?region=us-east-1&use_path_style=true&endpoint=" + endpoint, env
}

// Fault injects a fault and reports whether it has handled the request; the proxy forwards all
// others to the server.
type Fault func(w http.ResponseWriter, r *http.Request) bool

// Proxy forwards requests to a server and injects faults into some of them.
type Proxy struct {
	// Address is the host and port that the proxy listens on.
	Address  string
	fault    atomic.Pointer[Fault]
	injected atomic.Int64
	traffic  Traffic
}

// Traffic is what a proxy has forwarded: requests, and bytes of bodies whose length is known.
type Traffic struct{ Requests, Written, Read int64 }

// add adds a request with the lengths of its bodies; a length of -1 is not known.
func (t *Traffic) add(written, read int64) {
	atomic.AddInt64(&t.Requests, 1)
	atomic.AddInt64(&t.Written, max(written, 0))
	atomic.AddInt64(&t.Read, max(read, 0))
}

// NewProxy starts a proxy for the server at target. With keepHost, requests keep their Host header,
// which signatures cover.
func NewProxy(t *testing.T, target string, keepHost bool) *Proxy {
	t.Helper()
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: target})
			if keepHost {
				r.Out.Host = r.In.Host
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	p := &Proxy{}
	forward.ModifyResponse = func(r *http.Response) error {
		read := r.ContentLength
		if r.Request.Method == http.MethodHead {
			read = 0 // the length of a body that is not sent
		}
		p.traffic.add(r.Request.ContentLength, read)
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed with the server
	if err != nil {
		t.Fatal(err)
	}
	p.Address = l.Addr().String()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := p.fault.Load(); fault != nil && (*fault)(w, r) {
			p.injected.Add(1)
			return
		}
		forward.ServeHTTP(w, r)
	})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: handler}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("proxy: %v", err)
		}
	}()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

// Inject makes the proxy inject the fault into requests from now on.
func (p *Proxy) Inject(fault Fault) { p.fault.Store(&fault) }

// Clear makes the proxy forward all requests.
func (p *Proxy) Clear() { p.fault.Store(nil) }

// Injected returns the number of requests that a fault has handled.
func (p *Proxy) Injected() int { return int(p.injected.Load()) }

// Traffic returns what the proxy has forwarded so far.
func (p *Proxy) Traffic() Traffic {
	return Traffic{
		Requests: atomic.LoadInt64(&p.traffic.Requests), Written: atomic.LoadInt64(&p.traffic.Written),
		Read: atomic.LoadInt64(&p.traffic.Read),
	}
}

// IsWrite reports whether a request writes.
func IsWrite(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// Unavailable answers with status 503.
func Unavailable(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}

// Reset closes the connection after half of the request body was read.
func Reset(w http.ResponseWriter, r *http.Request) bool {
	if _, err := io.CopyN(io.Discard, r.Body, r.ContentLength/2); err == nil {
		closeConnection(w)
	}
	return true
}

// Truncate sends a shorter body than the Content-Length, then closes the connection.
func Truncate(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", "100")
	w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
	w.Header().Set("ETag", `"1"`)
	if _, err := io.WriteString(w, "half of it"); err == nil {
		closeConnection(w)
	}
	return true
}

// Delay delays each request, which is then forwarded.
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
