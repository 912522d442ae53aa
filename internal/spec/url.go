package spec

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"rdrec/internal/document"
)

// URL is the place of files in a bucket, such as s3://BUCKET/KEY?region=eu-central-1. It has no
// credentials: those come from the worker's environment.
type URL struct {
	// Bucket is the URL of the bucket with its parameters. Key names an object, a folder or a
	// pattern in it; an empty one is the whole bucket. For file:// it is a path of the worker.
	Bucket, Key string
}

// fileScheme is the scheme of URLs that are paths of the worker.
const fileScheme = "file"

// URLSchemes returns the schemes of [URL].
func URLSchemes() []string { return []string{"s3", "gs", "azblob", fileScheme} }

// startOfURL matches the beginning of a URL. No path begins so: a folder's name may end in a colon,
// but a path has no empty folder.
var startOfURL = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// IsURL reports whether a path of a spec is a URL.
func IsURL(path string) bool { return startOfURL.MatchString(path) }

// credential matches the parameters of URLs that hold keys, tokens or signatures.
var credential = regexp.MustCompile(`(?i)(secret|token|signature|password|credential|^sig$|access_?key)`)

// Errors of [ParseURL].
var (
	errURLCredentials = errors.New("contains credentials in its URL, and specs are stored and shown")
	errURLFragment    = errors.New("has a fragment: write # in a key as %23")
	errURLBucket      = errors.New("names no bucket")
	errURLHost        = errors.New("names a host: file URLs have three slashes")
)

// ParseURL returns the place that a URL names. Its errors contain no part of the URL but the
// scheme.
func ParseURL(text string) (URL, error) {
	address, err := url.Parse(text)
	if err != nil {
		return URL{}, errors.New("is no URL: " + reasonOf(err))
	}
	for name := range address.Query() {
		if credential.MatchString(name) {
			return URL{}, errURLCredentials
		}
	}
	switch {
	case !slices.Contains(URLSchemes(), address.Scheme):
		return URL{}, fmt.Errorf("has the scheme %q, which is no bucket's", address.Scheme)
	case address.User != nil:
		return URL{}, errURLCredentials
	case address.Fragment != "":
		return URL{}, errURLFragment
	case address.Scheme == fileScheme && address.Host != "":
		return URL{}, errURLHost
	case address.Scheme == fileScheme:
		return URL{Bucket: fileScheme + "://", Key: address.Path}, nil
	case address.Host == "":
		return URL{}, errURLBucket
	}
	bucket := url.URL{Scheme: address.Scheme, Host: address.Host, RawQuery: address.RawQuery}
	return URL{Bucket: bucket.String(), Key: strings.TrimPrefix(address.Path, "/")}, nil
}

// reasonOf returns the reason of an error of [url.Parse], without the URL.
func reasonOf(err error) string {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return err.Error()
}

// IsFile reports whether the URL is a path of the worker, which Key has.
func (u URL) IsFile() bool { return u.Bucket == fileScheme+"://" }

// Scheme returns the scheme.
func (u URL) Scheme() string {
	scheme, _, _ := strings.Cut(u.Bucket, "://")
	return scheme
}

// String returns the URL without its parameters, for people.
func (u URL) String() string {
	bucket, _, _ := strings.Cut(u.Bucket, "?")
	return bucket + "/" + strings.TrimPrefix(u.Key, "/")
}

// PathOf returns a path of a spec as one of the worker; inBucket means that it is the URL of a
// bucket instead.
func PathOf(place string) (path string, inBucket bool) {
	if !IsURL(place) {
		return place, false
	}
	if u, err := ParseURL(place); err == nil && u.IsFile() {
		return u.Key, false
	}
	return place, true
}

// InBucket reports whether files of the data are those of a bucket.
func (d Data) InBucket() bool {
	places := []string{d.Folder}
	if d.Reviews != nil {
		places = append(places, d.Reviews.Metadata)
		if d.Accumulated == nil {
			places = append(places, d.Reviews.Path)
		}
	}
	return slices.ContainsFunc(places, func(place string) bool { _, in := PathOf(place); return in })
}

// hintURL is the hint of a URL that cannot be read.
const hintURL = "s3://BUCKET/KEY, gs://BUCKET/KEY, azblob://CONTAINER/KEY or file:///PATH, with parameters such as " +
	"?region=; credentials come from the worker's environment"

// weightsOf returns where the weights of a teacher in the worker's process are; "" for others.
func weightsOf(model string) string {
	prefix, location, _ := strings.Cut(model, ":")
	if slices.Contains([]string{"gguf", "hf", "meta"}, prefix) {
		return location
	}
	return ""
}

// Places returns the paths and URLs of the files that a spec names by keys that may have URLs, by
// their keys; those that are empty, too.
func (s Spec) Places() map[string]string {
	places := map[string]string{"data.folder": s.Data.Folder, "teacher.model": weightsOf(s.Teacher.Model)}
	if s.Data.Reviews != nil {
		places["data.reviews.path"], places["data.reviews.metadata"] = s.Data.Reviews.Path, s.Data.Reviews.Metadata
	}
	return places
}

// checkURLs adds a diagnostic for each URL that names no files of a bucket, and for each one where
// only a path can be.
func checkURLs(d *document.Document, s Spec) {
	places := s.Places()
	for _, key := range slices.Sorted(maps.Keys(places)) {
		if !IsURL(places[key]) {
			continue
		}
		if _, err := ParseURL(places[key]); err != nil {
			d.AddDiagnostic(key, err.Error(), hintURL)
		}
	}
	if IsURL(s.Student.Pretrained) {
		d.AddDiagnostic("student.pretrained",
			"is a URL, and the student's weights are read from a folder of the worker",
			"copy them to the workers, or mount the bucket")
	}
	if s.Nightly != nil && s.Nightly.Source != nil && IsURL(s.Nightly.Source.Path) {
		d.AddDiagnostic("nightly.source.path", "is a URL, and sources are read from a path of the worker",
			"put the files into the inbox of the bucket (nightly.inbox), or mount the bucket")
	}
}
