package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"rdrec/setup/internal/gotch"
	"rdrec/setup/internal/hint"
)

// modulesFile, in the copy of gotch, contains the digest of the go.sum whose modules were fetched.
const modulesFile = "modules.txt"

// fetchModules makes the Go command fetch every module that a build or a test needs, so that they
// need no network.
func (s *steps) fetchModules(ctx context.Context) error {
	content, err := os.ReadFile(filepath.Join(s.repo, "go.sum"))
	if err != nil {
		return fmt.Errorf("fetch Go modules: %w", err)
	}
	sum := sha256.Sum256(content)
	want := hex.EncodeToString(sum[:]) + "\n"
	mark := filepath.Join(s.repo, gotch.Folder, modulesFile)
	if have, err := os.ReadFile(mark); err == nil && string(have) == want {
		s.step("modules", "all Go modules of go.sum are present")
		return nil
	}
	s.step("modules", "fetching the Go modules that a build needs (at most 300 MB, 1.8 GB unpacked)")
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-test", "./...")
	cmd.Dir = s.repo
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.explainModules(err, stderr.String())
	}
	return os.WriteFile(mark, []byte(want), 0o644)
}

// unreachable lists texts in the Go command's errors that mean a failed download.
var unreachable = []string{
	"dial tcp", "no such host", "timeout", "connection refused", "module lookup disabled", "TLS", "proxyconnect",
}

func (s *steps) explainModules(err error, stderr string) error {
	if strings.Contains(stderr, "no space left on device") {
		return hint.Wrap(errors.Join(err, errors.New(firstLine(stderr))),
			"free disk space, or set GOMODCACHE to a folder on a larger disk")
	}
	for _, sign := range unreachable {
		if strings.Contains(stderr, sign) {
			return hint.Wrap(fmt.Errorf("fetch Go modules: %w: %s", err, firstLine(stderr)),
				"connect to the network, or set GOPROXY to a module proxy that you can reach")
		}
	}
	// The build reports code that does not compile.
	s.detail("some packages could not be loaded: %s", firstLine(stderr))
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
