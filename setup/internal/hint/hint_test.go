package hint_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"rdrec/setup/internal/hint"
)

func TestOf(t *testing.T) {
	plain := errors.New("compile: no such header")
	full := &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	cases := map[string]struct {
		err  error
		want string
	}{
		"advised":       {hint.Wrap(plain, "install a compiler"), "install a compiler"},
		"wrapped":       {fmt.Errorf("set up: %w", hint.Wrap(plain, "install a compiler")), "install a compiler"},
		"full disk":     {fmt.Errorf("unpack: %w", full), "free disk space"},
		"full, advised": {hint.Wrap(full, "try something else"), "free disk space"},
		"forbidden":     {&fs.PathError{Op: "mkdir", Path: "x", Err: syscall.EACCES}, "writable"},
		"stopped":       {fmt.Errorf("pip: %w", context.Canceled), "again"},
		"no hint":       {plain, "again"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := hint.Of(c.err); !strings.Contains(got, c.want) {
				t.Errorf("Of(%v) = %q, want %q in it", c.err, got, c.want)
			}
		})
	}
	if err := hint.Wrap(plain, "x"); err.Error() != plain.Error() || !errors.Is(err, plain) {
		t.Errorf("Wrap changed the error to %v", err)
	}
}
