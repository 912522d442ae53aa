package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"rdrec/activities"
	"rdrec/internal/pseudonym"
	"rdrec/internal/serve"
	"rdrec/internal/spec"
	"rdrec/internal/untrusted"
	"rdrec/registry"
	"rdrec/storage"
)

// serveOptions holds the flags of a worker that serves.
type serveOptions struct {
	machine
	Name    string        `help:"${help_name}" required:"" env:"RDREC_SERVE_NAME"`
	Method  string        `help:"Method of the experiment; default: its first."`
	Addr    string        `help:"Address to listen on, as host:port." default:"127.0.0.1:8080" env:"RDREC_SERVE_ADDR"`
	Top     int           `help:"Maximum number of items per request, 1 to 100." default:"20"`
	Quick   bool          `help:"Rank by the item head, if the student has one, instead of searching its codes."`
	Window  time.Duration `help:"Batching window: how long a request waits for others." default:"5ms"`
	Batch   int           `help:"Maximum batch size." default:"32"`
	Queue   int           `help:"Maximum queue length; further requests get 429." default:"256"`
	Timeout time.Duration `help:"Maximum duration of a request." default:"10s"`
	Poll    time.Duration `help:"How often to check for a new promotion." default:"5s"`
	Drain   time.Duration `help:"How long open requests may run after SIGTERM." default:"30s"`

	MaxConnections int    `name:"max-connections" help:"Maximum number of open connections." default:"1024"`
	TokenFile      string `name:"token-file" help:"File with the bearer token of clients." placeholder:"FILE"`
	TokenEnv       string `name:"token-env" help:"Environment variable with that token." placeholder:"NAME"`
	TLSCert        string `name:"tls-cert" help:"Certificate (PEM) for TLS." placeholder:"FILE"`
	TLSKey         string `name:"tls-key" help:"Key (PEM) of the certificate." placeholder:"FILE"`
}

// maxToken is the maximum size of a token's file in bytes.
const maxToken = 4 << 10

// token returns the bearer token that clients must send; empty if neither flag is set.
func (o serveOptions) token() (string, error) {
	var text string
	switch {
	case o.TokenFile != "":
		data, err := untrusted.ReadFile(o.TokenFile, maxToken)
		if err != nil {
			return "", usageError{fmt.Errorf("--token-file: %w", err)}
		}
		text = string(data)
	case o.TokenEnv != "":
		text = os.Getenv(o.TokenEnv)
	default:
		return "", nil
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", usageError{errors.New("--token-file or --token-env: the token is empty")}
	}
	return text, nil
}

// errListen reports that the server cannot listen on the address.
var errListen = errors.New("can't listen")

// check returns all invalid flags.
func (o serveOptions) check() error {
	var problems []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	require(o.Top >= 1 && o.Top <= activities.MaxTop, "--top %d: want 1 to %d", o.Top, activities.MaxTop)
	require(o.Batch >= 1, "--batch %d: want at least 1", o.Batch)
	require(o.Queue >= 1, "--queue %d: want at least 1", o.Queue)
	require(o.MaxConnections >= 1, "--max-connections %d: want at least 1", o.MaxConnections)
	require(o.TokenFile == "" || o.TokenEnv == "", "--token-file and --token-env: want one of them")
	require((o.TLSCert == "") == (o.TLSKey == ""), "--tls-cert and --tls-key: want both or neither")
	require(o.Window >= 0, "--window %s: want 0 or more", o.Window)
	require(o.Timeout > 0 && o.Poll > 0 && o.Drain > 0, "--timeout, --poll and --drain: want more than 0")
	return errors.Join(problems...)
}

// Run serves until ctx ends, then finishes the open requests.
func (o serveOptions) Run(ctx context.Context, w io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	token, err := o.token()
	if err != nil {
		return err
	}
	key, err := pseudonym.ReadKey(os.Getenv(pseudonym.KeyVariable))
	if err != nil {
		return err
	}
	bucket, logger, err := o.open(ctx, w)
	if err != nil {
		return err
	}
	defer bucket.Close()
	scratch, err := filepath.Abs(o.Scratch)
	if err != nil {
		return fmt.Errorf("find scratch folder %q: %w", o.Scratch, err)
	}
	if err := os.MkdirAll(scratch, 0o750); err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return fmt.Errorf("%w: %w", errListen, err)
	}
	source := &modelSource{
		bucket: bucket, name: o.Name, method: o.Method, recommenders: recommenders{o.Device, o.Threads, o.Quick},
		key: key, scratch: scratch, options: o, log: logger,
	}
	server := serve.New(source, serve.Options{
		Top: o.Top, Window: o.Window, Batch: o.Batch, Queue: o.Queue, Timeout: o.Timeout, Poll: o.Poll, Drain: o.Drain,
		Connections: o.MaxConnections, Token: token, Certificate: o.TLSCert, Key: o.TLSKey,
	}, logger, time.Now) //nolint:forbidigo // the program's clock is passed in
	return server.Run(ctx, l)
}

