package storage_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rdrec/internal/faultproxy"
	"rdrec/storage"
)

// emulator is a blob server of which the suite starts a process of its own.
type emulator struct {
	name, program string
	// signs is false where requests are not signed: such a server wants to be called by its own
	// name.
	signs bool
	// args are its command line on a port and a folder.
	args func(port, dir string) []string
	// bucket makes an empty bucket on a running server, through address, and returns its URL.
	bucket func(t *testing.T, address string) string
}

func emulators() []emulator {
	return []emulator{
		{"s3 (gofakes3)", faultproxy.S3, true, func(port, _ string) []string {
			return []string{"-backend", "memory", "-host", "127.0.0.1:" + port, "-initialbucket", "rdrec"}
		}, s3Bucket},
		{"gs (fake-gcs-server)", "fake-gcs-server", false, func(port, dir string) []string {
			return []string{
				"-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory", "-filesystem-root", dir,
				"-public-host", "127.0.0.1:" + port,
			}
		}, gsBucket},
		{"azblob (Azurite)", "azurite/node_modules/.bin/azurite-blob", true, func(port, _ string) []string {
			return []string{
				"--blobHost", "127.0.0.1", "--blobPort", port, "--silent", "--disableTelemetry",
				"--skipApiVersionCheck", "--inMemoryPersistence",
			}
		}, azureBucket},
	}
}

func s3Bucket(t *testing.T, address string) string {
	t.Helper()
	bucket, env := faultproxy.S3Bucket(address)
	for name, value := range env {
		t.Setenv(name, value)
	}
	return bucket
}

func gsBucket(t *testing.T, address string) string {
	t.Helper()
	t.Setenv("STORAGE_EMULATOR_HOST", address)
	post(t, "http://"+address+"/storage/v1/b?project=test", `{"name":"rdrec"}`)
	return "gs://rdrec?anonymous=true"
}

func post(t *testing.T, address, body string) {
	t.Helper()
	response, err := http.Post(address, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 && response.StatusCode != http.StatusConflict {
		t.Fatalf("%s: %s", address, response.Status)
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

func TestConformanceOnEmulators(t *testing.T) {
	for _, r := range emulators() {
		t.Run(r.name, func(t *testing.T) {
			dir := t.TempDir()
			p := faultproxy.NewProxy(
				t, faultproxy.StartServer(t, r.program, func(port string) []string { return r.args(port, dir) }),
				r.signs,
			)
			address := r.bucket(t, p.Address)
			for name, test := range suite() {
				t.Run(name, func(t *testing.T) { test(t, open(t, address)) })
			}
			t.Run("a few errors are tolerated", func(t *testing.T) { retriesAfterErrors(t, p, address) })
			t.Run("a slow server is waited for", func(t *testing.T) { waitsForSlowServer(t, p, address) })
			t.Run("a broken write leaves no object", func(t *testing.T) { brokenWriteLeavesNoObject(t, p, address) })
			t.Run("half a body is refused", func(t *testing.T) { truncatedBodyIsRejected(t, p, address) })
		})
	}
}

func retriesAfterErrors(t *testing.T, p *faultproxy.Proxy, address string) {
	t.Helper()
	b := open(t, address)
	var n atomic.Int32
	p.Inject(func(w http.ResponseWriter, _ *http.Request) bool {
		if n.Add(1)%3 != 1 {
			return false
		}
		return faultproxy.Unavailable(w, nil)
	})
	defer p.Clear()
	// Whether the library retries or not, a retried operation gets through and what it stores is
	// right.
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

func waitsForSlowServer(t *testing.T, p *faultproxy.Proxy, address string) {
	t.Helper()
	b := open(t, address)
	p.Inject(faultproxy.Delay(300 * time.Millisecond))
	defer p.Clear()
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

func brokenWriteLeavesNoObject(t *testing.T, p *faultproxy.Proxy, address string) {
	t.Helper()
	b := open(t, address)
	content := []byte(strings.Repeat("broken ", 1<<16))
	p.Inject(func(w http.ResponseWriter, r *http.Request) bool {
		return faultproxy.IsWrite(r) && faultproxy.Reset(w, r)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := b.Put(ctx, content)
	p.Clear()
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

func truncatedBodyIsRejected(t *testing.T, p *faultproxy.Proxy, address string) {
	t.Helper()
	b := open(t, address)
	ref, err := b.Put(t.Context(), []byte(fmt.Sprintf("%0200d", 1)))
	if err != nil {
		t.Fatal(err)
	}
	p.Inject(func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodGet && strings.Contains(r.URL.Path, ref.Digest) && faultproxy.Truncate(w, r)
	})
	defer p.Clear()
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
