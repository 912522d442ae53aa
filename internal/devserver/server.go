package devserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/temporal"
)

// ErrPortTaken means that another process listens on one of the ports.
var ErrPortTaken = errors.New("the port is in use")

// readyTimeout bounds the wait for the server to answer.
const readyTimeout = 30 * time.Second

// Server is a running server; the caller must call Stop.
type Server struct {
	options  Options
	database *database
	temporal temporal.Server
	ui       *uiserver.Server
	stopping atomic.Bool
	failed   chan string
}

// Start starts the server and returns once it answers.
func Start(ctx context.Context, o Options, out zerolog.Logger) (*Server, error) {
	level, err := zerolog.ParseLevel(o.LogLevel)
	if err != nil {
		return nil, fmt.Errorf("the dev server's log_level: %w", err)
	}
	ports, err := o.takePorts()
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, failed: make(chan string, 1)}
	s.options.Port, s.options.UIPort = ports.frontend, ports.ui
	if s.database, err = openDatabase(o); err != nil {
		return nil, err
	}
	out = out.Level(level)
	if err := s.start(ports, logger{out, &s.stopping, s.failed}); err != nil {
		return nil, errors.Join(err, s.database.close())
	}
	if err := s.awaitReady(ctx, out); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) start(ports ports, log logger) error {
	options, err := s.serverOptions(ports, log)
	if err != nil {
		return err
	}
	if s.temporal, err = temporal.NewServer(options...); err != nil {
		return fmt.Errorf("creating the dev server: %w", err)
	}
	if err := s.temporal.Start(); err != nil {
		return fmt.Errorf("starting the dev server: %w", err)
	}
	if ports.ui > 0 {
		s.ui = uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
			Host: s.options.IP, Port: ports.ui, TemporalGRPCAddress: s.Address(), EnableUI: true,
			DefaultNamespace: s.options.Namespaces[0], CORS: uiconfig.CORS{CookieInsecure: true}, HideLogs: true,
			DisableNewsFetch: true, Codec: uiconfig.Codec{Endpoint: s.options.CodecEndpoint},
		}))
		go s.ui.Start() //nolint:errcheck // it returns nil, or exits: the port was free just now
	}
	return nil
}

// awaitReady waits until the server answers, and adds the search attributes that are missing in an
// older database.
func (s *Server) awaitReady(ctx context.Context, out zerolog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, namespace := range s.options.Namespaces {
		c, err := client.DialContext(ctx, client.Options{
			HostPort: s.Address(), Namespace: namespace,
			Logger: sdklog.NewStructuredLogger(slog.New(zerolog.NewSlogHandler(out))),
		})
		if ctx.Err() != nil { // the client's own error does not wrap it
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("waiting for the dev server at %s: %w", s.Address(), err)
		}
		_, err = AddAttributes(ctx, c.OperatorService(), namespace, s.options.Attributes())
		c.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// AddAttributes adds the search attributes that a namespace lacks, and returns their names in
// order.
func AddAttributes(
	ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string,
	attributes map[string]enums.IndexedValueType,
) (added []string, err error) {
	known, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("listing the search attributes of namespace %q: %w", namespace, err)
	}
	missing := maps.Clone(attributes)
	for name := range known.GetCustomAttributes() {
		delete(missing, name)
	}
	if len(missing) == 0 {
		return []string{}, nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	if err != nil {
		return nil, fmt.Errorf("adding search attributes to namespace %q: %w", namespace, err)
	}
	return slices.Sorted(maps.Keys(missing)), nil
}

// Stop stops the UI, then the server, and unlocks the database. It takes about 1.5 s.
func (s *Server) Stop() error {
	s.stopping.Store(true)
	if s.ui != nil {
		s.ui.Stop()
	}
	return errors.Join(s.temporal.Stop(), s.database.close())
}

// Failed returns the channel that receives the reason if the running server fails.
func (s *Server) Failed() <-chan string { return s.failed }

// Address returns the address of the server, as host:port.
func (s *Server) Address() string { return address(s.options.IP, s.options.Port) }

// UI returns the address of the Web UI, or "" if there is none.
func (s *Server) UI() string {
	if s.options.UIPort < 0 {
		return ""
	}
	return "http://" + address(s.options.IP, s.options.UIPort)
}

// Database returns the path of the database file.
func (s *Server) Database() string { return s.database.path }

// ports are the ports of the server's services and of the UI; a negative one is unused.
type ports struct{ frontend, ui, history, matching, worker int }

// takePorts checks that the ports are free, and chooses those that are 0.
func (o Options) takePorts() (p ports, err error) {
	requested := []*int{&p.frontend, &p.ui, &p.history, &p.matching, &p.worker}
	p.frontend, p.ui = o.Port, o.UIPort
	names := []string{"server (port)", "Web UI (ui_port)", "server", "server", "server"}
	var listeners []net.Listener // open until the end, so that no two get the same port
	for i, port := range requested {
		if *port < 0 {
			continue
		}
		listener, listenErr := net.Listen("tcp", address(o.IP, *port))
		if errors.Is(listenErr, syscall.EADDRINUSE) {
			listenErr = fmt.Errorf("%w: %s", ErrPortTaken, address(o.IP, *port))
		}
		if listenErr != nil {
			err = errors.Join(err, fmt.Errorf("the %s cannot listen: %w", names[i], listenErr))
			continue
		}
		listeners = append(listeners, listener)
		if tcp, ok := listener.Addr().(*net.TCPAddr); ok {
			*port = tcp.Port
		}
	}
	for _, listener := range listeners {
		err = errors.Join(err, listener.Close())
	}
	return p, err
}

// address returns ip:port.
func address(ip string, port int) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }
