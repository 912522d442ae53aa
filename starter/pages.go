package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"rdrec/registry"
	"rdrec/storage"
)

// pages serves the bucket's reports to browsers on this machine, read-only.
type pages struct {
	open func(context.Context) (*storage.Bucket, error)

	mutex  sync.Mutex
	bucket *storage.Bucket
}

// maxPages is the number of runs on the first page.
const maxPages = 100

// servePages serves the bucket's pages beside a dev server until stop is called, and prints their
// address after a label. A port that is
// taken costs the links to the reports, no more. Without a Web UI, nothing is served.
func (a *app) servePages(label, temporal, ui string) (stop func()) {
	address := registry.PagesAddress(temporal)
	if address == "" || ui == "" {
		return func() {}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		a.logf("warning: reports are not served: %v", err)
		return func() {}
	}
	p := &pages{open: a.openBucket}
	mux := http.NewServeMux()
	mux.Handle("/", p.handler())
	// Without keys, or with keys that cannot be read, which all commands report, there is no codec.
	if payloads, err := environmentPayloads(); err == nil && payloads.Encrypted() {
		mux.Handle(codecPath+"/", onlyLoopback(codecHandler(payloads, ui)))
		a.logf("codec endpoint   http://%s%s", address, codecPath)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: pagesTimeout}
	go server.Serve(listener) //nolint:errcheck // it returns when it is closed
	a.logf("%shttp://%s", label, address)
	return func() {
		_ = server.Close() // the process ends
		p.close()
	}
}

// handler returns the handler of all pages.
func (p *pages) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+registry.PagesIdentity, p.identity)
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET /", p.page)
	return onlyLoopback(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	}))
}

// find returns the bucket, which may come to be after the server.
func (p *pages) find(ctx context.Context) (*storage.Bucket, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.bucket != nil {
		return p.bucket, nil
	}
	bucket, err := p.open(context.WithoutCancel(ctx))
	if err == nil {
		p.bucket = bucket
	}
	return bucket, err
}

func (p *pages) close() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.bucket != nil {
		_ = p.bucket.Close() // nothing was written
	}
}

// identity answers with the bucket's id.
func (p *pages) identity(w http.ResponseWriter, r *http.Request) {
	bucket, err := p.find(r.Context())
	if err == nil {
		var found storage.Identity
		if found, err = bucket.Identity(r.Context()); err == nil {
			send(w, "text/plain; charset=utf-8", []byte(found.ID))
			return
		}
	}
	refuse(w, err)
}

// page answers with a report or a page of nightly runs.
func (p *pages) page(w http.ResponseWriter, r *http.Request) {
	bucket, err := p.find(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/")
	data, err := bucket.ReadPage(r.Context(), key)
	if err != nil {
		refuse(w, err)
		return
	}
	types := map[string]string{".html": "text/html", ".json": "application/json", ".txt": "text/plain"}
	send(w, types[path.Ext(key)]+"; charset=utf-8", data)
}

// index lists the reports of the newest runs.
func (p *pages) index(w http.ResponseWriter, r *http.Request) {
	bucket, err := p.find(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	runs, err := bucket.FinishedRuns(r.Context(), maxPages)
	if err != nil {
		refuse(w, err)
		return
	}
	var page strings.Builder
	page.WriteString("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Reports</title>\n" +
		"<meta name=\"viewport\" content=\"width=device-width\"><style>body{font:16px/1.6 system-ui;margin:2rem}" +
		"</style>\n<h1>Reports</h1>\n<ul>\n")
	for _, run := range runs {
		fmt.Fprintf(&page, "<li><a href=\"/%s\">%s</a>, %s</li>\n",
			html.EscapeString(storage.RunKey(run.Workflow, run.Run, "report.html")), html.EscapeString(run.Workflow),
			run.Ended.Local().Format(time.DateTime))
	}
	page.WriteString("</ul>\n</html>\n")
	send(w, "text/html; charset=utf-8", []byte(page.String()))
}

func send(w http.ResponseWriter, contentType string, data []byte) {
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(data) //nolint:errcheck // the browser went away
}

func refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, storage.ErrNotFound) {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	http.Error(w, "the bucket is not accessible", http.StatusBadGateway)
}
