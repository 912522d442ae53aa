package pickle_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rdrec/internal/pickle"
)

// openEnv names the file that the test program opens instead of running its tests.
const openEnv = "RDREC_TEST_OPEN"

// The limits under which a file is opened.
const (
	dataLimit   = 512 << 20
	maxResident = 96 << 20 // of which the test program itself takes a third
	maxSeconds  = 1
)

// TestMain runs the tests, or opens a file under a limit of memory and prints the result.
func TestMain(m *testing.M) {
	path := os.Getenv(openEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: dataLimit, Max: dataLimit}); err != nil {
		panic(err)
	}
	start := time.Now()
	result := opened(path)
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stdout, "%d %d %s\n", usage.Maxrss<<10, time.Since(start).Milliseconds(), result)
	os.Exit(0)
}

// opened reads all tensors of a file and returns the result in words.
func opened(path string) string {
	file, err := pickle.Open(path)
	if err != nil {
		return "refused: " + strings.TrimPrefix(err.Error(), fmt.Sprintf("pytorch file %q: ", path))
	}
	tensors, bytes := 0, 0
	for name, tensor := range file.Tensors {
		first, end, err := tensor.Span()
		if err != nil {
			return fmt.Sprintf("refused: tensor %q: %v", name, err)
		}
		data, err := tensor.Storage.Read(first, end)
		if err != nil {
			return fmt.Sprintf("refused: tensor %q: %v", name, err)
		}
		tensors, bytes = tensors+1, bytes+len(data)
	}
	if err := file.Close(); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("opens: %d tensors, %d bytes", tensors, bytes)
}

// outcome opens a file in a process of its own, with limits of memory and time.
func outcome(t *testing.T, path string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), openEnv+"="+path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: the process ended: %v\n%.2000s", path, err, stderr.String())
	}
	var resident, millis int
	if _, err := fmt.Sscanf(string(output), "%d %d", &resident, &millis); err != nil {
		t.Fatal(err)
	}
	if resident > maxResident || millis > maxSeconds*1000 {
		t.Errorf("%s took %d MiB and %d ms", path, resident>>20, millis)
	}
	return strings.TrimSpace(strings.SplitN(string(output), " ", 3)[2])
}
