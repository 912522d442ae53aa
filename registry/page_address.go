package registry

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// pagesPortOffset is the distance between the ports of "starter dev" and of the pages that it
// serves.
const pagesPortOffset = 2000

// PagesAddress returns the address at which "starter dev" serves a bucket's pages, by the address
// of its Temporal server; "" unless that is on the loopback interface.
func PagesAddress(temporal string) string {
	host, port, err := net.SplitHostPort(temporal)
	if err != nil {
		return ""
	}
	number, err := strconv.Atoi(port)
	ip := net.ParseIP(host)
	if err != nil || number+pagesPortOffset > 65535 || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(number+pagesPortOffset))
}

// PagesIdentity is the path at which served pages answer with their bucket's id.
const PagesIdentity = "/bucket"

// probeTimeout bounds a look at the address of served pages.
const probeTimeout = 2 * time.Second

// PageURL returns where a browser finds a page of a bucket: behind the prefix or, without one, at
// the address, if that serves the bucket of this id; "" if neither is known.
func PageURL(ctx context.Context, prefix, address, bucket, key string) string {
	if prefix == "" && address != "" && servesBucket(ctx, address, bucket) {
		prefix = "http://" + address
	}
	if prefix == "" {
		return ""
	}
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.TrimSuffix(prefix, "/") + "/" + strings.Join(parts, "/")
}

// servesBucket reports whether an address serves the pages of a bucket.
func servesBucket(ctx context.Context, address, bucket string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+PagesIdentity, http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	const most = 1000
	id, err := io.ReadAll(io.LimitReader(response.Body, most))
	return err == nil && response.StatusCode == http.StatusOK && string(id) == bucket
}
