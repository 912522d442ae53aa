package pip_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/setup/internal/hint"
	"rdrec/setup/internal/pip"
)

// install puts a shell script named pip3 on an otherwise empty PATH. It prints a version for
// --version.
func install(t *testing.T, body string) {
	t.Helper()
	bin := t.TempDir()
	script := "#!/bin/sh\nPATH=/bin:/usr/bin\n" +
		"[ \"$1\" = --version ] && { echo 'pip 23.2.1 from /x (python 3.11)'; exit; }\n" + body
	if err := os.WriteFile(filepath.Join(bin, "pip3"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
}

func find(t *testing.T) *pip.Pip {
	t.Helper()
	p, err := pip.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var torch = pip.Wheel{Name: "nvidia-nccl.cu13", Version: "2.28.9", SHA256: []string{"aa", "bb"}}

func TestFind(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if p, err := pip.Find(t.Context()); err == nil || !strings.Contains(hint.Of(err), "apt-get install python3-pip") {
		t.Errorf("without pip, Find = %v, %v, hint %q", p, err, hint.Of(err))
	}
	install(t, "")
	if p := find(t); p.Version != "pip 23.2.1" {
		t.Errorf("Version = %q", p.Version)
	}
}

func TestDownload(t *testing.T) {
	dir, scratch := t.TempDir(), t.TempDir()
	install(t, `
		echo "$@" > "$TMPDIR/arguments"
		while [ "$1" != --dest ]; do shift; done
		cp "$TMPDIR/requirements.txt" "$2/nvidia_nccl_cu13-2.28.9-py3-none-any.whl"`)
	file, err := find(t).Download(t.Context(), torch, dir, scratch)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("nvidia-nccl.cu13==2.28.9 --hash=sha256:aa --hash=sha256:bb\n", string(asked)); diff != "" {
		t.Error(diff)
	}
	arguments, err := os.ReadFile(filepath.Join(scratch, "arguments"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"download --no-deps --require-hashes", "--python-version 3.12", "--only-binary=:all:", "--no-cache-dir",
	} {
		if !strings.Contains(string(arguments), want) {
			t.Errorf("pip was called with %s, want %q in it", arguments, want)
		}
	}
}

func TestFailuresEndInHints(t *testing.T) {
	cases := map[string]struct{ says, hint string }{
		"no network": {
			"WARNING: Retrying ... NewConnectionError: Temporary failure in name resolution\n" +
				"ERROR: No matching distribution found for torch==2.11.0",
			"connect to the network",
		},
		"server gone": {"WARNING: Connection refused\nERROR: Could not find a version", "connect to the network"},
		"full disk": {
			"ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
			"free disk space",
		},
		"other bytes": {
			"ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
			"a different file",
		},
		"unknown": {"ERROR: No matching distribution found for torch==2.11.0", "lacks that wheel"},
		"old pip": {"no such option: --report", "update pip"},
		"odd":     {"Traceback (most recent call last):", "by hand"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			install(t, "cat >&2 <<'END'\n"+c.says+"\nEND\nexit 1\n")
			_, err := find(t).Download(t.Context(), torch, t.TempDir(), t.TempDir())
			if err == nil || !strings.Contains(hint.Of(err), c.hint) {
				t.Errorf("Download: %v, hint %q; want %q in it", err, hint.Of(err), c.hint)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	const report = `{"install": [
		{"metadata": {"name": "nvidia-cudnn-cu13", "version": "9.19.0.56"},
		 "download_info": {"url": "x", "archive_info": {"hash": "sha256=cc", "hashes": {"sha256": "cc"}}}},
		{"metadata": {"name": "cuda-toolkit", "version": "13.0.2"}, "download_info": {"url": "x", "archive_info": {"hash": "sha256=dd"}}}]}`
	install(t, "while [ \"$1\" != --report ]; do shift; done\ncat > \"$2\" <<'END'\n"+report+"\nEND\n")
	got, err := find(t).Resolve(t.Context(), []string{"cuda-toolkit==13.0.2"}, t.TempDir())
	want := []pip.Wheel{
		{Name: "nvidia-cudnn-cu13", Version: "9.19.0.56", SHA256: []string{"cc"}},
		{Name: "cuda-toolkit", Version: "13.0.2", SHA256: []string{"dd"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Resolve: %v %s", err, diff)
	}

	install(t, "while [ \"$1\" != --report ]; do shift; done\n"+
		"echo '{\"install\": [{\"metadata\": {\"name\": \"x\"}}]}' > \"$2\"\n")
	if got, err := find(t).Resolve(t.Context(), nil, t.TempDir()); err == nil {
		t.Errorf("without digests, Resolve = %v", got)
	}
}
