package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"rdrec/internal/torch"
)

// gpuMonitor records a GPU's memory and utilization as nvidia-smi reports them, every tenth of a
// second. A nil monitor, that of a CPU, knows nothing.
type gpuMonitor struct {
	cmd *exec.Cmd
	now clock

	mu      sync.Mutex
	samples []gpuSample
}

// gpuSample is the state of a GPU at a time.
type gpuSample struct {
	at time.Time
	// memory is the memory in use in bytes, by all processes; utilization is the fraction of the
	// time before in which a kernel ran.
	memory      int64
	utilization float64
}

// monitorGPU starts the monitor of the bench's GPU, if it has one. It needs nvidia-smi.
func (b *bench) monitorGPU(ctx context.Context) error {
	if !b.onGPU() {
		return nil
	}
	_, index, numbered := strings.Cut(b.device, ":")
	if !numbered {
		index = "0"
	}
	m := &gpuMonitor{now: b.now, cmd: exec.CommandContext(ctx, "nvidia-smi", "--id="+index,
		"--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=100")}
	out, err := m.cmd.StdoutPipe()
	if err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		return err
	}
	go m.read(out)
	b.monitor = m
	return nil
}

func (b *bench) onGPU() bool { return strings.HasPrefix(b.device, "cuda") }

// read records the samples of nvidia-smi's output: "megabytes, percent" on each line.
func (m *gpuMonitor) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		used, busy, _ := strings.Cut(lines.Text(), ", ")
		megabytes, err := strconv.ParseInt(used, 10, 64)
		percent, other := strconv.ParseFloat(busy, 64)
		if errors.Join(err, other) != nil {
			continue
		}
		m.mu.Lock()
		m.samples = append(m.samples, gpuSample{m.now(), megabytes << 20, percent / 100})
		m.mu.Unlock()
	}
}

// memory returns the GPU's memory in use by now, in bytes; 0 if that is unknown.
func (m *gpuMonitor) memory() int64 {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.samples) == 0 {
		return 0
	}
	return m.samples[len(m.samples)-1].memory
}

// utilization returns the mean of the samples since a time, and whether there is one.
func (m *gpuMonitor) utilization(since time.Time) (mean float64, ok bool) {
	if m == nil {
		return 0, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0.0
	for _, x := range m.samples {
		if x.at.After(since) {
			mean += x.utilization
			n++
		}
	}
	return mean / max(n, 1), n > 0
}

// close ends nvidia-smi.
func (m *gpuMonitor) close() {
	if m != nil && m.cmd.Process.Kill() == nil {
		m.cmd.Wait() //nolint:errcheck // it was killed
	}
}

// peaks are the measured limits of the device: the arithmetic of a large product of matrices in
// float32, and the bytes that a copy reads and writes.
type peaks struct {
	// GFLOPS is 10^9 operations per second: per CPU-second on a CPU, by the clock on a GPU.
	GFLOPS float64 `json:"gflops"`
	// Bandwidth is 10^9 bytes per second by the clock.
	Bandwidth float64 `json:"bandwidth"`
}

// measurePeaks returns the highest of several measurements.
func (b *bench) measurePeaks() (p peaks, err error) {
	size, bytes := int64(2048), int64(1<<28)
	if b.onGPU() {
		size, bytes = 8192, 1<<32
	}
	err = torch.Run(func(s *torch.Scope) error {
		torch.Threads(b.threads)
		device, err := torch.ParseDevice(b.device)
		if err != nil {
			return err
		}
		elapsed := func(f func()) (clock, cpu float64) {
			torch.Synchronize(device)
			started, used := b.now(), cpuSeconds()
			f()
			torch.Synchronize(device)
			return b.now().Sub(started).Seconds(), cpuSeconds() - used
		}
		matrix := s.Empty(torch.Float32, device, size, size).Uniform(-1, 1)
		block := s.Empty(torch.Float32, device, bytes/4).Uniform(-1, 1)
		for range 8 {
			for _, multiply := range []func(*torch.Tensor) *torch.Tensor{matrix.MatMul, matrix.Linear} {
				seconds, cpu := elapsed(func() { multiply(matrix).Free() })
				if !b.onGPU() {
					seconds = cpu
				}
				p.GFLOPS = max(p.GFLOPS, 2*float64(size*size*size)/seconds/1e9)
			}
			seconds, _ := elapsed(func() { block.Clone().Free() })
			p.Bandwidth = max(p.Bandwidth, 2*float64(bytes)/seconds/1e9)
		}
		return nil
	})
	return p, err
}
