package spec_test

import (
	"strings"
	"testing"

	"rdrec/internal/spec"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]spec.URL{
		"s3://shop/raw/a.json?region=eu-central-1": {Bucket: "s3://shop?region=eu-central-1", Key: "raw/a.json"},
		"gs://shop":            {Bucket: "gs://shop"},
		"azblob://shop/a%23b/": {Bucket: "azblob://shop", Key: "a#b/"},
		"file:///srv/a.json":   {Bucket: "file://", Key: "/srv/a.json"},
	} {
		u, err := spec.ParseURL(text)
		if err != nil || u != want {
			t.Errorf("%s: %+v, %v, want %+v", text, u, err, want)
		}
		if shown := u.String(); strings.Contains(shown, "?") || !strings.Contains(shown, "://") {
			t.Errorf("%s: shown as %s", text, shown)
		}
	}
	for text, want := range map[string]string{
		"http://shop/a":                         `has the scheme "http"`,
		"s3://key:hunter2@shop/a":               "contains credentials",
		"s3://shop/a?X-Amz-Signature=hunter2":   "contains credentials",
		"azblob://shop/a?sig=hunter2":           "contains credentials",
		"s3://shop/a?access_key=hunter2":        "contains credentials",
		"s3://shop/a#hunter2":                   "has a fragment",
		"s3:///hunter2":                         "names no bucket",
		"file://hunter2/a":                      "names a host",
		"s3://shop/%zz?secret=hunter2":          "is no URL",
		"s3://key:hunter2@shop:port/a?region=x": "is no URL",
	} {
		_, err := spec.ParseURL(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestURLsOfSpecs(t *testing.T) {
	t.Parallel()
	const valid = "name: shop\nmethods: [rdrec]\ndata: {reviews: {path: s3://shop/raw/}}\n"
	loaded, err := spec.Parse("shop.yaml", []byte(valid), []string{"teacher.model=gguf:gs://models/a.gguf"})
	if err != nil || !loaded.Data.InBucket() {
		t.Fatalf("in a bucket: %t, %v", loaded.Data.InBucket(), err)
	}
	for set, want := range map[string]string{
		"data.reviews.path=ftp://shop/a":                     `data.reviews.path: has the scheme "ftp"`,
		"data.reviews.metadata=s3://u:hunter2@shop/a":        "data.reviews.metadata: contains credentials",
		"teacher.model=hf:https://huggingface.co/Qwen/Qwen3": `teacher.model: has the scheme "https"`,
		"student.pretrained=s3://shop/t5":                    "student.pretrained: is a URL",
	} {
		_, err := spec.Parse("shop.yaml", []byte(valid), []string{set})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", set, err, want)
		}
	}
	for place, want := range map[string]bool{"a/b.json": false, "s3:/a": false, "file:///a": false, "gs://a/b": true} {
		if (spec.Data{Folder: place}).InBucket() != want {
			t.Errorf("%s: in a bucket %t", place, !want)
		}
	}
}
