package serve_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/recommender"
	"rdrec/internal/serve"
)

func TestSourceOrderIsTableLivePopularity(t *testing.T) {
	source := newFakeSource(t, &fakeStudent{})
	source.rows = []recommender.Row{
		{User: "U1", Rank: 1, Item: "B7", Title: "Seven", Score: -0.5, Explanation: "because"},
		{User: "U1", Rank: 2, Item: "B8", Score: -1},
		{User: "U2", Rank: 1, Item: "B9", Score: -2},
	}
	source.top = 2
	r := start(t, source, nil)
	r.ready("shop/1")
	first, second := -0.5, -1.0
	want := serve.Recommendations{User: "U1", Model: "shop/1", Source: "table", Items: []serve.Item{
		{Rank: 1, Item: "B7", Title: "Seven", Score: &first, Explanation: "because"},
		{Rank: 2, Item: "B8", Score: &second},
	}}
	if diff := cmp.Diff(want, r.recommendations("/recommend/U1?k=2")); diff != "" {
		t.Error(diff)
	}
	if got := r.recommendations("/recommend/U1?k=1"); len(got.Items) != 1 || got.Source != "table" {
		t.Errorf("%+v", got)
	}
	// More items than the table has, and a user who is not in the table.
	got := r.recommendations("/recommend/U1?k=3")
	if got.Source != "live" || len(got.Items) != 3 || got.Items[0].Item != "B1" || got.Items[0].Title != "Soap" {
		t.Errorf("%+v", got)
	}
	got = r.recommendations("/recommend/U3?k=2")
	if got.Source != "live" || got.Items[1].Item != "B3" || *got.Items[1].Score != -3 {
		t.Errorf("%+v", got)
	}
	got = r.recommendations("/recommend/some%2Fone%20new?k=2")
	if got.User != "some/one new" || !got.Cold || got.Source != "popularity" {
		t.Errorf("%+v", got)
	}
	if len(got.Items) != 2 || got.Items[0].Score != nil {
		t.Errorf("%+v", got.Items)
	}
	for path, want := range map[string]string{
		"/explain/U1/B7": `{"user":"U1","item":"B7","model":"shop/1","source":"table","explanation":"because"}`,
		"/explain/U1/B1": `{"user":"U1","item":"B1","title":"Soap","model":"shop/1","source":"live",` +
			`"explanation":"1 likes 1"}`,
		"/explain/U5/B8": `{"user":"U5","item":"B8","model":"shop/1","source":"live","explanation":"5 likes 8"}`,
	} {
		if a := r.get(path); a.status != http.StatusOK || strings.TrimSpace(a.body) != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	const entry = `"route":"/recommend/{user}","status":200`
	if log := r.log.String(); strings.Contains(log, "U1") || !strings.Contains(log, entry) {
		t.Errorf("the access log has users' ids, or no routes:\n%s", log)
	}
}

func TestConcurrentRequestsAreBatched(t *testing.T) {
	student := &fakeStudent{release: make(chan struct{}), batches: make(chan int, 64)}
	r := start(t, newFakeSource(t, student), func(o *serve.Options) { o.Batch = 8 })
	r.ready("shop/1")
	var sent sync.WaitGroup
	request := func(path string) {
		sent.Go(func() {
			if a := r.get(path); a.status != http.StatusOK {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		})
	}
	request("/recommend/U1")
	if n := <-student.batches; n != 1 {
		t.Errorf("the first batch has %d requests", n)
	}
	for i := range 20 { // these wait while the first is decoded
		request(fmt.Sprintf("/recommend/U%d", i+2))
	}
	for strings.Count(r.get("/metrics").body, "\n") == 0 {
		t.Fatal("no metrics")
	}
	close(student.release)
	sent.Wait()
	close(student.batches)
	batches, largest := 0, 0
	for n := range student.batches {
		batches++
		largest = max(largest, n)
	}
	if largest > 8 || batches >= 20 {
		t.Errorf("20 requests made %d batches of at most %d", batches, largest)
	}
}

func TestFullQueueReturns429(t *testing.T) {
	student := &fakeStudent{release: make(chan struct{}), batches: make(chan int, 64)}
	r := start(t, newFakeSource(t, student), func(o *serve.Options) { o.Queue, o.Batch = 3, 1 })
	r.ready("shop/1")
	var sent sync.WaitGroup
	var answered, rejected atomic.Int64
	sent.Go(func() { r.get("/recommend/U1") })
	<-student.batches
	for range 10 {
		sent.Go(func() {
			switch a := r.get("/recommend/U2"); a.status {
			case http.StatusOK:
				answered.Add(1)
			case http.StatusTooManyRequests:
				if a.header.Get("Retry-After") != "1" || a.header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("headers %v", a.header)
				}
				rejected.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	for rejected.Load() < 7 { // the queue holds three
		time.Sleep(time.Millisecond)
	}
	close(student.release)
	sent.Wait()
	if answered.Load() != 3 || rejected.Load() != 7 {
		t.Errorf("%d answered, %d rejected; want 3 and 7", answered.Load(), rejected.Load())
	}
	want := `rdrec_requests_total{route="/recommend/{user}",status="429"} 7`
	if metrics := r.get("/metrics").body; !strings.Contains(metrics, want) {
		t.Errorf("the metrics lack %s:\n%s", want, metrics)
	}
}

func TestPromotionSwapsModelAndFreesTheOldOne(t *testing.T) {
	first := &fakeStudent{release: make(chan struct{}), batches: make(chan int, 64)}
	source := newFakeSource(t, first)
	r := start(t, source, nil)
	r.ready("shop/1")
	old := make(chan serve.Recommendations, 1)
	go func() { old <- r.recommendations("/recommend/U1") }()
	<-first.batches
	source.promote("shop/2", &fakeStudent{})
	r.ready("shop/2")
	if got := r.recommendations("/recommend/nobody"); got.Model != "shop/2" {
		t.Errorf("%+v", got)
	}
	select {
	case freed := <-source.freed:
		t.Errorf("%s is freed while it has an open request", freed)
	default:
	}
	close(first.release)
	if got := <-old; got.Model != "shop/1" || len(got.Items) == 0 {
		t.Errorf("the old model's last response: %+v", got)
	}
	if freed := <-source.freed; freed != "shop/1" {
		t.Errorf("freed %s", freed)
	}
	// The model stays in use if the source fails.
	source.promote("", nil)
	for !strings.Contains(r.log.String(), "no newer model") {
		time.Sleep(time.Millisecond)
	}
	if got := r.recommendations("/recommend/U2"); got.Model != "shop/2" || got.Source != "live" {
		t.Errorf("%+v", got)
	}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	if freed := <-source.freed; freed != "shop/2" {
		t.Errorf("freed %s", freed)
	}
}

func TestShutdownFinishesOpenRequests(t *testing.T) {
	student := &fakeStudent{release: make(chan struct{}), batches: make(chan int, 1)}
	source := newFakeSource(t, student)
	source.freed = make(chan string) // so that a model is not freed before the test receives
	r := start(t, source, nil)
	r.ready("shop/1")
	last := make(chan serve.Recommendations, 1)
	go func() { last <- r.recommendations("/recommend/U1") }()
	<-student.batches
	r.stop()
	for !strings.Contains(r.log.String(), "draining") {
		time.Sleep(time.Millisecond)
	}
	close(student.release)
	if got := <-last; len(got.Items) == 0 {
		t.Errorf("%+v", got)
	}
	select {
	case err := <-r.ended:
		t.Fatalf("the server ended before its model was freed: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	<-source.freed
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(r.url, "http://"), time.Second); err == nil {
		t.Error("the server still listens")
	}
}
