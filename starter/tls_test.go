package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rdrec/internal/exitcode"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// issue writes NAME.pem and NAME.key, signed by the authority, or by itself if it is the first.
func (a *authority) issue(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return signed, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// demandingProxy returns the address of a proxy to a server. The proxy demands TLS, a certificate
// of the authority, and an API key.
func (a *authority) demandingProxy(server, apiKey string) string {
	a.t.Helper()
	a.issue("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	a.issue("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	pair, err := tls.LoadX509KeyPair(a.file("server.pem"), a.file("server.key"))
	if err != nil {
		a.t.Fatal(err)
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	forward.Transport, forward.FlushInterval = transport, -1
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+apiKey {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "16")
			w.Header().Set("Grpc-Message", "Request unauthorized.")
			return
		}
		forward.ServeHTTP(w, r)
	}))
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	proxy.EnableHTTP2, proxy.TLS = true, &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12,
	}
	proxy.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	proxy.StartTLS()
	a.t.Cleanup(proxy.Close)
	return proxy.Listener.Addr().String()
}

// certPath is the variable with the path of the client's certificate.
const certPath = "TEMPORAL_TLS_CLIENT_CERT_PATH"

// TestServerThatDemandsTLS connects to a server behind a proxy that demands TLS, a client's
// certificate and an API key: with all of them, and with each of them missing or wrong.
func TestServerThatDemandsTLS(t *testing.T) {
	env := &testEnv{}
	server, namespace := servers.Take(t)
	env.namespace = namespace
	ours, other := newAuthority(t), newAuthority(t)
	env.address = ours.demandingProxy(server, "right-key")
	type settings = map[string]string
	for name, test := range map[string]struct {
		change settings
		want   string
	}{
		"all":              {nil, ""},
		"no TLS":           {settings{"TEMPORAL_TLS": "false", "TEMPORAL_API_KEY": ""}, "TEMPORAL_TLS=true"},
		"another CA":       {settings{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": other.file("ca.pem")}, "SERVER_CA_CERT_PATH"},
		"no certificate":   {settings{certPath: "", "TEMPORAL_TLS_CLIENT_KEY_PATH": ""}, certPath},
		"another API key":  {settings{"TEMPORAL_API_KEY": "wrong-key"}, "TEMPORAL_API_KEY"},
		"another hostname": {settings{"TEMPORAL_TLS_SERVER_NAME": "shop.example"}, "TEMPORAL_TLS_SERVER_NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			all := settings{
				"TEMPORAL_TLS": "true", "TEMPORAL_TLS_SERVER_CA_CERT_PATH": ours.file("ca.pem"),
				certPath: ours.file("client.pem"), "TEMPORAL_TLS_CLIENT_KEY_PATH": ours.file("client.key"),
				"TEMPORAL_API_KEY": "right-key",
			}
			maps.Copy(all, test.change)
			code := exitcode.OK
			if test.want != "" {
				code = exitcode.NoServer
			}
			for key, value := range all {
				t.Setenv(key, value)
			}
			stderr := &watchedBuffer{}
			_, got := env.command(t, stderr, "list")
			if text := stderr.String(); got != code || !strings.Contains(text, test.want) ||
				strings.Contains(text, "right-key") {
				t.Errorf("code %d, want %d with %q:\n%s", got, code, test.want, text)
			}
			t.Log(strings.TrimSpace(stderr.String()))
		})
	}
}
