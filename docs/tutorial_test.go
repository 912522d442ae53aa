package docs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rdrec/internal/faultproxy"
	"rdrec/internal/staging"
)

// step is a command of a page with the lines that it prints there.
type step struct {
	command string
	// from and to are the lines of its output in the page; to is exclusive.
	from, to int
	output   []string
}

// readSteps returns the commands of a page: indented lines that begin with "$ ", their
// continuations after "> ", and their output up to the next command or the end of the block.
func readSteps(lines []string) []step {
	var steps []step
	inside := false
	for i, line := range lines {
		text, indented := strings.CutPrefix(line, "    ")
		command, isCommand := strings.CutPrefix(text, "$ ")
		more, continues := strings.CutPrefix(text, "> ")
		switch {
		case indented && isCommand:
			steps = append(steps, step{command: command, from: i + 1, to: i + 1})
			inside = true
		case !inside || !indented:
			inside = inside && line == ""
		case continues && len(steps[len(steps)-1].output) == 0:
			s := &steps[len(steps)-1]
			s.command += "\n" + more
			s.from, s.to = i+1, i+1
		default:
			s := &steps[len(steps)-1]
			s.output, s.to = append(s.output, text), i+1
		}
	}
	return steps
}

// console runs the commands of a page in a folder of its own, which looks like a clone after make.
type console struct {
	t      *testing.T
	folder string
	// actual maps names of the page to those of this run: addresses, the folder, ids.
	actual map[string]string
}

