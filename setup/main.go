// Setup prepares a clone of the project for building: it finds or fetches libtorch, adapts the Go
// binding gotch to it, and fetches the demo's teacher. Its input is the machine's Go, C++ compiler
// and pip, and the variables LIBTORCH, CUDA, RDREC_CACHE and RDREC_TEACHER_DIR. Its output is a
// cache folder that all clones share, and .gotch and go.work in this clone, both ignored by git. It
// imports neither gotch nor a package that does, so it runs before gotch is present. It skips
// finished steps.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"rdrec/internal/build"
	"rdrec/setup/internal/hint"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("setup", flag.ContinueOnError)
	flags.SetOutput(stderr)
	thorough := flags.Bool("verify", false, "check the digests of fetched files, not only their sizes")
	cuda := flags.Bool("cuda", on(os.Getenv("CUDA")), "also fetch the libraries for a GPU (same as CUDA=1)")
	version := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if *version {
		fmt.Fprintln(stdout, build.Line("setup"))
		return exitOK
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "error: setup takes no arguments, got %q\nhint: see setup -help\n", flags.Args())
		return exitUsage
	}
	err := setUp(ctx, stdout, options{
		verifyDigests: *thorough, cuda: *cuda, libtorch: os.Getenv("LIBTORCH"), now: time.Now,
	})
	if err != nil {
		fmt.Fprintf(stderr, "error: set up: %v\nhint: %s\n", err, hint.Of(err))
		return exitFailed
	}
	return exitOK
}

func on(value string) bool { return value != "" && value != "0" && value != "no" && value != "false" }

// repository returns the root of the clone that contains the working folder.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		content, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), "module rdrec\n") {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", hint.Wrap(fmt.Errorf("find the project: no go.mod of module rdrec in %q or above", dir),
				"run make setup in the project's folder")
		}
	}
}

// compiler returns the C++ compiler of the Go command, with its arguments, and the first line of
// its version.
func compiler(ctx context.Context) (command []string, version string, err error) {
	out, err := exec.CommandContext(ctx, "go", "env", "CXX", "CGO_ENABLED").Output()
	if err != nil {
		return nil, "", hint.Wrap(fmt.Errorf("find Go: %w", err), "install Go and put its bin folder on the PATH")
	}
	cxx, cgo, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	command = strings.Fields(cxx)
	if len(command) == 0 {
		command = []string{"c++"}
	}
	line, err := exec.CommandContext(ctx, command[0], "--version").Output()
	if err != nil {
		err = fmt.Errorf("find a C++ compiler: %q does not run: %w", command[0], err)
		return nil, "", hint.Wrap(errors.Join(ctx.Err(), err),
			"install one (Debian, Ubuntu: apt-get install g++), or set CXX to yours")
	}
	// Without a C compiler on the PATH, the Go command disables cgo.
	if strings.TrimSpace(cgo) != "1" {
		return nil, "", hint.Wrap(errors.New("find a C compiler: cgo is disabled (CGO_ENABLED=0)"),
			"install a C compiler (Debian, Ubuntu: apt-get install gcc g++), and unset CGO_ENABLED")
	}
	version, _, _ = strings.Cut(string(line), "\n")
	return command, version, nil
}
