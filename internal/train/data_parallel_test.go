package train_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/t5"
	"rdrec/internal/torch"
	"rdrec/internal/train"
)

// parallelJob has six steps of at least three micro-batches, with dropout.
func parallelJob(t *testing.T) train.Job {
	t.Helper()
	j := resumedJob(t)
	j.Spec.Train.Batch, j.Spec.Train.MicroBatch, j.Spec.Train.Steps, j.Spec.Train.EpochSteps = 6, 2, 6, 4
	return j
}

// followEnv makes a test process follow a training: socket, process, number of processes, and the
// checkpoint to resume from, between blanks.
const followEnv = "RDREC_TEST_FOLLOW"

// TestFollower is a follower's process.
func TestFollower(t *testing.T) {
	text := os.Getenv(followEnv)
	if text == "" {
		t.Skip("started by the other tests")
	}
	var socket string
	var share t5.Share
	j := parallelJob(t)
	if _, err := fmt.Sscan(text, &socket, &share.Process, &share.Processes, &j.Resume); err != nil {
		t.Fatal(err)
	}
	j.Resume = strings.TrimPrefix(j.Resume, "-")
	if err := train.Follow(context.Background(), j, socket, share); err != nil {
		t.Fatal(err)
	}
}

// runInProcesses runs a training over several processes, which have ended when it returns.
func runInProcesses(t *testing.T, j train.Job, processes int) (train.Result, error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "rdrec-train") //nolint:usetesting // a socket's path has at most 107 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var followers []*exec.Cmd
	for process := 1; process < processes; process++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFollower$", "-test.v")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d -%s", followEnv, socket, process, processes, j.Resume))
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		followers = append(followers, cmd)
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
	if j.Parallel, err = train.Lead(t.Context(), listener, processes); err != nil {
		t.Fatal(err)
	}
	result, err := train.Run(t.Context(), j)
	j.Parallel.Close()
	for i, cmd := range followers {
		if ended := cmd.Wait(); ended != nil {
			t.Errorf("follower %d: %v", i+1, ended)
		}
	}
	return result, err
}

// TestProcessesTrainAsOne compares a training of one process with one that three begin and two end:
// they sample the same dropout and add the same numbers in another order.
func TestProcessesTrainAsOne(t *testing.T) {
	alone, want := parallelJob(t), &archive{dir: t.TempDir()}
	alone.Save = want.save
	single := run(t, alone)

	first, saved, stop := parallelJob(t), &archive{dir: t.TempDir()}, make(chan struct{})
	first.Save, first.Stop = saved.save, stop
	closed := false
	first.Progress = func(p train.Progress) {
		if p.Step >= 3 && !closed {
			closed = true
			close(stop)
		}
	}
	if _, err := runInProcesses(t, first, 3); !errors.Is(err, train.ErrStopped) {
		t.Fatalf("stopped: %v", err)
	}
	ended := parallelJob(t)
	ended.Resume, ended.Save = saved.last(), saved.save
	result, err := runInProcesses(t, ended, 2)
	if err != nil {
		t.Fatal(err)
	}
	compareLosses(t, single, result)
	for i, name := range []string{"weights", "first moments", "second moments"} {
		far := farthest(all(t, want)[i], all(t, saved)[i])
		t.Logf("%s at most %.1e apart", name, far)
		if far > 2e-5 {
			t.Errorf("%s %v apart", name, far)
		}
	}
	if result.Steps != single.Steps || result.BestEpoch != single.BestEpoch {
		t.Errorf("%d steps, best epoch %d; want %d, %d", result.Steps, result.BestEpoch, single.Steps, single.BestEpoch)
	}
}

// all returns the weights and the moments of an archive's last checkpoint.
func all(t *testing.T, a *archive) [3][]float32 {
	t.Helper()
	weights, first, second := a.tensors(t)
	return [3][]float32{weights, first, second}
}

// TestLostFollowerEndsTheTraining: the error names the process; nothing hangs, no tensor is left.
func TestLostFollowerEndsTheTraining(t *testing.T) {
	before := torch.Live()
	dir := t.TempDir()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Skip(err) // a long path
	}
	defer listener.Close()
	go func() {
		conn, err := new(net.Dialer).DialContext(t.Context(), "unix", filepath.Join(dir, "s"))
		if err == nil {
			_, err = conn.Write([]byte{1, 0, 0, 0}) // process 1
			err = errors.Join(err, conn.Close())
		}
		if err != nil {
			t.Error(err)
		}
	}()
	j := parallelJob(t)
	if j.Parallel, err = train.Lead(t.Context(), listener, 2); err != nil {
		t.Fatal(err)
	}
	defer j.Parallel.Close()
	const want = "step 1: process 1 of 2: another process of the training has ended"
	if _, err := train.Run(t.Context(), j); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if left := torch.Live() - before; left != 0 {
		t.Errorf("%d tensors left", left)
	}
}

// TestLeadStopsWaiting when its context ends, and refuses an unknown process.
func TestLeadStopsWaiting(t *testing.T) {
	listen := func() (net.Listener, string) {
		socket := filepath.Join(t.TempDir(), "s")
		listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		return listener, socket
	}
	listener, _ := listen()
	lost := errors.New("process 1 ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(lost)
	if _, err := train.Lead(ctx, listener, 2); !errors.Is(err, lost) {
		t.Errorf("an ended context: %v", err)
	}
	listener, socket := listen()
	go func() {
		conn, err := new(net.Dialer).DialContext(t.Context(), "unix", socket)
		if err == nil {
			_, err = conn.Write([]byte{2, 0, 0, 0})
		}
		if err != nil {
			t.Error(err)
		}
	}()
	const want = "process 2 of 2 is unknown"
	if _, err := train.Lead(t.Context(), listener, 2); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("an unknown process: %v", err)
	}
}
