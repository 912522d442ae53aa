package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"rdrec/internal/cachedir"
)

const requirements = "bench/requirements.txt"

// pythonNames are the names of Pythons that may have a version with pinned wheels: 3.10 to 3.12.
var pythonNames = []string{"python3.12", "python3.11", "python3.10", "python3", "python"}

// interpreter returns the Python of the reference: the one of the flag, or one of an environment in
// the cache, which is installed on first use from wheels with pinned digests.
func (b *bench) interpreter(ctx context.Context) (string, error) {
	if b.python != "" {
		return b.python, nil
	}
	list, err := os.ReadFile(requirements)
	if err != nil {
		return "", fmt.Errorf("%w (run bench in the project's folder)", err)
	}
	base, err := cachedir.Dir()
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(list)
	dir := filepath.Join(base, "bench-"+hex.EncodeToString(digest[:8]))
	done, python := filepath.Join(dir, "done"), filepath.Join(dir, "bin", "python")
	if _, err := os.Stat(done); err == nil {
		return python, nil
	}
	fmt.Fprintf(b.out,
		"==> bench: installing torch and transformers in %s (once: about 3 GB to fetch, 5 GB on disk)\n", dir)
	if err := install(ctx, dir); err != nil {
		return "", fmt.Errorf("install the reference's Python: %w\nhint: this needs Python 3.10 to 3.12 with venv, "+
			"a package index with the wheels of %s, and 5 GB; "+
			"or set -python to a Python that has them (make bench PYTHON=...)", err, requirements)
	}
	return python, os.WriteFile(done, nil, 0o644)
}

func install(ctx context.Context, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	found, err := findPython(ctx)
	if err != nil {
		return err
	}
	for _, command := range [][]string{
		{found, "-m", "venv", dir},
		{
			filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:",
			"--progress-bar", "off", "-q", "-r", requirements,
		},
	} {
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(command[:4], " "), err, out)
		}
	}
	return nil
}

// findPython returns a Python on the PATH with a supported version.
func findPython(ctx context.Context) (string, error) {
	for _, name := range pythonNames {
		const check = "import sys, venv; print((3, 10) <= sys.version_info[:2] <= (3, 12))"
		out, err := exec.CommandContext(ctx, name, "-c", check).Output()
		if err == nil && strings.TrimSpace(string(out)) == "True" {
			return name, nil
		}
	}
	return "", errors.New("no Python of version 3.10 to 3.12 is on the PATH")
}

// field returns the value of the first line "name: value".
func field(text, name string) string {
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
