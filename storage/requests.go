package storage

import "sync/atomic"

// Requests counts the requests to a bucket, by what a cloud's price list calls them.
type Requests struct {
	// Reads are downloads, Heads look at an object, Writes are uploads and copies, Lists are
	// listings of any length, Deletes are deletions.
	Reads   int64 `json:"reads"`
	Heads   int64 `json:"heads"`
	Writes  int64 `json:"writes"`
	Lists   int64 `json:"lists"`
	Deletes int64 `json:"deletes"`
}

// Sum returns the number of all requests.
func (r Requests) Sum() int64 { return r.Reads + r.Heads + r.Writes + r.Lists + r.Deletes }

// Sub returns the requests since earlier ones.
func (r Requests) Sub(earlier Requests) Requests {
	return Requests{
		Reads: r.Reads - earlier.Reads, Heads: r.Heads - earlier.Heads, Writes: r.Writes - earlier.Writes,
		Lists: r.Lists - earlier.Lists, Deletes: r.Deletes - earlier.Deletes,
	}
}

// requestCounter counts requests of several goroutines.
type requestCounter struct{ reads, heads, writes, lists, deletes atomic.Int64 }

// Requests returns how many requests were made since the bucket was opened.
func (b *Bucket) Requests() Requests {
	c := &b.requests
	return Requests{
		Reads: c.reads.Load(), Heads: c.heads.Load(), Writes: c.writes.Load(), Lists: c.lists.Load(),
		Deletes: c.deletes.Load(),
	}
}
