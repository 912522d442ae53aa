package storagetest

import (
	"bytes"
	"crypto/md5" //nolint:gosec // an ETag
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// S3 is a read-only S3-compatible server of one bucket, for tests of what reads URLs. It knows the
// three requests that reading takes, and refuses one key.
type S3 struct {
	// URL is that of the bucket, with its parameters.
	URL string

	mutex    sync.Mutex
	objects  map[string]string
	requests []string
}

// Forbidden is the key that a server of [NewS3] refuses.
const Forbidden = "forbidden"

// NewS3 starts a server of objects and sets the credentials for it.
func NewS3(t *testing.T, objects map[string]string) *S3 {
	t.Helper()
	s := &S3{objects: objects}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	s.URL = "s3://shop?region=us-east-1&use_path_style=true&endpoint=" + url.QueryEscape(server.URL)
	return s
}

// Of returns the URL of a key.
func (s *S3) Of(key string) string {
	bucket, parameters, _ := strings.Cut(s.URL, "?")
	return bucket + "/" + key + "?" + parameters
}

// Put replaces an object.
func (s *S3) Put(key, content string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.objects[key] = content
}

// Requests returns the requests so far, such as "GET reviews.json" and "LIST reviews/".
func (s *S3) Requests() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP answers a request.
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/shop"), "/")
	content, found := s.objects[key]
	switch {
	case key == "":
		prefix := r.URL.Query().Get("prefix")
		s.requests = append(s.requests, "LIST "+prefix)
		s.list(w, prefix)
		return
	case key == Forbidden:
		refuse(w, http.StatusForbidden, "AccessDenied")
	case !found:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	default:
		w.Header().Set("ETag", etag(content))
		http.ServeContent(w, r, key, time.Unix(1_700_000_000, 0), bytes.NewReader([]byte(content)))
	}
	s.requests = append(s.requests, r.Method+" "+key)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(struct { //nolint:errcheck // the client notices
		XMLName xml.Name `xml:"Error"`
		Code    string
	}{Code: code})
}

func etag(content string) string {
	sum := md5.Sum([]byte(content)) //nolint:gosec // an ETag
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// listed is an object in a listing.
type listed struct {
	Key, LastModified, ETag string
	Size                    int
}

// list lists all objects with the prefix on one page; the mutex is held.
func (s *S3) list(w http.ResponseWriter, prefix string) {
	page := struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Contents []listed
	}{}
	for key, content := range s.objects {
		if strings.HasPrefix(key, prefix) {
			page.Contents = append(page.Contents, listed{key, "2023-11-14T22:13:20Z", etag(content), len(content)})
		}
	}
	slices.SortFunc(page.Contents, func(a, b listed) int { return strings.Compare(a.Key, b.Key) })
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(page) //nolint:errcheck // the client notices
}
