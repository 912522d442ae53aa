package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"rdrec/activities"
	"rdrec/internal/t5"
	"rdrec/internal/torch"
	"rdrec/internal/train"
	"rdrec/internal/untrusted"
)

// trainCommand is the name of the command with which a worker starts the other processes of a
// training.
const trainCommand = "train-process"

// trainProcess is the settings of one of the other processes, as a JSON file.
type trainProcess struct {
	Job activities.PretrainInput `json:"job"`
	// Data and Resume are folders; Socket is the first process's.
	Data   string `json:"data"`
	Resume string `json:"resume,omitempty"`
	Socket string `json:"socket"`
	// Process is its number, from 1. Device and Threads are its own.
	Process int    `json:"process"`
	Device  string `json:"device"`
	Threads int    `json:"threads"`
}

// trainOptions holds the flags of the command.
type trainOptions struct {
	Settings string `arg:"" help:"The file of the settings." type:"existingfile"`
}

// Run trains until the first process ends.
func (o trainOptions) Run(ctx context.Context) error {
	text, err := untrusted.ReadFile(o.Settings, untrusted.MaxSettings)
	if err != nil {
		return err
	}
	var p trainProcess
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("read %q: %w", o.Settings, err)
	}
	job, err := newStudents(p.Device, p.Threads, nil).training(activities.TrainJob{
		PretrainInput: p.Job, Data: p.Data, Resume: p.Resume, Scratch: filepath.Dir(o.Settings),
	})
	if err != nil {
		return err
	}
	job.Threads = p.Threads
	return train.Follow(ctx, job, p.Socket, t5.Share{Process: p.Process, Processes: p.Job.Train.Processes})
}

// parallel starts the other processes of a training, and waits until they are ready. What they
// write when they fail is the cause of the returned context. The caller calls end.
func (s students) parallel(
	ctx context.Context, job activities.TrainJob,
) (working context.Context, parallel *train.DataParallel, end func(), err error) {
	dir, err := os.MkdirTemp("", "rdrec-") // not in scratch: the path of a socket has at most 107 characters
	if err != nil {
		return nil, nil, nil, fmt.Errorf("make a folder for the processes of a training: %w", err)
	}
	working, cancel := context.WithCancelCause(ctx)
	processes := &trainProcesses{cancel: cancel, done: make(chan struct{}, job.Train.Processes)}
	end = func() {
		parallel.Close()
		processes.end()
		_ = os.RemoveAll(dir) // it holds a socket and settings
	}
	socket := filepath.Join(dir, "socket")
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		end()
		return nil, nil, nil, fmt.Errorf("listen for the processes of a training: %w", err)
	}
	defer listener.Close()
	for process := 1; process < job.Train.Processes && err == nil; process++ {
		settings := trainProcess{
			Job: job.PretrainInput, Data: job.Data, Resume: job.Resume, Socket: socket, Process: process,
			Threads: s.threadsEach(job.Train.Processes),
		}
		if settings.Device, err = torch.DeviceAfter(s.device, process); err == nil {
			err = processes.start(working, filepath.Join(dir, strconv.Itoa(process)), settings)
		}
	}
	if err == nil {
		parallel, err = train.Lead(working, listener, job.Train.Processes)
	}
	if err != nil {
		end()
		return nil, nil, nil, err
	}
	return working, parallel, end, nil
}

// trainProcesses is the started processes.
type trainProcesses struct {
	cancel  context.CancelCauseFunc
	started int
	done    chan struct{}
}

// start starts a process in a folder of its own.
func (p *trainProcesses) start(ctx context.Context, dir string, settings trainProcess) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "settings.json")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, text, 0o600)); err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, trainCommand, file) //nolint:gosec // this program
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a killed worker leaves none behind
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the process ends with the thread that started it
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if err := cmd.Wait(); err != nil {
			p.cancel(fmt.Errorf("process %d of the training: %w: %s", settings.Process, err, lastLine(stderr.String())))
		}
		p.done <- struct{}{}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start process %d of a training: %w", settings.Process, err)
	}
	p.started++
	return nil
}

// end ends the processes and waits for them.
func (p *trainProcesses) end() {
	p.cancel(nil)
	for range p.started {
		<-p.done
	}
}

// lastLine returns the last line of a text that has one.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
