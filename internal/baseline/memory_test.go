package baseline_test

import (
	"runtime"
	"testing"
	"time"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
)

// longest returns a dataset with a user of so many reviews among users of ten.
func longest(reviews int) *dataset.Dataset {
	d := &dataset.Dataset{Name: "long", Items: reviews}
	for user := range 200 {
		u := dataset.User{ID: user + 1}
		length := 10
		if user == 0 {
			length = reviews
		}
		for i := range length {
			u.Items = append(u.Items, (user*37+i)%reviews+1)
		}
		d.Users = append(d.Users, u)
	}
	return d
}

// TestMemoryOfTheLongestHistory fits what counts pairs and paths of items for a user with 100,000
// reviews. It was 6 GB and the end of the worker.
func TestMemoryOfTheLongestHistory(t *testing.T) {
	const reviews, limit = 100_000, 256 << 20
	d := longest(reviews)
	query := baseline.Query{History: d.Users[0].History(), K: 10}
	fits := map[string]func() any{
		"indexing": func() any {
			_, err := indexing.Apply(longest(reviews), "collaborative", nil, 1)
			return err
		},
	}
	for _, name := range []string{baseline.Markov, baseline.ItemKNN, baseline.TGH, baseline.Mix, baseline.Rule} {
		row, _ := baseline.Find(name)
		fits[name] = func() any {
			rank := row.Fit(d)
			rank(query)
			return rank
		}
	}
	for name, fit := range fits {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		kept := fit()
		runtime.ReadMemStats(&after)
		peak := after.Sys - before.Sys
		runtime.GC()
		var held runtime.MemStats
		runtime.ReadMemStats(&held)
		runtime.KeepAlive(kept)
		t.Logf("%s: %s, holds %d MiB, took %d MiB from the system, allocated %d MiB", name, time.Since(start),
			(held.HeapAlloc-before.HeapAlloc)>>20, peak>>20, (after.TotalAlloc-before.TotalAlloc)>>20)
		if held.HeapAlloc > before.HeapAlloc+limit || peak > 2*limit {
			t.Errorf("%s holds %d MiB, took %d MiB", name, (held.HeapAlloc-before.HeapAlloc)>>20, peak>>20)
		}
	}
}