// newConsole returns a console with the programs, the shop's files and free ports.
func newConsole(t *testing.T) *console {
	t.Helper()
	c := &console{t: t, folder: t.TempDir(), actual: map[string]string{}}
	starter, err := staging.BuildStarter()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staging.BuildWorker(); err != nil {
		t.Fatal(err)
	}
	server, model := faultproxy.FreePort(t), faultproxy.FreePort(t)
	c.actual["127.0.0.1:7233"], c.actual["127.0.0.1:8080"] = "127.0.0.1:"+server, "127.0.0.1:"+model
	c.actual["/home/me/rdrec"] = c.folder
	number, err := strconv.Atoi(server)
	if err != nil {
		t.Fatal(err)
	}
	c.actual["127.0.0.1:8233"] = fmt.Sprintf("127.0.0.1:%d", number+1000)
	c.actual["127.0.0.1:9233"] = fmt.Sprintf("127.0.0.1:%d", number+2000)
	for name, target := range map[string]string{
		"bin": filepath.Dir(starter), "testdata": filepath.Join(staging.Root(), "testdata"),
	} {
		if err := os.Symlink(target, filepath.Join(c.folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	settings := fmt.Sprintf("port: %s\nui_port: -1\n", server)
	for name, text := range map[string]string{"temporal-dev.yaml": settings, "temporal.toml": ""} {
		if err := os.WriteFile(filepath.Join(c.folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// translate replaces names of the page by those of this run.
func (c *console) translate(text string) string {
	for page, actual := range c.actual {
		text = strings.ReplaceAll(text, page, actual)
	}
	return text
}

// shell returns a command that the shell runs in the console's folder.
func (c *console) shell(ctx context.Context, command string) *exec.Cmd {
	shell := exec.CommandContext(ctx, "bash", "-c", c.translate(command)) //nolint:gosec // a page of ours
	shell.Dir = c.folder
	shell.Env = append(os.Environ(), "OMP_WAIT_POLICY=passive", "RDREC_THREADS=1", "RDREC_DEVICE=cpu",
		"TEMPORAL_ADDRESS="+c.actual["127.0.0.1:7233"], "TEMPORAL_CONFIG_FILE=temporal.toml", "PWD="+c.folder)
	return shell
}

// lockedBuffer is a buffer that a process writes and a test reads.
type lockedBuffer struct {
	mutex sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.Buffer.String()
}

// inTerminal marks a command that keeps its terminal.
const inTerminal = "# in a terminal of its own"

// run runs a step and returns what it prints, with a last line for an exit code other than 0.
func (c *console) run(ctx context.Context, s step) string {
	c.t.Helper()
	if address, ok := strings.CutPrefix(s.command, "curl -s "); ok {
		return c.get(ctx, c.translate(strings.Trim(address, `'"`)))
	}
	shell := c.shell(ctx, s.command)
	var out lockedBuffer
	shell.Stdout, shell.Stderr = &out, &out
	if strings.HasSuffix(s.command, inTerminal) {
		shell.Args[2] = "exec " + shell.Args[2]
		c.background(ctx, shell, &out, s)
		return out.String()
	}
	err := shell.Run()
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		return fmt.Sprintf("%s\n(exit %d)", strings.TrimSpace(out.String()), failed.ExitCode())
	} else if err != nil {
		c.t.Fatalf("%s: %v", s.command, err)
	}
	return out.String()
}

// background starts a command that runs until the test ends, and waits for its output.
func (c *console) background(ctx context.Context, shell *exec.Cmd, out *lockedBuffer, s step) {
	c.t.Helper()
	shell.Cancel = func() error { return shell.Process.Signal(syscall.SIGTERM) }
	shell.WaitDelay = 20 * time.Second
	if err := shell.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = shell.Wait() //nolint:errcheck // it is stopped
		close(ended)
	}()
	c.t.Cleanup(func() {
		_ = shell.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		<-ended
	})
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for len(missing(s.output, c.forPage(out.String()))) > 0 {
		select {
		case <-ticker.C:
		case <-ended:
			c.t.Fatalf("%s ended:\n%s", s.command, out.String())
		case <-ctx.Done():
			c.t.Fatalf("%s did not print %q:\n%s", s.command, s.output, out.String())
		}
	}
}

// get requests an address, as curl does.
func (c *console) get(ctx context.Context, address string) string {
	c.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

var (
	// varying matches what differs between runs and processors: numbers, digests, and what the
	// report makes of the scores.
	varying = regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|-?\b[0-9a-f]{12}\b|` +
		`[+-]?\b\d[0-9a-z.,:-]*|\b(better|worse|uncertain)\b`)
	experiment = regexp.MustCompile(`\bshop-[0-9a-f]{12}\b`)
	spaces     = regexp.MustCompile(`[\s─█░]+`)
)

// shape returns a line without what varies.
func shape(line string) string {
	return strings.TrimSpace(spaces.ReplaceAllString(varying.ReplaceAllString(line, "#"), " "))
}

// missing returns the lines of a page that a program's output lacks, in order. A line "..." stands
// for any lines.
func missing(page []string, output string) []string {
	_, lost := match(page, output)
	return lost
}

// match returns the page with its lines as the program printed them, and the lines that it did not.
// A line that ends in " ..." is the begin of a line.
func match(page []string, output string) (printed, lost []string) {
	rest := strings.Split(output, "\n")
next:
	for _, line := range page {
		if strings.TrimSpace(line) == "..." {
			printed = append(printed, line)
			continue
		}
		for i, got := range rest {
			begin, isBegin := strings.CutSuffix(line, " ...")
			switch {
			case isBegin && strings.HasPrefix(shape(got), shape(begin)):
				printed, rest = append(printed, line), rest[i+1:]
				continue next
			case shape(got) == shape(line):
				printed, rest = append(printed, strings.TrimRight(got, " ")), rest[i+1:]
				continue next
			}
		}
		printed, lost = append(printed, line), append(lost, line)
	}
	return printed, lost
}

// TestTutorial runs every command of docs/tutorial.md in order and compares its output with the
// page, up to numbers. With -update it writes this run's numbers, and the whole output of a command
// that has none on the page.
func TestTutorial(t *testing.T) {
	t.Parallel()
	const page = "tutorial.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c := newConsole(t)
	var written []string
	at := 0
	for _, s := range readSteps(lines) {
		began := time.Now()
		output := c.forPage(c.run(ctx, s))
		t.Logf("%5.1f s  %s", time.Since(began).Seconds(), s.command)
		if printed := experiment.FindString(output); printed != "" {
			if onPage := experiment.FindString(strings.Join(s.output, "\n")); onPage != "" {
				c.actual[onPage] = printed
			}
		}
		printed, lost := match(s.output, output)
		if len(s.output) == 0 {
			printed = strings.Split(strings.TrimSpace(output), "\n")
		}
		if len(lost) > 0 || len(s.output) == 0 && output != "" && !*update {
			t.Errorf("$ %s\nthe page has\n%s\nthe program printed\n%s", s.command, strings.Join(lost, "\n"), output)
		}
		written = append(written, lines[at:s.from]...)
		for _, line := range printed {
			if line != "" {
				written = append(written, "    "+line)
			}
		}
		at = s.to
	}
	written = append(written, lines[at:]...)
	if *update {
		if err := os.WriteFile(page, []byte(c.withIDs(strings.Join(written, "\n"))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// withIDs returns a text with this run's ids of experiments.
func (c *console) withIDs(text string) string {
	for page, actual := range c.actual {
		if experiment.MatchString(page) {
			text = strings.ReplaceAll(text, page, actual)
		}
	}
	return text
}

// forPage returns an output with the page's addresses and folder.
func (c *console) forPage(output string) string {
	for page, actual := range c.actual {
		if !experiment.MatchString(page) {
			output = strings.ReplaceAll(output, actual, page)
		}
	}
	return output
}
