package registry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"rdrec/registry"
)

func TestPagesAddress(t *testing.T) {
	t.Parallel()
	for temporal, want := range map[string]string{
		"127.0.0.1:7233": "127.0.0.1:9233", "localhost:7300": "localhost:9300", "[::1]:7233": "[::1]:9233",
		"10.0.0.7:7233": "", "temporal:7233": "", "127.0.0.1": "", "127.0.0.1:64000": "",
	} {
		if got := registry.PagesAddress(temporal); got != want {
			t.Errorf("%q: %q, want %q", temporal, got, want)
		}
	}
}

// TestPageURL prefers the prefix, and asks whose pages an address serves.
func TestPageURL(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == registry.PagesIdentity {
			_, _ = io.WriteString(w, "mine") //nolint:errcheck // the client reports it
		}
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	for _, c := range []struct{ prefix, bucket, want string }{
		{"https://reports.example/b/", "mine", "https://reports.example/b/runs/a%20b/1/report.html"},
		{"", "mine", "http://" + address + "/runs/a%20b/1/report.html"},
		{"", "another", ""},
	} {
		if got := registry.PageURL(t.Context(), c.prefix, address, c.bucket, "runs/a b/1/report.html"); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if got := registry.PageURL(t.Context(), "", "", "mine", "runs/a/1/report.html"); got != "" {
		t.Errorf("without an address: %q", got)
	}
}
