package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rdrec/setup/internal/faketorch"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"setup": main})
}

// TestScripts runs set-up from the command line on machines with a problem. No script needs the
// network.
func TestScripts(t *testing.T) {
	torch := faketorch.Make(t, faketorch.Options{Version: "2.11.0", ABI: 1})
	incomplete := faketorch.Make(t, faketorch.Options{Version: "2.11.0", ABI: 1, Needs: "libnowhere.so.7"})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			bin := filepath.Join(env.WorkDir, "bin")
			if err := tools(bin); err != nil {
				return err
			}
			setup, err := exec.LookPath("setup")
			if err != nil {
				return err
			}
			env.Setenv("BIN", bin)
			env.Setenv("SETUP", filepath.Dir(setup))
			env.Setenv("TORCH", torch)
			env.Setenv("NEEDY", incomplete)
			env.Setenv("RDREC_CACHE", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("GOPROXY", "off")
			env.Setenv("GOFLAGS", "-mod=mod")
			env.Setenv("GOMODCACHE", filepath.Join(env.WorkDir, "modules"))
			env.Setenv("CUDA", "")
			return nil
		},
	})
}

// tools creates a folder with links to Go and the compilers only: a PATH without pip and Python.
func tools(bin string) error {
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	out, err := exec.Command("go", "env", "CC", "CXX").Output()
	if err != nil {
		return err
	}
	for _, name := range append(strings.Fields(string(out)), "go", "ld", "as") {
		path, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		if err := os.Symlink(path, filepath.Join(bin, filepath.Base(name))); err != nil {
			return err
		}
	}
	return nil
}
