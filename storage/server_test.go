package storage_test

import (
	"context"
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
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rdrec/storage"
)

// serverFolder in the environment is where make conformance has put the real servers.
const serverFolder = "RDREC_SERVERS"

// realServer is a blob server of which the suite starts a process of its own.
type realServer struct {
	name, program string
	// signs is empty where requests are not signed: such a server wants to be called by its own name.
	signs string
	// args are its command line on a port and a folder.
	args func(port, dir string) []string
	// bucket makes an empty bucket on a running server, through address, and returns its URL.
	bucket func(t *testing.T, address string) string
}

func realServers() []realServer {
	return []realServer{
		{"s3 (gofakes3)", "gofakes3", "host", func(port, _ string) []string {
			return []string{"-backend", "memory", "-host", "127.0.0.1:" + port, "-initialbucket", "rdrec"}
		}, s3Bucket},
		{"gs (fake-gcs-server)", "fake-gcs-server", "", func(port, dir string) []string {
			return []string{"-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory", "-filesystem-root", dir, "-public-host", "127.0.0.1:" + port}
		}, gsBucket},
		{"azblob (Azurite)", "azurite/node_modules/.bin/azurite-blob", "host", func(port, _ string) []string {
			return []string{"--blobHost", "127.0.0.1", "--blobPort", port, "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"}
		}, azureBucket},
	}
}

func s3Bucket(t *testing.T, address string) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return "s3://rdrec?region=us-east-1&use_path_style=true&endpoint=" + url.QueryEscape("http://"+address)
}

func gsBucket(t *testing.T, address string) string {
	t.Helper()
	t.Setenv("STORAGE_EMULATOR_HOST", address)
	post(t, "http://"+address+"/storage/v1/b?project=test", `{"name":"rdrec"}`)
	return "gs://rdrec?anonymous=true"
}

func post(t *testing.T, address, body string) {
	t.Helper()
	answer, err := http.Post(address, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 && answer.StatusCode != http.StatusConflict {
		t.Fatalf("%s: %s", address, answer.Status)
	}
}

// azuriteKey is the well-known key of Azurite's account devstoreaccount1, the same everywhere.
const azuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

func azureBucket(t *testing.T, address string) string {
	t.Helper()
	t.Setenv("AZURE_STORAGE_ACCOUNT", "devstoreaccount1")
	t.Setenv("AZURE_STORAGE_KEY", azuriteKey)
	makeContainer(t, address)
	return "azblob://rdrec?protocol=http&localemu=true&domain=" + url.QueryEscape(address)
}

// serve starts a server and returns its address once it listens.
func (r realServer) serve(t *testing.T) string {
	t.Helper()
	folder := os.Getenv(serverFolder)
	program := filepath.Join(folder, r.program)
	if _, err := os.Stat(program); folder == "" || err != nil {
		t.Skipf("%s is not there: make conformance fetches it", r.name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, r.args(port, t.TempDir())...)
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
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return address
		}
		<-ticker.C
	}
	t.Fatalf("%s did not come up", r.name)
	return ""
}