// modelSource finds the current model of a name.
type modelSource struct {
	bucket       *storage.Bucket
	name, method string
	recommenders recommenders
	key          pseudonym.Key
	scratch      string
	options      serveOptions
	log          zerolog.Logger
}

// Version identifies the model and its table.
func (f *modelSource) Version(ctx context.Context) (string, error) {
	_, version, err := f.resolve(ctx)
	return version, err
}

// resolve finds the model of the name, with its newest table if it has none of its own.
func (f *modelSource) resolve(ctx context.Context) (registry.Model, string, error) {
	model, err := registry.FindModel(ctx, f.bucket, f.name, f.method)
	if err != nil {
		return model, "", err
	}
	id, err := model.ID()
	if err != nil {
		return model, "", err
	}
	if model.Table.IsZero() {
		table, ok, err := f.bucket.Table(ctx, id)
		if err != nil {
			return model, "", err
		}
		if ok {
			model.Table = table.Artifact
		}
	}
	return model, fmt.Sprintf("%s %.12s %.12s", model.Name, id, model.Table.Digest), nil
}

// Open loads the model. Its files are in a folder of its own.
func (f *modelSource) Open(ctx context.Context) (*serve.Model, error) {
	model, version, err := f.resolve(ctx)
	if err != nil {
		return nil, err
	}
	method, err := spec.MethodNamed(model.Method)
	if err != nil {
		return nil, err
	}
	if model.UserKey != "" {
		if err := f.key.Check(model.UserKey); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(f.scratch, "serve-")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	m, err := f.load(ctx, model, dir)
	if err != nil {
		f.remove(dir)
		return nil, err
	}
	m.Name, m.Version, m.Explains = model.Name, version, method.Explanation
	return m, nil
}

func (f *modelSource) load(ctx context.Context, model registry.Model, dir string) (*serve.Model, error) {
	loading := filepath.Join(dir, "model")
	options := activities.RecommenderOptions{Top: f.options.Top, Dir: loading}
	rec, err := activities.OpenRecommender(ctx, f.bucket, f.recommenders, model, options)
	if err != nil {
		return nil, err
	}
	f.remove(loading) // the model is in memory
	m := &serve.Model{Recommender: rec}
	if model.UserKey != "" {
		m.Pseudonym = f.pseudonym
	}
	if !model.Table.IsZero() {
		if m.Table, err = f.table(ctx, model.Table, filepath.Join(dir, "table")); err != nil {
			rec.Close()
			return nil, err
		}
	}
	m.Close = func() {
		rec.Close()
		if m.Table != nil {
			if err := m.Table.Close(); err != nil {
				f.log.Warn().Err(err).Msg("cannot close table")
			}
		}
		f.remove(dir)
	}
	return m, nil
}

// table fetches and indexes a table.
func (f *modelSource) table(ctx context.Context, ref storage.Ref, dir string) (*serve.Table, error) {
	if err := f.bucket.GetFolder(ctx, ref, dir); err != nil {
		return nil, err
	}
	text, err := untrusted.ReadFile(filepath.Join(dir, activities.ExportSummaryFile), untrusted.MaxSettings)
	if err != nil {
		return nil, fmt.Errorf("read the table's summary: %w", err)
	}
	var summary activities.ExportSummary
	if err := json.Unmarshal(text, &summary); err != nil {
		return nil, fmt.Errorf("read the table's summary: %w: %w", activities.ErrData, err)
	}
	return serve.OpenTable(filepath.Join(dir, activities.ExportFile(activities.FormatJSONL)), summary.Top)
}

// pseudonym returns the id under which the model knows a user.
func (f *modelSource) pseudonym(user string) string {
	if pseudonym.Is(user) {
		return user
	}
	return f.key.Of(user)
}

func (f *modelSource) remove(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		f.log.Warn().Err(err).Str("dir", dir).Msg("cannot remove scratch folder")
	}
}
