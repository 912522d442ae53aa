// Package pip fetches wheels with the machine's pip, and thus with its index, proxy and
// certificates. Its input is names, versions and SHA-256 digests; its output is wheel files. It
// neither installs nor runs what it fetches. It requests the wheels of one fixed Python version, so
// that every machine gets the same bytes whatever its Python: only the libraries in them are used.
package pip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"rdrec/setup/internal/hint"
)

// Pip is an installed pip.
type Pip struct {
	// Command is the command that runs it: ["pip3"] or ["python3", "-m", "pip"].
	Command []string
	// Version is the first line of its version, without the path.
	Version string
	// Progress receives pip's progress bar; nil means none.
	Progress io.Writer
}

// Wheel is one distribution to fetch.
type Wheel struct {
	Name, Version string
	// SHA256 holds the expected hexadecimal digests, one for each architecture.
	SHA256 []string
}

// python is the Python version of the requested wheels, and glibc the newest C library (2.x) that
// they may require.
const (
	python = "3.12"
	glibc  = 28
)

// Find returns the pip on the PATH.
func Find(ctx context.Context) (*Pip, error) {
	for _, command := range [][]string{{"pip3"}, {"pip"}, {"python3", "-m", "pip"}, {"python", "-m", "pip"}} {
		if _, err := exec.LookPath(command[0]); err != nil {
			continue
		}
		line, err := exec.CommandContext(ctx, command[0], append(command[1:], "--version")...).Output()
		if err != nil {
			continue
		}
		version, _, _ := strings.Cut(strings.TrimSpace(string(line)), " from ")
		return &Pip{Command: command, Version: version}, nil
	}
	return nil, hint.Wrap(errors.New("find pip: neither pip3, pip nor python3 -m pip runs"),
		"install Python's pip (Debian, Ubuntu: apt-get install python3-pip); "+
			"with your own libtorch in LIBTORCH only the teacher needs it")
}

// Download fetches one wheel into dir and returns its path. scratch is a folder for temporary files
// on the same disk.
func (p *Pip) Download(ctx context.Context, w Wheel, dir, scratch string) (string, error) {
	line := w.Name + "==" + w.Version
	for _, sum := range w.SHA256 {
		line += " --hash=sha256:" + sum
	}
	list := filepath.Join(scratch, "requirements.txt")
	if err := os.WriteFile(list, []byte(line+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("fetch %s %s: %w", w.Name, w.Version, err)
	}
	args := append([]string{
		"download", "--no-deps", "--require-hashes", "--dest", dir, "--requirement", list,
	}, target()...)
	if err := p.run(ctx, scratch, args...); err != nil {
		return "", fmt.Errorf("fetch %s %s: %w", w.Name, w.Version, err)
	}
	found, err := filepath.Glob(filepath.Join(dir, w.Pattern()))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("fetch %s %s: pip wrote %q, want one wheel: %w", w.Name, w.Version, found, err)
	}
	return found[0], nil
}

// Pattern returns a pattern for the wheel's file name; see [filepath.Match].
func (w Wheel) Pattern() string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(w.Name) + "-" + w.Version + "-*.whl"
}

// Resolve returns the wheels, with their digests, that pip would install for requirements (lines as
// in a package's Requires-Dist). It fetches only metadata.
func (p *Pip) Resolve(ctx context.Context, requirements []string, scratch string) ([]Wheel, error) {
	report := filepath.Join(scratch, "report.json")
	args := append([]string{
		"install", "--dry-run", "--ignore-installed", "--target", filepath.Join(scratch, "target"), "--report", report,
	}, target()...)
	if err := p.run(ctx, scratch, append(args, requirements...)...); err != nil {
		return nil, fmt.Errorf("resolve %q: %w", requirements, err)
	}
	content, err := os.ReadFile(report)
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("resolve: %s wrote no report: %w", p.Version, err),
			"update pip to 22.2 or later")
	}
	wheels, err := parseReport(content)
	if err != nil {
		return nil, fmt.Errorf("resolve: read pip's report: %w", err)
	}
	return wheels, nil
}

func parseReport(content []byte) ([]Wheel, error) {
	var report struct {
		Install []struct {
			Metadata     struct{ Name, Version string } `json:"metadata"`
			DownloadInfo struct {
				ArchiveInfo struct {
					Hash   string            `json:"hash"`
					Hashes map[string]string `json:"hashes"`
				} `json:"archive_info"`
			} `json:"download_info"`
		} `json:"install"`
	}
	if err := json.Unmarshal(content, &report); err != nil {
		return nil, err
	}
	wheels := make([]Wheel, 0, len(report.Install))
	for _, item := range report.Install {
		sum := item.DownloadInfo.ArchiveInfo.Hashes["sha256"]
		if sum == "" {
			sum = strings.TrimPrefix(item.DownloadInfo.ArchiveInfo.Hash, "sha256=")
		}
		if sum == "" {
			return nil, fmt.Errorf("the index has no sha256 for %q", item.Metadata.Name)
		}
		wheels = append(wheels, Wheel{Name: item.Metadata.Name, Version: item.Metadata.Version, SHA256: []string{sum}})
	}
	return wheels, nil
}

// target returns the arguments that request wheels of the fixed Python for this machine's
// architecture and any C library up to glibc.
func target() []string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	args := []string{
		"--only-binary=:all:", "--implementation", "cp", "--python-version", python,
		"--abi", "cp" + strings.ReplaceAll(python, ".", ""), "--abi", "abi3", "--abi", "none",
	}
	for minor := 5; minor <= glibc; minor++ {
		args = append(args, "--platform", fmt.Sprintf("manylinux_2_%d_%s", minor, arch))
	}
	for _, old := range []string{"manylinux1", "manylinux2010", "manylinux2014"} {
		args = append(args, "--platform", old+"_"+arch)
	}
	return args
}

// run runs pip with its temporary files in scratch, which must be on the cache's disk: /tmp is
// often small.
func (p *Pip) run(ctx context.Context, scratch string, args ...string) error {
	args = append(append([]string{}, p.Command[1:]...), args...)
	args = append(args,
		"--no-cache-dir", "--disable-pip-version-check", "--no-input", "--retries", "3", "--timeout", "60")
	cmd := exec.CommandContext(ctx, p.Command[0], args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+scratch, "LC_ALL=C", "PYTHONUNBUFFERED=1")
	cmd.WaitDelay = 5 * time.Second
	cmd.Stdout = p.Progress
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		command := strings.Join(p.Command, " ") + " " + args[len(p.Command)-1]
		err = fmt.Errorf("%s: %w: %s", command, err, lastErrorLine(stderr.String()))
		return explain(err, stderr.String())
	}
	return nil
}

// failureSigns are texts in pip's errors and the hints for them, in order of priority.
var failureSigns = []struct{ text, hint string }{
	{"No space left on device", "free disk space, or set RDREC_CACHE to a folder on a larger disk"},
	{
		"DO NOT MATCH THE HASHES",
		"the index serves a different file than the project was tested with: check pip config list, do not continue",
	},
	{"Temporary failure in name resolution", offlineHint},
	{"Name or service not known", offlineHint},
	{"Connection", offlineHint},
	{"connection", offlineHint},
	{"timed out", offlineHint},
	{"ProxyError", offlineHint},
	{"SSLError", "pip does not trust the server's certificate: set PIP_CERT to your network's certificates"},
	{"no such option", "update pip to 22.2 or later"},
	{
		"No matching distribution",
		"pip's index lacks that wheel: check pip config list, or set LIBTORCH to a libtorch you have",
	},
}

const offlineHint = "connect to the network (or set PIP_INDEX_URL or HTTPS_PROXY); " +
	"without a network, set LIBTORCH to a libtorch you have"

func explain(err error, stderr string) error {
	for _, sign := range failureSigns {
		if strings.Contains(stderr, sign.text) {
			return hint.Wrap(err, sign.hint)
		}
	}
	return hint.Wrap(err, "run the same pip command by hand for details; then run make setup again")
}

// lastErrorLine returns pip's last error line, which has the cause; the warnings before it are
// repetitive.
func lastErrorLine(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i], "ERROR: ") {
			return strings.TrimPrefix(lines[i], "ERROR: ")
		}
	}
	return lines[len(lines)-1]
}
