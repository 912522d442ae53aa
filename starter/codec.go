package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.temporal.io/sdk/converter"

	"rdrec/workflows"
)

// codecCmd serves the codec endpoint, with which the Web UI decrypts payloads.
type codecCmd struct {
	Listen string `help:"${help_codec_listen}" default:"127.0.0.1:9234"`
	Origin string `help:"${help_codec_origin}" default:"http://127.0.0.1:8233"`
	NewKey bool   `name:"new-key" help:"${help_codec_new_key}"`
}

// codecPath begins the paths of the codec endpoint.
const codecPath = "/codec"

// Run serves until the command is interrupted.
func (c *codecCmd) Run(ctx context.Context, a *app) error {
	if c.NewKey {
		return a.printKey(workflows.NewPayloadKey())
	}
	payloads, err := environmentPayloads()
	if err != nil {
		return err
	}
	if !payloads.Encrypted() {
		return fmt.Errorf("%w: %s is not set", workflows.ErrPayloadKey, workflows.PayloadKeys)
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || !isLoopback(host) {
		return usageError{errors.New("--listen: the codec decrypts for everybody who reaches it: " +
			"want an address of the loopback interface")}
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("serving the codec: %w", err)
	}
	a.logf("codec endpoint   http://%s%s", listener.Addr(), codecPath)
	server := &http.Server{
		Handler:           onlyLoopback(codecHandler(payloads, c.Origin)),
		ReadHeaderTimeout: pagesTimeout, ReadTimeout: pagesTimeout,
	}
	go func() {
		<-ctx.Done()
		_ = server.Close() // the process ends
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the codec: %w", err)
	}
	return nil
}

// printKey prints a new key.
func (a *app) printKey(key string) error {
	if a.flags.JSON {
		return a.printJSON(map[string]string{"key": key})
	}
	return a.write(key + "\n")
}

// pagesTimeout bounds how long a browser may take to send a request.
const pagesTimeout = 10 * time.Second

// codecLimit is the maximum size of a request to the codec.
const codecLimit = 64 << 20

// codecHandler encrypts and decrypts payloads for the scripts of one origin, the Web UI's.
func codecHandler(payloads workflows.Payloads, origin string) http.Handler {
	codec := http.StripPrefix(codecPath, converter.NewPayloadCodecHTTPHandler(payloads.Codec()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if from := r.Header.Get("Origin"); from != origin {
			http.Error(w, "unknown origin", http.StatusForbidden)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type, X-Namespace, Authorization")
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, codecLimit)
		codec.ServeHTTP(w, r)
	})
}

// isLoopback reports whether a host is this machine, seen from itself.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// onlyLoopback answers only requests to this machine by its own name: no other site's script can
// read by a name that leads to the loopback interface.
func onlyLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil || !isLoopback(host) {
			http.Error(w, "unknown host", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
