package serve_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"rdrec/internal/serve"
)

// object is a JSON object.
type object = map[string]any

// field returns a nested object of a document, or nil.
func field(o object, keys ...string) object {
	for _, key := range keys {
		part, ok := o[key].(object)
		if !ok {
			return nil
		}
		o = part
	}
	return o
}

// list returns an array of an object, or nil.
func list(o object, key string) []any {
	all, ok := o[key].([]any)
	if !ok {
		return nil
	}
	return all
}

// schemaViolations returns the differences between a value and its schema.
func schemaViolations(document, schema object, value any, at string) []string {
	if ref, ok := schema["$ref"].(string); ok {
		path := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		return schemaViolations(document, field(document, path...), value, at)
	}
	var violations []string
	if allowed := list(schema, "enum"); allowed != nil && !slices.Contains(allowed, value) {
		violations = append(violations, fmt.Sprintf("%s is %v, not of %v", at, value, allowed))
	}
	switch v := value.(type) {
	case object:
		for _, name := range list(schema, "required") {
			if _, ok := v[fmt.Sprint(name)]; !ok {
				violations = append(violations, fmt.Sprintf("%s lacks %v", at, name))
			}
		}
		for name, part := range v {
			known := field(schema, "properties", name)
			if known == nil {
				violations = append(violations, fmt.Sprintf("%s has %s, which is not documented", at, name))
				continue
			}
			violations = append(violations, schemaViolations(document, known, part, at+"."+name)...)
		}
	case []any:
		for i, part := range v {
			element := fmt.Sprintf("%s[%d]", at, i)
			violations = append(violations, schemaViolations(document, field(schema, "items"), part, element)...)
		}
	case string, bool, float64:
		is := map[bool]string{true: "number"}[fmt.Sprintf("%T", v) == "float64"]
		if is == "" {
			is = map[string]string{"string": "string", "bool": "boolean"}[fmt.Sprintf("%T", v)]
		}
		if want := schema["type"]; want != is && (want != "integer" || is != "number") {
			violations = append(violations, fmt.Sprintf("%s is %v, documented as %v", at, v, want))
		}
	default:
		violations = append(violations, fmt.Sprintf("%s is %v", at, value))
	}
	return violations
}

