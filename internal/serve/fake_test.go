package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/recommender"
	"rdrec/internal/serve"
	"rdrec/internal/task"
)

// fakeStudent is a student with fixed rankings that the test can block, so that queues and model
// swaps are tested without races. The worker's tests use a real student.
type fakeStudent struct {
	release chan struct{} // blocks each batch; nil means never
	batches chan int      // receives the size of each batch
	fail    error
}

func (s *fakeStudent) pass(ctx context.Context, n int) error {
	if s.batches != nil {
		s.batches <- n
	}
	if s.release != nil {
		select {
		case <-s.release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.fail
}

func (s *fakeStudent) Recommend(
	ctx context.Context, users []dataset.User, k int, _ func(done, total int),
) ([]prediction.Prediction, error) {
	rankings := make([]prediction.Prediction, len(users))
	for i, user := range users {
		for item := 1; item <= 9 && len(rankings[i].Items) < k; item++ {
			if item != user.Items[0] {
				rankings[i].Items = append(rankings[i].Items, item)
				rankings[i].Scores = append(rankings[i].Scores, -float64(item))
			}
		}
	}
	return rankings, s.pass(ctx, len(users))
}

func (s *fakeStudent) Explain(ctx context.Context, pairs []task.Pair, _ func(done, total int)) ([]string, error) {
	texts := make([]string, len(pairs))
	for i, pair := range pairs {
		texts[i] = fmt.Sprintf("%d likes %d", pair.User, pair.Item)
	}
	return texts, s.pass(ctx, len(pairs))
}

func (s *fakeStudent) Close() {}

// testDataset returns a dataset of nine items; the history of user n starts with item 1 + n mod 3.
func testDataset(users int) *dataset.Dataset {
	data := &dataset.Dataset{Name: "shop", Items: 9, Titles: []string{"Soap"}}
	for i := range 9 {
		data.ItemIDs = append(data.ItemIDs, fmt.Sprintf("B%d", i+1))
	}
	for n := 1; n <= users; n++ {
		data.Users = append(data.Users, dataset.User{ID: n, Items: []int{1 + n%3, 4}})
		data.UserIDs = append(data.UserIDs, fmt.Sprintf("U%d", n))
	}
	return data
}

// fakeSource is a source whose model the test sets.
type fakeSource struct {
	t              *testing.T
	mutex          sync.Mutex
	version        string
	student        *fakeStudent
	rows           []recommender.Row
	top            int
	noExplanations bool
	freed          chan string
}

func newFakeSource(t *testing.T, student *fakeStudent) *fakeSource {
	t.Helper()
	return &fakeSource{t: t, version: "shop/1", student: student, freed: make(chan string, 8)}
}

func (s *fakeSource) promote(version string, student *fakeStudent) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.version, s.student = version, student
}

func (s *fakeSource) Version(context.Context) (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.version == "" {
		return "", errors.New("nothing is promoted")
	}
	return s.version, nil
}

func (s *fakeSource) Open(context.Context) (*serve.Model, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	rec := recommender.New(testDataset(40), s.student)
	version := s.version
	m := &serve.Model{
		Name: version, Version: version, Recommender: rec, Explains: !s.noExplanations,
		Close: func() { s.freed <- version },
	}
	if s.rows != nil {
		path := filepath.Join(s.t.TempDir(), "table.jsonl")
		f, err := os.Create(path)
		if err != nil {
			return nil, err
		}
		enc := json.NewEncoder(f)
		for _, row := range s.rows {
			if err := enc.Encode(row); err != nil {
				return nil, err
			}
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		if m.Table, err = serve.OpenTable(path, s.top); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// running is a server on the loopback interface.
type running struct {
	t     *testing.T
	url   string
	stop  func()
	ended chan error
	log   *lines
}

// lines is the log.
type lines struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

func start(t *testing.T, source serve.Source, change func(*serve.Options)) *running {
	t.Helper()
	o := serve.DefaultOptions()
	o.Poll, o.Window = 2*time.Millisecond, time.Millisecond
	if change != nil {
		change(&o)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, url: "http://" + l.Addr().String(), stop: cancel, ended: make(chan error, 1), log: &lines{}}
	server := serve.New(source, o, zerolog.New(r.log), time.Now)
	go func() { r.ended <- server.Run(ctx, l); close(r.ended) }()
	t.Cleanup(func() {
		cancel()
		for err := range r.ended {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return r
}

// ready waits until a model answers.
func (r *running) ready(model string) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if a := r.get("/readyz"); a.status == http.StatusOK && strings.Contains(a.body, `"`+model+`"`) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("model %q is never ready:\n%s", model, r.log)
		}
	}
}

type reply struct {
	status int
	body   string
	header http.Header
}

func (r *running) do(method, path string) reply {
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, http.NoBody)
	if err != nil {
		r.t.Error(err)
		return reply{}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Error(err)
		return reply{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Error(err)
	}
	return reply{response.StatusCode, string(body), response.Header}
}

func (r *running) get(path string) reply { return r.do(http.MethodGet, path) }

// recommendations returns the response of a path, which must have status 200.
func (r *running) recommendations(path string) serve.Recommendations {
	r.t.Helper()
	a := r.get(path)
	var found serve.Recommendations
	if err := json.Unmarshal([]byte(a.body), &found); err != nil || a.status != http.StatusOK {
		r.t.Errorf("%s: %d, %v, %s", path, a.status, err, a.body)
	}
	return found
}
