// Package servertest shares real Temporal servers among the tests of a package. In: a test. Out:
// the address of a running server and a namespace that no other test uses. Starting a server takes
// about as long as running a small workflow, so the tests that neither stop nor kill a server share
// one.
package servertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"rdrec/internal/devserver"
)

// namespaces is the number of tests that share a server; the next test starts another server.
const namespaces = 24

// Pool is a set of running servers. Its zero value is empty; TestMain must call Stop.
type Pool struct {
	mutex   sync.Mutex
	address string
	free    []string
	stops   []func() error
}

// Take returns the address of a server and one of its namespaces that no other test uses.
func (p *Pool) Take(t *testing.T) (address, namespace string) {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.free) == 0 {
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
	}
	namespace = p.free[0]
	p.free = p.free[1:]
	return p.address, namespace
}

// start starts a server in this process, on a free port, with a database in a temporary folder.
func (p *Pool) start() error {
	dir, err := os.MkdirTemp("", "rdrec-server-")
	if err != nil {
		return fmt.Errorf("make the server's folder: %w", err)
	}
	remove := func() error { return os.RemoveAll(dir) }
	o := devserver.Default()
	o.Port, o.UIPort, o.Database, o.Namespaces = 0, -1, filepath.Join(dir, "temporal.db"), nil
	for i := range namespaces {
		o.Namespaces = append(o.Namespaces, fmt.Sprintf("test-%d", i+1))
	}
	server, err := devserver.Start(context.Background(), o, zerolog.Nop())
	if err != nil {
		return errors.Join(err, remove())
	}
	p.address, p.free = server.Address(), o.Namespaces
	p.stops = append(p.stops, server.Stop, remove)
	return nil
}

// Stop stops the servers and removes their databases.
func (p *Pool) Stop() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var err error
	for _, stop := range p.stops {
		err = errors.Join(err, stop())
	}
	p.stops, p.free = nil, nil
	return err
}
