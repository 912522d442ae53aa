package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/spec"
	"rdrec/storage/storagetest"
)

// doctor explains what is wrong with the URLs of a spec; a run leaves that to the workers.
func TestDoctorOfURLs(t *testing.T) {
	server := storagetest.NewS3(t, map[string]string{"raw/a.json": "{}", "model.gguf": "x", storagetest.Forbidden: "x"})
	s := spec.Default()
	s.Teacher.Model = "gguf:" + server.Of("model.gguf")
	s.Data.Reviews = &spec.Reviews{Path: server.Of("raw"), Metadata: server.Of("none.json")}
	if problems := findFiles(s); len(problems) > 0 {
		t.Errorf("a run looks for %+v", problems)
	}
	d := &doctor{app: &app{stdout: &bytes.Buffer{}}}
	d.checkURLs(t.Context(), s)
	s.Data.Reviews.Path = server.Of(storagetest.Forbidden)
	d.checkURLs(t.Context(), s)
	want := []finding{
		{Check: "data.reviews.metadata", State: checkFailed, Found: "no object is there", Fix: "region and endpoint"},
		{Check: "data.reviews.path", State: checkOK, Found: "s3://shop/raw: 1 file, 2 B"},
		{Check: "teacher.model", State: checkOK, Found: "s3://shop/model.gguf: 1 file, 1 B"},
		{Check: "data.reviews.metadata", State: checkFailed, Found: "no object is there", Fix: "region and endpoint"},
		{Check: "data.reviews.path", State: checkFailed, Found: "access is denied", Fix: "AWS_ACCESS_KEY_ID"},
		{Check: "teacher.model", State: checkOK, Found: "s3://shop/model.gguf: 1 file, 1 B"},
	}
	for i, got := range d.findings {
		if i >= len(want) || got.Check != want[i].Check || got.State != want[i].State ||
			!strings.Contains(got.Found, want[i].Found) || !strings.Contains(got.Fix, want[i].Fix) {
			t.Errorf("finding %d: %+v", i, got)
		}
		if strings.Contains(got.Found+got.Fix, "127.0.0.1") {
			t.Errorf("the endpoint is shown: %+v", got)
		}
	}
	if len(d.findings) != len(want) {
		t.Errorf("%d findings, want %d", len(d.findings), len(want))
	}
}

func TestNamesOfURLs(t *testing.T) {
	t.Parallel()
	for place, want := range map[string]string{
		"s3://shop/raw/beauty.2024.json?region=eu": "beauty", "data/beauty.json": "beauty", "gs://shop/raw/": "raw",
	} {
		s := spec.Default()
		s.Data.Reviews = &spec.Reviews{Path: filepath.ToSlash(place)}
		if got := dataName(s); got != want {
			t.Errorf("%s is named %q, want %q", place, got, want)
		}
	}
}
