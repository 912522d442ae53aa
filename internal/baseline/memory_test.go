package baseline_test

import (
	"runtime"
	"strconv"
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
	measure(t, "indexing", limit, func() any {
		_, err := indexing.Apply(longest(reviews), "collaborative", nil, 1)
		return err
	})
	for _, name := range []string{baseline.Markov, baseline.ItemKNN, baseline.TGH, baseline.Mix, baseline.Rule} {
		row, _ := baseline.Find(name)
		measure(t, name, limit, func() any {
			rank := row.Fit(d)
			rank(baseline.Query{History: d.Users[0].History(), K: 10})
			return rank
		})
	}
}

// largest returns a dataset of so many items, each with a title, some with reviews by users of ten.
func largest(items int) *dataset.Dataset {
	d := &dataset.Dataset{Name: "large", Items: items, Titles: make([]string, items)}
	for item := range d.Titles {
		d.Titles[item] = "Soap " + strconv.Itoa(item)
	}
	for user := range items / 50 {
		u := dataset.User{ID: user + 1}
		for i := range 10 {
			u.Items = append(u.Items, (user*37+i*i*10_007)%items+1)
		}
		d.Users = append(d.Users, u)
	}
	return d
}

// TestMemoryOfTheLargestCatalogue fits the baselines with the largest tables for a million items:
// they hold less than 512 bytes for each item, and a query needs at most two tables of the items'
// scores.
func TestMemoryOfTheLargestCatalogue(t *testing.T) {
	const items, scoreBytes = 1_000_000, 9
	d := largest(items)
	for _, name := range []string{baseline.ItemKNN, baseline.Mix} {
		row, _ := baseline.Find(name)
		var rank baseline.Rank
		measure(t, name, items<<9, func() any {
			rank = row.Fit(d)
			return rank
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found := rank(baseline.Query{History: d.Users[7].History(), K: 10})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 2*scoreBytes*items+1<<20 || len(found) != 10 {
			t.Errorf("%s: a query allocated %d bytes and found %d items", name, took, len(found))
		}
	}
}

// measure checks what a fit holds, and what it takes from the system.
func measure(t *testing.T, name string, limit uint64, fit func() any) {
	t.Helper()
	var before, after, held runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	kept := fit()
	runtime.ReadMemStats(&after)
	peak := after.Sys - before.Sys
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&held)
	runtime.KeepAlive(kept)
	heap := max(held.HeapAlloc, before.HeapAlloc) - before.HeapAlloc
	t.Logf("%s: %s, holds %d MiB, took %d MiB from the system, allocated %d MiB", name, took, heap>>20, peak>>20,
		(after.TotalAlloc-before.TotalAlloc)>>20)
	if heap > limit || peak > 2*limit {
		t.Errorf("%s holds %d MiB, took %d MiB", name, heap>>20, peak>>20)
	}
}
