package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"rdrec/storage"
	"rdrec/workflows"
)

// TestJoinOfAnotherBucketIsRefused starts a worker beside others: pollers are what the server lists
// at each look.
func TestJoinOfAnotherBucketIsRefused(t *testing.T) {
	t.Parallel()
	own := storage.Identity{ID: "abcdefghij", URL: "file:///a"}
	other := storage.Identity{ID: "klmnopqrst", URL: "s3://b"}
	first, later := time.Unix(1000, 0), time.Unix(1001, 0)
	same, theirs := workflows.WorkerIdentity("1@shop", own), workflows.WorkerIdentity("2@shop", other)
	ended := workflows.WorkerIdentity(endedProcess(t), other)
	restarted := workflows.WorkerIdentity(processName(), other)
	type pollers = map[string]time.Time
	for name, c := range map[string]struct {
		looks   []pollers
		refused bool
	}{
		"no other worker":            {[]pollers{{}}, false},
		"the same bucket":            {[]pollers{{same: first}}, false},
		"an older version":           {[]pollers{{"3@shop": first}}, false},
		"another that polls again":   {[]pollers{{theirs: first}, {theirs: first}, {theirs: later}}, true},
		"another that has ended":     {[]pollers{{theirs: first}, {theirs: first}, {theirs: first}}, false},
		"another that disappears":    {[]pollers{{theirs: first}, {}, {}}, false},
		"another that ended here":    {[]pollers{{ended: first}}, false},
		"this process, started anew": {[]pollers{{restarted: first}}, false},
	} {
		look := -1
		check := peerCheck{
			own: own, log: zerolog.Nop(),
			pollers: func(context.Context) (map[string]time.Time, error) { look++; return c.looks[look], nil },
			wait:    func(_ context.Context, n int) bool { return n < len(c.looks) },
		}
		err := check.run(t.Context())
		if errors.Is(err, errOtherBucket) != c.refused || err != nil && !c.refused || look != len(c.looks)-1 {
			t.Errorf("%s: %v after %d looks", name, err, look+1)
		}
		want := "worker 2@shop uses s3://b (id klmnopqr), this one would use file:///a (id abcdefgh)"
		if c.refused && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestJoinNeedsTheServer checks that an unreadable list of workers is an error at each look.
func TestJoinNeedsTheServer(t *testing.T) {
	t.Parallel()
	other := workflows.WorkerIdentity("2@shop", storage.Identity{ID: "xyz"})
	broken := errors.New("unavailable")
	for failing := range 2 {
		look := -1
		check := peerCheck{log: zerolog.Nop(), wait: func(context.Context, int) bool { return true }}
		check.pollers = func(context.Context) (map[string]time.Time, error) {
			if look++; look == failing {
				return nil, broken
			}
			return map[string]time.Time{other: time.Unix(1, 0)}, nil
		}
		if err := check.run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("look %d: %v", failing, err)
		}
	}
}

// endedProcess returns a process of this machine that has ended.
func endedProcess(t *testing.T) string {
	t.Helper()
	ended := exec.Command(os.Args[0], "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d@%s", ended.Process.Pid, hostName())
}
