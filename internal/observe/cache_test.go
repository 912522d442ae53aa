package observe_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rdrec/internal/observe"
)

func TestCacheMetrics(t *testing.T) {
	t.Parallel()
	m := observe.New(time.Now)
	m.CacheHits("content", func() int64 { return 3 })
	m.CacheHits("sources", func() int64 { return 1 })
	m.Fetched(func() int64 { return 1 << 20 })
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`rdrec_cache_hits_total{cache="content"} 3`, `rdrec_cache_hits_total{cache="sources"} 1`,
		"rdrec_source_fetched_bytes_total 1.048576e+06",
	} {
		if !strings.Contains(recorder.Body.String(), want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
}
