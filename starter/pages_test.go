package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rdrec/storage"
)

// TestPages asks for pages, for other objects and under another host name.
func TestPages(t *testing.T) {
	t.Parallel()
	bucket, err := storage.Open(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	identity, err := bucket.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"report.html", storage.RunRecord} {
		if err := bucket.PutRun(t.Context(), "shop", "1", name, []byte("<p>"+name)); err != nil {
			t.Fatal(err)
		}
	}
	p := &pages{open: func(context.Context) (*storage.Bucket, error) { return bucket, nil }}
	defer p.close()
	const host = "127.0.0.1:9233"
	for _, c := range []struct {
		host, path string
		status     int
		body       string
	}{
		{host, "/bucket", http.StatusOK, identity.ID},
		{host, "/", http.StatusOK, `<a href="/runs/shop/1/report.html">shop</a>`},
		{host, "/runs/shop/1/report.html", http.StatusOK, "<p>report.html"},
		{host, "/runs/shop/1/run.json", http.StatusNotFound, ""},
		{"localhost:9233", "/runs/shop/1/report.html", http.StatusOK, "<p>report.html"},
		{host, "/bucket.json", http.StatusNotFound, ""},
		{"evil.example", "/runs/shop/1/report.html", http.StatusMisdirectedRequest, ""},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.host+c.path, http.NoBody)
		answer := httptest.NewRecorder()
		p.handler().ServeHTTP(answer, request)
		body, err := io.ReadAll(answer.Result().Body)
		if err != nil || answer.Code != c.status || !strings.Contains(string(body), c.body) {
			t.Errorf("%s%s: %d %s, %v", c.host, c.path, answer.Code, body, err)
		}
	}
}
