package storage

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// ReadPage returns an object that is a page for browsers: a run's report, with its forms for
// programs, or a page of nightly runs. Any other key is [ErrNotFound].
func (b *Bucket) ReadPage(ctx context.Context, key string) ([]byte, error) {
	if !isPage(key) {
		return nil, fmt.Errorf("page %q: %w", key, ErrNotFound)
	}
	return b.read(ctx, key)
}

func isPage(key string) bool {
	if path.Clean("/"+key) != "/"+key {
		return false
	}
	switch path.Base(key) {
	case "report.html", "report.json", "report.txt":
		return strings.HasPrefix(key, runPrefix)
	case path.Base(NightlyPageKey("name")):
		return strings.HasPrefix(key, nightlyPrefix)
	default:
		return false
	}
}