// proxy stands before a server and hurts some of the requests.
type proxy struct {
	address string
	// hurt decides what happens to a request; nil lets all through.
	hurt atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func newProxy(t *testing.T, target, keepHost string) *proxy {
	t.Helper()
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: target})
			if keepHost != "" { // signatures cover the host
				r.Out.Host = r.In.Host
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	p := &proxy{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = l.Addr().String()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hurt := p.hurt.Load(); hurt != nil && (*hurt)(w, r) {
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

func (p *proxy) set(hurt func(http.ResponseWriter, *http.Request) bool) { p.hurt.Store(&hurt) }

// reset closes the connection in the middle, after half the request's body was read.
func reset(w http.ResponseWriter, r *http.Request) {
	if _, err := io.CopyN(io.Discard, r.Body, r.ContentLength/2); err != nil {
		return // the other side was first
	}
	if hijacker, ok := w.(http.Hijacker); ok {
		if c, _, err := hijacker.Hijack(); err == nil {
			_ = c.Close()
		}
	}
}

// partial answers half of what it promises.
func partial(w http.ResponseWriter) {
	for name, value := range map[string]string{"Content-Length": "100", "Last-Modified": "Mon, 02 Jan 2006 15:04:05 GMT", "ETag": `"1"`} {
		w.Header().Set(name, value)
	}
	if _, err := io.WriteString(w, "half of it"); err != nil {
		return // the other side was first
	}
	if hijacker, ok := w.(http.Hijacker); ok {
		if c, _, err := hijacker.Hijack(); err == nil {
			_ = c.Close()
		}
	}
}

func TestConformanceOnRealServers(t *testing.T) {
	for _, r := range realServers() {
		t.Run(r.name, func(t *testing.T) {
			p := newProxy(t, r.serve(t), r.signs)
			address := r.bucket(t, p.address)
			for what, test := range suite() {
				t.Run(what, func(t *testing.T) { test(t, open(t, address)) })
			}
			t.Run("a few errors are endured", func(t *testing.T) { fewErrors(t, p, address) })
			t.Run("a slow server is waited for", func(t *testing.T) { slowServer(t, p, address) })
			t.Run("a broken write leaves no object", func(t *testing.T) { brokenWrite(t, p, address) })
			t.Run("half a body is refused", func(t *testing.T) { halfBody(t, p, address) })
		})
	}
}

func fewErrors(t *testing.T, p *proxy, address string) {
	t.Helper()
	b := open(t, address)
	var n atomic.Int32
	p.set(func(w http.ResponseWriter, _ *http.Request) bool {
		if n.Add(1)%3 != 1 {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	defer p.hurt.Store(nil)
	// Whether the library retries or not, a retried operation gets through and what it stores is right.
	ref, err := retry(t, func() (storage.Ref, error) { return b.Put(t.Context(), []byte("through errors")) })
	if err != nil {
		t.Fatal(err)
	}
	got, err := retry(t, func() ([]byte, error) { return b.Get(t.Context(), ref) })
	if err != nil || string(got) != "through errors" {
		t.Errorf("%q, %v", got, err)
	}
}

// retry does what Temporal does.
func retry[T any](t *testing.T, do func() (T, error)) (value T, err error) {
	t.Helper()
	for range 8 {
		if value, err = do(); err == nil {
			return value, nil
		}
	}
	return value, err
}

func slowServer(t *testing.T, p *proxy, address string) {
	t.Helper()
	b := open(t, address)
	p.set(func(http.ResponseWriter, *http.Request) bool {
		timer := time.NewTimer(300 * time.Millisecond)
		defer timer.Stop()
		<-timer.C
		return false
	})
	defer p.hurt.Store(nil)
	ref, err := b.Put(t.Context(), []byte("slow"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(t.Context(), ref); err != nil || string(got) != "slow" {
		t.Errorf("%q, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Get(ctx, ref); err == nil {
		t.Error("a deadline is not kept")
	}
}

func brokenWrite(t *testing.T, p *proxy, address string) {
	t.Helper()
	b := open(t, address)
	content := []byte(strings.Repeat("broken ", 1<<16))
	p.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return false
		}
		reset(w, r)
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := b.Put(ctx, content)
	p.hurt.Store(nil)
	if err == nil {
		t.Fatal("the write succeeded")
	}
	ref := storage.Ref{Digest: storage.Digest(content), Size: int64(len(content))}
	if _, err := b.Get(t.Context(), ref); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("after the broken write: %v", err)
	}
	if again, err := b.Put(t.Context(), content); err != nil || again != ref {
		t.Errorf("the next write: %v", err)
	}
	if _, err := b.Get(t.Context(), ref); err != nil {
		t.Error(err)
	}
}

func halfBody(t *testing.T, p *proxy, address string) {
	t.Helper()
	b := open(t, address)
	ref, err := b.Put(t.Context(), []byte(fmt.Sprintf("%0200d", 1)))
	if err != nil {
		t.Fatal(err)
	}
	p.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, ref.Digest) {
			return false
		}
		partial(w)
		return true
	})
	defer p.hurt.Store(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	path := filepath.Join(t.TempDir(), "f")
	if err := b.GetFile(ctx, ref, path); err == nil {
		t.Error("half a body was taken")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("half a file was left: %v", err)
	}
}
