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

// measurement is what a side says after it did its work once.
type measurement struct {
	// Seconds are by the clock, CPU by the processors; Memory is the most that the process ever
	// held, in bytes.
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"`
	Memory  int64   `json:"memory"`
	// Operations is how many tensor operations the program started, those of the backward pass left
	// out; 0 where it was not asked.
	Operations int64 `json:"operations"`
	// Loss is training's, Tokens a search's: by row, best first.
	Loss   float64     `json:"loss"`
	Tokens [][][]int32 `json:"tokens"`
	// Amount is how much was done where the side alone knows: generated tokens.
	Amount float64 `json:"amount"`
}

// process is a process that does one work, again and again.
type process struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// startProcess runs a command that answers lines, and gives it its work.
func startProcess(ctx context.Context, name string, command []string, work any) (*process, error) {
	s := &process{name: name, cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	s.cmd.Stderr = &s.stderr
	s.cmd.Env = append(s.cmd.Environ(), "OMP_WAIT_POLICY=passive", "TOKENIZERS_PARALLELISM=false", "HF_HUB_OFFLINE=1", "TRANSFORMERS_NO_ADVISORY_WARNINGS=1")
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
		return nil, errors.Join(fmt.Errorf("%s: hand over the work: %w", name, err), s.close())
	}
	return s, nil
}

// runOnce has the work done once; ask is "count" to have operations counted, which takes time,
// "ready" to learn that it has been prepared, "check" to compare what comes out.
func (s *process) runOnce(command string) (r measurement, err error) {
	if _, err = io.WriteString(s.in, command+"\n"); err == nil {
		var line []byte
		if line, err = s.out.ReadBytes('\n'); err == nil {
			err = json.Unmarshal(line, &r)
		}
	}
	if err != nil {
		closed := s.close()
		err = fmt.Errorf("%s gave no answer: %w (%w)\n%s", s.name, err, closed, s.stderr.Bytes())
	}
	return r, err
}

// close lets the process end.
func (s *process) close() error {
	if s.cmd.ProcessState != nil {
		return nil
	}
	return errors.Join(s.in.Close(), s.cmd.Wait())
}
