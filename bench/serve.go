package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/recommender"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// serve is the load test of "worker serve".
type serveBench struct {
	*bench
	seconds float64
	address string
	dir     string
	bucket  *storage.Bucket
	data    *dataset.Dataset
	model   registry.Model
}

// loadLevel is a load on the server.
type loadLevel struct {
	name    string
	clients int
}

// loadResult is the measurement of a load.
type loadResult struct {
	Name     string  `json:"name"`
	Clients  int     `json:"clients"`
	Requests int     `json:"requests"`
	PerS     float64 `json:"requests_per_second"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	// Rejected is the number of responses with status 429, Failed that of others than 200.
	Rejected int `json:"rejected"`
	Failed   int `json:"failed"`
	// Before and After are the server's resident memory in MB, CPU its CPU-seconds per second.
	Before float64 `json:"rss_before_mb"`
	After  float64 `json:"rss_after_mb"`
	CPU    float64 `json:"cpu"`
}

const benchModel = "bench"

// serve measures a server process on the loopback interface: first with live decoding, then with
// precomputed recommendations.
func (b *bench) serve(ctx context.Context, size string, seconds float64) error {
	dir, err := os.MkdirTemp("", "rdrec-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &serveBench{bench: b, seconds: seconds, dir: dir}
	if err := s.promote(ctx, size); err != nil {
		return err
	}
	defer s.bucket.Close()
	fmt.Fprintf(b.out, "%s, %d threads, %s with random weights, %d users, %d items, top 10, %.0f s each\n",
		cpuModel(), b.threads, size, len(s.data.Users), s.data.Items, seconds)
	fmt.Fprintf(b.out, "%-12s %8s %9s %11s %9s %9s %8s %7s %17s %5s\n", "responses", "clients", "requests",
		"requests/s", "p50 ms", "p99 ms", "rejected", "failed", "RSS MB", "CPU")
	var all []loadResult
	for _, table := range []bool{false, true} {
		turns := []loadLevel{{"live", 1}, {"live", 16}}
		if table {
			turns = []loadLevel{{"precomputed", 1}, {"precomputed", 32}}
			if err := s.putTable(ctx); err != nil {
				return err
			}
		}
		measured, err := s.serve(ctx, turns)
		all = append(all, measured...)
		if err != nil {
			return err
		}
	}
	if b.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(b.json, append(text, '\n'), 0o644)
}

// promote writes the shipped data and a model to a bucket and promotes the model.
func (s *serveBench) promote(ctx context.Context, size string) (err error) {
	if s.bucket, err = storage.Open(ctx, "file://"+filepath.Join(s.dir, "bucket")); err != nil {
		return err
	}
	const folder = "testdata/rdrec/beauty_mini"
	if s.data, err = dataset.Read(os.DirFS(folder), "beauty_mini"); err != nil {
		return err
	}
	examples, err := s.bucket.PutFolder(ctx, "dataset", folder)
	if err != nil {
		return err
	}
	student := filepath.Join(s.dir, "model")
	if err := newModel(student, size); err != nil {
		return err
	}
	weights, err := s.bucket.PutFolder(ctx, "model", student)
	if err != nil {
		return err
	}
	asked := spec.Default()
	asked.Name = benchModel
	text, err := asked.Canonical()
	if err != nil {
		return err
	}
	promoted, err := registry.Promote(ctx, s.bucket, benchModel, 0, registry.Promotion{
		Workflow: benchModel, Run: benchModel, Dataset: examples, Preprocessed: examples,
		Model: registry.PromotedModel{Weights: weights, Method: asked.Methods[0], Seed: asked.Seed, Spec: text},
	})
	if err != nil {
		return err
	}
	s.model, err = registry.ModelOfPromotion(benchModel, promoted)
	return err
}

// putTable writes a table of ten items for each user. The choice of items does not affect the
// speed.
func (s *serveBench) putTable(ctx context.Context) error {
	const top = 10
	dir := filepath.Join(s.dir, "table")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, activities.ExportFile(activities.FormatJSONL)))
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	for _, user := range s.data.Users {
		for rank := 1; rank <= top; rank++ {
			row := recommender.Row{
				User: s.data.UserIDs[user.ID-1], Rank: rank,
				Item: s.data.ItemIDs[(user.ID+rank)%s.data.Items], Title: "An item with a title",
				Score: -float64(rank), Explanation: "it is good for the price and it smells nice",
			}
			if err := enc.Encode(row); err != nil {
				return errors.Join(err, f.Close())
			}
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	summary, err := json.Marshal(activities.ExportSummary{Users: len(s.data.Users), Top: top, Explain: true})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, activities.ExportSummaryFile), summary, 0o600); err != nil {
		return err
	}
	artifact, err := s.bucket.PutFolder(ctx, "export", dir)
	if err != nil {
		return err
	}
	id, err := s.model.ID()
	if err != nil {
		return err
	}
	return s.bucket.PutTable(ctx, id, storage.Table{Artifact: artifact, Top: top, Explained: true})
}

// serve starts a server, applies the loads, and stops it.
func (s *serveBench) serve(ctx context.Context, turns []loadLevel) (all []loadResult, err error) {
	if s.address, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	server := exec.CommandContext(ctx, "bin/worker", "serve",
		"--name", benchModel, "--addr", s.address, "--timeout", "60s",
		"--bucket", "file://"+filepath.Join(s.dir, "bucket"), "--threads", strconv.Itoa(s.threads),
		"--scratch", filepath.Join(s.dir, "scratch"), "--log-level", "warn")
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start bin/worker (built by make build): %w", err)
	}
	defer func() {
		err = errors.Join(err, server.Process.Signal(syscall.SIGTERM), server.Wait())
	}()
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	for _, t := range turns {
		s.load(ctx, t, min(s.seconds, 3)) // warm-up
		l, err := s.measure(ctx, t)
		if err != nil {
			return all, err
		}
		all = append(all, l)
		fmt.Fprintf(s.out, "%-12s %8d %9d %11.1f %9.2f %9.2f %8d %7d %8.0f %8.0f %5.2f\n",
			l.Name, l.Clients, l.Requests, l.PerS, l.P50, l.P99, l.Rejected, l.Failed, l.Before, l.After, l.CPU)
	}
	return all, nil
}

// freeAddress returns an unused address of the loopback interface.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// ready waits until the server is ready.
func (s *serveBench) ready(ctx context.Context) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for range 600 {
		if status, _ := s.get(ctx, "/readyz"); status == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return errors.New("the server was not ready within a minute")
}

func (s *serveBench) get(ctx context.Context, path string) (status int, body string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, http.NoBody)
	if err != nil {
		return 0, ""
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, ""
	}
	return response.StatusCode, string(text)
}

// measure applies a load and reads the server's memory and CPU time before and after it.
func (s *serveBench) measure(ctx context.Context, t loadLevel) (loadResult, error) {
	const memory, cpu = "process_resident_memory_bytes", "process_cpu_seconds_total"
	before := s.metrics(ctx, memory, cpu)
	l := s.load(ctx, t, s.seconds)
	after := s.metrics(ctx, memory, cpu)
	if before == nil || after == nil {
		return l, errors.New("the server has no metrics")
	}
	l.Before, l.After = before[memory]/1e6, after[memory]/1e6
	l.CPU = (after[cpu] - before[cpu]) / s.seconds
	return l, ctx.Err()
}

// metrics returns the values of metrics, or nil if one is missing.
func (s *serveBench) metrics(ctx context.Context, names ...string) map[string]float64 {
	_, text := s.get(ctx, "/metrics")
	found := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if x, err := strconv.ParseFloat(value, 64); ok && err == nil && slices.Contains(names, name) {
			found[name] = x
		}
	}
	if len(found) < len(names) {
		return nil
	}
	return found
}

// load runs clients that request recommendations for random users, one after another.
func (s *serveBench) load(ctx context.Context, t loadLevel, seconds float64) loadResult {
	l := loadResult{Name: t.name, Clients: t.clients}
	//nolint:errcheck,forcetypeassert // http.DefaultTransport is an *http.Transport
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = t.clients
	var mutex sync.Mutex
	var latencies []float64
	var clients sync.WaitGroup
	started := s.now()
	for c := range t.clients {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(c), 1))
			for s.now().Sub(started).Seconds() < seconds && ctx.Err() == nil {
				user := s.data.UserIDs[random.IntN(len(s.data.UserIDs))]
				sent := s.now()
				status, _ := s.get(ctx, "/recommend/"+url.PathEscape(user)+"?k=10")
				ms := float64(s.now().Sub(sent).Microseconds()) / 1000
				mutex.Lock()
				switch status {
				case http.StatusOK:
					latencies = append(latencies, ms)
				case http.StatusTooManyRequests:
					l.Rejected++
				default:
					l.Failed++
				}
				mutex.Unlock()
			}
		})
	}
	clients.Wait()
	slices.Sort(latencies)
	l.Requests = len(latencies)
	l.PerS = float64(len(latencies)) / s.now().Sub(started).Seconds()
	if len(latencies) > 0 {
		l.P50, l.P99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	}
	return l
}
