package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"rdrec/internal/devserver"
	"rdrec/registry"
	"rdrec/workflows"
)

// devCmd runs the server in the foreground.
type devCmd struct {
	Config string   `help:"Settings file." default:"${dev_config}"`
	Set    []string `help:"Override a setting, for example port=7300." placeholder:"KEY=VALUE" sep:"none"`
}

// Run runs the server until the command is interrupted.
func (c *devCmd) Run(ctx context.Context, a *app) error {
	options, err := devserver.Load(c.Config, c.Set)
	if err != nil {
		return err
	}
	a.warnIfExposed(options.IP)
	options.CodecEndpoint = cmp.Or(options.CodecEndpoint, codecEndpoint(options))
	s, err := devserver.Start(ctx, options, serverLog(a.stderr))
	if interrupted(ctx) && err != nil {
		a.logf("stopped while starting")
		return nil // the user stopped it
	}
	if err != nil {
		return err
	}
	if err := a.announce(s); err != nil {
		return err
	}
	defer a.servePages("reports          ", s.Address(), s.UI())()
	select {
	case <-ctx.Done():
		a.logf("stopping; the histories stay in %s", s.Database())
	case reason := <-s.Failed():
		err = fmt.Errorf("%w: %s", errServerFailed, reason)
	}
	if stopErr := s.Stop(); err == nil && stopErr != nil {
		err = fmt.Errorf("stopping the dev server: %w", stopErr)
	}
	return err
}

// warnIfExposed warns of a server that other machines reach.
func (a *app) warnIfExposed(address string) {
	if ip := net.ParseIP(address); ip != nil && !ip.IsLoopback() {
		a.logf("warning: others can reach %s, and the dev server has no authentication: set ip to 127.0.0.1, "+
			"or put a proxy before it", address)
	}
}

// codecEndpoint returns the address of the codec beside the reports; "" without keys, or if the
// server's port is not known before it starts.
func codecEndpoint(o devserver.Options) string {
	pages := registry.PagesAddress(net.JoinHostPort(o.IP, strconv.Itoa(o.Port)))
	if pages == "" || o.Port == 0 || os.Getenv(workflows.PayloadKeys) == "" {
		return ""
	}
	return "http://" + pages + codecPath
}

// announce prints the addresses of the server.
func (a *app) announce(s *devserver.Server) error {
	a.logf("Temporal server  %s\nWeb UI           %s\ndatabase         %s",
		s.Address(), cmp.Or(s.UI(), "none"), s.Database())
	if !a.flags.JSON {
		return nil
	}
	text, err := json.Marshal(map[string]string{"address": s.Address(), "ui": s.UI(), "database": s.Database()})
	if err != nil {
		return fmt.Errorf("writing the addresses as JSON: %w", err)
	}
	return a.write(string(text) + "\n")
}

// serverLog returns a logger that writes the dev server's messages for people.
func serverLog(out io.Writer) zerolog.Logger {
	console := zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime, NoColor: true}
	return zerolog.New(console).With().Timestamp().Logger()
}