// TestOpenAPIDocumentsEveryResponse requests every documented status of every route. Each response
// must have the documented type and fields, and no undocumented status may occur.
func TestOpenAPIDocumentsEveryResponse(t *testing.T) {
	r := start(t, newFakeSource(t, &fakeStudent{}), nil)
	r.ready("shop/1")
	var document object
	if err := json.Unmarshal([]byte(r.get("/openapi.json").body), &document); err != nil {
		t.Fatal(err)
	}
	source := newFakeSource(t, &fakeStudent{})
	source.noExplanations = true
	withoutExplanations := start(t, source, nil)
	withoutExplanations.ready("shop/1")
	failing := start(t, newFakeSource(t, &fakeStudent{fail: errors.New("the device is gone")}), nil)
	failing.ready("shop/1")
	nothing := newFakeSource(t, nil)
	nothing.version = ""
	empty := start(t, nothing, nil)
	blocked := start(t, newFakeSource(t, &fakeStudent{release: make(chan struct{})}), func(o *serve.Options) {
		o.Timeout = 20 * time.Millisecond
	})
	blocked.ready("shop/1")
	// A request for each status; 429 has a test of its own.
	requests := []struct {
		r            *running
		method, path string
		route        string
		status       int
	}{
		{r, "GET", "/recommend/U1?k=3", "/recommend/{user}", 200},
		{r, "GET", "/recommend/nobody", "/recommend/{user}", 200},
		{r, "GET", "/recommend/U1?k=0", "/recommend/{user}", 400},
		{r, "GET", "/recommend/U1?k=21", "/recommend/{user}", 400},
		{r, "GET", "/recommend/U1?k=x", "/recommend/{user}", 400},
		{r, "GET", "/recommend/U1?k=", "/recommend/{user}", 400},
		{r, "GET", "/recommend/U1?k=1&k=2", "/recommend/{user}", 400},
		{r, "GET", "/recommend/U1?page=2", "/recommend/{user}", 400},
		{r, "GET", "/recommend/" + strings.Repeat("u", 257), "/recommend/{user}", 400},
		{r, "POST", "/recommend/U1", "/recommend/{user}", 405},
		{failing, "GET", "/recommend/U1", "/recommend/{user}", 500},
		{empty, "GET", "/recommend/U1", "/recommend/{user}", 503},
		{blocked, "GET", "/recommend/U1", "/recommend/{user}", 504},
		{r, "GET", "/explain/U1/B3", "/explain/{user}/{item}", 200},
		{r, "GET", "/explain/U1/B3?k=2", "/explain/{user}/{item}", 400},
		{r, "GET", "/explain/nobody/B3", "/explain/{user}/{item}", 404},
		{r, "GET", "/explain/U1/nothing", "/explain/{user}/{item}", 404},
		{r, "DELETE", "/explain/U1/B3", "/explain/{user}/{item}", 405},
		{withoutExplanations, "GET", "/explain/U1/B3", "/explain/{user}/{item}", 501},
		{failing, "GET", "/explain/U1/B3", "/explain/{user}/{item}", 500},
		{empty, "GET", "/explain/U1/B3", "/explain/{user}/{item}", 503},
		{blocked, "GET", "/explain/U1/B3", "/explain/{user}/{item}", 504},
		{r, "GET", "/healthz", "/healthz", 200},
		{empty, "GET", "/healthz", "/healthz", 200},
		{r, "PUT", "/healthz", "/healthz", 405},
		{r, "GET", "/readyz", "/readyz", 200},
		{empty, "GET", "/readyz", "/readyz", 503},
		{r, "POST", "/readyz", "/readyz", 405},
		{r, "GET", "/metrics", "/metrics", 200},
		{r, "POST", "/metrics", "/metrics", 405},
		{r, "GET", "/openapi.json", "/openapi.json", 200},
		{r, "POST", "/openapi.json", "/openapi.json", 405},
	}
	remaining := map[string]bool{}
	for path := range field(document, "paths") {
		for status := range field(document, "paths", path, "get", "responses") {
			remaining[path+" "+status] = true
		}
	}
	for _, request := range requests {
		a := request.r.do(request.method, request.path)
		at := request.method + " " + request.path
		if a.status != request.status {
			t.Errorf("%s: %d, want %d: %s", at, a.status, request.status, a.body)
			continue
		}
		delete(remaining, fmt.Sprint(request.route, " ", a.status))
		content := field(document, "paths", request.route, "get", "responses", fmt.Sprint(a.status), "content")
		contentType, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
		kind := fmt.Sprintf(`"type":"about:blank","title":%q`, http.StatusText(request.status))
		if contentType == "application/problem+json" && !strings.Contains(a.body, kind) {
			t.Errorf("%s: the problem lacks %s: %s", at, kind, a.body)
		}
		schema := field(content, contentType, "schema")
		if schema == nil {
			t.Errorf("%s: %d with %q is not documented", at, a.status, contentType)
			continue
		}
		if contentType == "text/plain" || request.path == "/openapi.json" {
			continue
		}
		var value any
		if err := json.Unmarshal([]byte(a.body), &value); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		for _, failure := range schemaViolations(document, schema, value, "response") {
			t.Errorf("%s: %s: %s", at, failure, a.body)
		}
		if o, ok := value.(object); ok && a.status >= 400 && o["hint"] == nil {
			t.Errorf("%s: no hint: %s", at, a.body)
		}
	}
	for name := range remaining {
		if !strings.HasSuffix(name, " 429") {
			t.Errorf("documented, but never returned: %s", name)
		}
	}
	if a := r.get("/elsewhere"); a.status != http.StatusNotFound || !strings.Contains(a.body, `"hint"`) {
		t.Errorf("/elsewhere: %d %s", a.status, a.body)
	}
	if a := r.do(http.MethodHead, "/recommend/U1"); a.status != http.StatusOK || a.body != "" {
		t.Errorf("HEAD: %d %q", a.status, a.body)
	}
}

// TestOpenAPIDocumentsEveryRoute compares the documented paths with those of the handler.
func TestOpenAPIDocumentsEveryRoute(t *testing.T) {
	server := serve.New(newFakeSource(t, nil), serve.DefaultOptions(), zerolog.Nop(), time.Now)
	recorded := httptest.NewRecorder()
	server.Handler().ServeHTTP(recorded, httptest.NewRequest(http.MethodGet, "/openapi.json", http.NoBody))
	var document object
	if err := json.Unmarshal(recorded.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	paths := field(document, "paths")
	if served := server.Paths(); len(paths) != len(served) {
		t.Errorf("%d paths are documented, %v are served", len(paths), served)
	}
	for _, path := range server.Paths() {
		if paths[path] == nil {
			t.Errorf("%s is not documented", path)
		}
	}
}

func TestOpenTableRejectsInvalidFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.jsonl")
	for text, want := range map[string]string{
		"{\"user\":\"a\"}\n{\"user\":\"b\"}\n{\"user\":\"a\"}\n": "line 3",
		"{\"user\":\"a\"}\nnone\n":                               "line 2",
		"{}\n":                                                   "line 1",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := serve.OpenTable(path, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want one with %q", text, err, want)
		}
	}
	lines := "{\"user\":\"a\",\"item\":\"x\"}\n{\"user\":\"b\",\"item\":\"y\"}"
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := serve.OpenTable(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	if rows, ok, err := table.Rows("b"); err != nil || !ok || rows[0].Item != "y" || table.Users() != 2 {
		t.Errorf("%v, %v, %v", rows, ok, err)
	}
}
