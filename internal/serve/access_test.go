package serve_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"rdrec/internal/serve"
)

// TestTokenIsRequired requests every path without, with a wrong and with the right token.
func TestTokenIsRequired(t *testing.T) {
	r := start(t, newFakeSource(t, &fakeStudent{}), func(o *serve.Options) { o.Token = "s3cret" })
	r.ready("shop/1")
	for path, open := range map[string]bool{
		"/healthz": true, "/readyz": true, "/recommend/U1": false, "/explain/U1/B1": false, "/metrics": false,
		"/openapi.json": false,
	} {
		for header, authorized := range map[string]bool{
			"": false, "Bearer wrong": false, "s3cret": false, "Basic s3cret": false, "Bearer s3cret": true,
		} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if header != "" {
				request.Header.Set("Authorization", header)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if err := response.Body.Close(); err != nil {
				t.Fatal(err)
			}
			want := http.StatusOK
			if !open && !authorized {
				want = http.StatusUnauthorized
			}
			if response.StatusCode != want {
				t.Errorf("%s with %q: status %d, want %d", path, header, response.StatusCode, want)
			}
			challenge := response.Header.Get("WWW-Authenticate")
			if (challenge == "Bearer") != (want != http.StatusOK) {
				t.Errorf("%s with %q: challenge %q", path, header, challenge)
			}
		}
	}
	if strings.Contains(r.log.String(), "s3cret") {
		t.Error("the token is in the log")
	}
}

// certificate writes a certificate of 127.0.0.1 and its key, and returns the pool that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return certFile, keyFile, pool
}

func TestTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	r := start(t, newFakeSource(t, &fakeStudent{}), func(o *serve.Options) { o.Certificate, o.Key = cert, key })
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(
		t.Context(), http.MethodGet, strings.Replace(r.url, "http:", "https:", 1)+"/healthz", http.NoBody,
	)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.TLS == nil {
		t.Errorf("status %d, TLS %v", response.StatusCode, response.TLS)
	}
	if plain := r.get("/healthz"); plain.status != http.StatusBadRequest {
		t.Errorf("without TLS: status %d", plain.status)
	}
}

// TestConnectionsAreBounded opens two connections of a server that allows one: the second waits
// until the first is closed.
func TestConnectionsAreBounded(t *testing.T) {
	r := start(t, newFakeSource(t, &fakeStudent{}), func(o *serve.Options) { o.Connections = 1 })
	address := strings.TrimPrefix(r.url, "http://")
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	answered := func(conn net.Conn, within time.Duration) bool {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Read(make([]byte, 1))
		return err == nil
	}
	first := dial()
	if !answered(first, 10*time.Second) {
		t.Fatal("the first connection gets no response")
	}
	second := dial()
	defer second.Close()
	if answered(second, 200*time.Millisecond) {
		t.Error("a second connection is served beside the first")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if !answered(second, 10*time.Second) {
		t.Error("the second connection is not served after the first")
	}
}

// TestOpenAddressesAreWarnedOf listens on all addresses and on the loopback.
func TestOpenAddressesAreWarnedOf(t *testing.T) {
	for _, c := range []struct {
		address, token string
		want           []string
	}{
		{"127.0.0.1:0", "", nil},
		{"0.0.0.0:0", "", []string{"no authentication", "no TLS"}},
		{"0.0.0.0:0", "s3cret", []string{"no TLS"}},
	} {
		l, err := net.Listen("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		log := &lines{}
		options := serve.DefaultOptions()
		options.Token = c.token
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // the server starts and ends
		server := serve.New(newFakeSource(t, &fakeStudent{}), options, zerolog.New(log), time.Now)
		if err := server.Run(ctx, l); err != nil {
			t.Error(err)
		}
		for _, text := range []string{"no authentication", "no TLS"} {
			wanted := strings.Contains(strings.Join(c.want, " "), text)
			if strings.Contains(log.String(), text) != wanted {
				t.Errorf("%+v: log %s", c, log)
			}
		}
	}
}
