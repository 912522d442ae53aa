package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// measurement is the result of running a side's workload once.
type measurement struct {
	// Seconds is wall-clock time, CPU is CPU time in seconds, and Memory is the peak memory of the
	// process in bytes.
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"`
	Memory  int64   `json:"memory"`
	// Operations is the number of tensor operations, without those of the backward pass; 0 if not
	// counted.
	Operations int64 `json:"operations"`
	// Loss is set by training and Tokens by a search: by row, best first.
	Loss   float64     `json:"loss"`
	Tokens [][][]int32 `json:"tokens"`
	// Amount is the amount of work if only the side knows it: generated tokens.
	Amount float64 `json:"amount"`
}

// process is a process that runs one workload repeatedly.
type process struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// startProcess starts a command that answers each line, and sends it the workload.
func startProcess(ctx context.Context, name string, command []string, work any) (*process, error) {
	s := &process{name: name, cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	s.cmd.Stderr = &s.stderr
	s.cmd.Env = append(s.cmd.Environ(), "OMP_WAIT_POLICY=passive", "TOKENIZERS_PARALLELISM=false",
		"HF_HUB_OFFLINE=1", "TRANSFORMERS_NO_ADVISORY_WARNINGS=1")
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.in, s.out = in, bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	line, err := json.Marshal(work)
	if err == nil {
		_, err = in.Write(append(line, '\n'))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: send the workload: %w", name, err), s.close())
	}
	return s, nil
}

// runOnce runs the workload once. command is "count" to count operations, which takes time, "ready"
// to wait until the side is prepared, or "check" to return tokens for comparison.
func (s *process) runOnce(command string) (r measurement, err error) {
	if _, err = io.WriteString(s.in, command+"\n"); err == nil {
		var line []byte
		if line, err = s.out.ReadBytes('\n'); err == nil {
			err = json.Unmarshal(line, &r)
		}
	}
	if err != nil {
		closed := s.close()
		err = fmt.Errorf("%s returned no result: %w (%w)\n%s", s.name, err, closed, s.stderr.Bytes())
	}
	return r, err
}

// close ends the process.
func (s *process) close() error {
	if s.cmd.ProcessState != nil {
		return nil
	}
	return errors.Join(s.in.Close(), s.cmd.Wait())
}
