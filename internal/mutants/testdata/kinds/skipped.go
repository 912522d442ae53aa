package main

import (
	"io"
	"log/slog"
)

const size = 4 + 1

type block [size * 2]byte

func (b block) String() string { return string(b[:size+1]) }

func invariant(n int) {
	if n < 0 {
		panic(n + 1)
	}
}

func logged(log *slog.Logger, n int) { log.Info("counted", "n", n+1) }

func released(c io.Closer, cancel func()) {
	defer c.Close()
	defer cancel()
}

func wide() string { return "a" + released2() }

func released2() string { return "b" }

func endless(next func() bool) int {
	for {
		if next() {
			continue
		}
		return size
	}
}
