package main

import (
	"crypto/tls"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"rdrec/internal/exitcode"
	"rdrec/internal/staging"
)

// demandingProxy returns the address of a proxy to a server. The proxy demands TLS, a certificate
// of the authority, and an API key.
func demandingProxy(t *testing.T, a *staging.Authority, server, apiKey string) string {
	t.Helper()
	a.Issue()
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
	proxy.EnableHTTP2, proxy.TLS = true, &tls.Config{
		Certificates: []tls.Certificate{a.Pair("server")}, ClientCAs: a.Pool(),
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}
	proxy.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
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
	ours, other := staging.NewAuthority(t), staging.NewAuthority(t)
	env.address = demandingProxy(t, ours, server, "right-key")
	type settings = map[string]string
	for name, test := range map[string]struct {
		change settings
		want   string
	}{
		"all":              {nil, ""},
		"no TLS":           {settings{"TEMPORAL_TLS": "false", "TEMPORAL_API_KEY": ""}, "TEMPORAL_TLS=true"},
		"another CA":       {settings{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": other.File("ca.pem")}, "SERVER_CA_CERT_PATH"},
		"no certificate":   {settings{certPath: "", "TEMPORAL_TLS_CLIENT_KEY_PATH": ""}, certPath},
		"another API key":  {settings{"TEMPORAL_API_KEY": "wrong-key"}, "TEMPORAL_API_KEY"},
		"another hostname": {settings{"TEMPORAL_TLS_SERVER_NAME": "shop.example"}, "TEMPORAL_TLS_SERVER_NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			all := ours.Variables()
			all["TEMPORAL_API_KEY"] = "right-key"
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
