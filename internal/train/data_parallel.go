package train

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// DataParallel connects a process with the others that train the same student: each computes the
// gradient of its share of every batch, and all of them move their copy of the weights by the sum.
// Process 0 leads: it adds the gradients up in the order of the processes, validates and saves. The
// others follow it ([Follow]) until it closes the connection.
type DataParallel struct {
	share t5.Share
	// conns are the followers' connections by process, from 1, or the one to the leader.
	conns []*processConn
}

// joinTimeout bounds how long a process waits for the others to start: each reads the data.
const joinTimeout = 10 * time.Minute

// errProcess means that another process of the training has ended.
var errProcess = errors.New("another process of the training has ended")

// Lead waits until all other processes have connected to a listener.
func Lead(ctx context.Context, listener net.Listener, processes int) (*DataParallel, error) {
	p := &DataParallel{share: t5.Share{Processes: processes}, conns: make([]*processConn, processes-1)}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() }) // ends Accept
	defer stop()
	for range p.conns {
		conn, err := listener.Accept()
		if err != nil {
			p.Close()
			return nil, errors.Join(context.Cause(ctx), fmt.Errorf("wait for the processes of the training: %w", err))
		}
		c := newProcessConn(conn)
		var process uint32
		err = binary.Read(c.r, binary.LittleEndian, &process)
		if err == nil && (process < 1 || int(process) >= processes || p.conns[process-1] != nil) {
			err = fmt.Errorf("process %d of %d is unknown or connected twice", process, processes)
		}
		if err != nil {
			c.close()
			p.Close()
			return nil, fmt.Errorf("wait for the processes of the training: %w", err)
		}
		p.conns[process-1] = c
	}
	return p, nil
}

// join connects a follower to the leader's socket.
func join(ctx context.Context, socket string, share t5.Share) (*DataParallel, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connect to the training's first process: %w", err)
	}
	c := newProcessConn(conn)
	process := uint32(share.Process) //nolint:gosec // a small number
	if err := binary.Write(conn, binary.LittleEndian, process); err != nil {
		c.close()
		return nil, fmt.Errorf("connect to the training's first process: %w", err)
	}
	return &DataParallel{share, []*processConn{c}}, nil
}

// Close ends the connections, and with them the followers.
func (p *DataParallel) Close() {
	if p == nil {
		return
	}
	for _, c := range p.conns {
		if c != nil {
			c.close()
		}
	}
}

// sum replaces loss and gradient of a step by the sums over all processes.
func (p *DataParallel) sum(
	s *torch.Scope, step int, loss, gradient *torch.Tensor,
) (lossSum, gradientSum *torch.Tensor, err error) {
	total := part{step: step, loss: loss.Float(), gradient: gradient.Float32s()}
	if p.share.Process > 0 {
		if err = p.conns[0].send(total); err == nil {
			err = p.conns[0].receive(&total)
		}
	} else {
		err = p.gather(&total)
	}
	if err != nil {
		return nil, nil, err
	}
	device := gradient.Device()
	loss.Free()
	gradient.Free()
	return s.FromFloat32([]float32{float32(total.loss)}).ToDevice(device),
		s.FromFloat32(total.gradient, int64(len(total.gradient))).ToDevice(device), nil
}

// gather adds the followers' parts, in the order of the processes, and sends them the sum.
func (p *DataParallel) gather(total *part) error {
	other := part{gradient: make([]float32, len(total.gradient))}
	for i, c := range p.conns {
		if err := c.receive(&other); err != nil {
			return fmt.Errorf("process %d of %d: %w", i+1, p.share.Processes, err)
		}
		if other.step != total.step {
			return fmt.Errorf("process %d of %d is at step %d, not %d", i+1, p.share.Processes, other.step, total.step)
		}
		total.loss += other.loss
		for k, g := range other.gradient {
			total.gradient[k] += g
		}
	}
	for i, c := range p.conns {
		if err := c.send(*total); err != nil {
			return fmt.Errorf("process %d of %d: %w", i+1, p.share.Processes, err)
		}
	}
	return nil
}

// part is a process's part of a step.
type part struct {
	step     int
	loss     float64
	gradient []float32
}

// processConn is a connection between two processes of this machine.
type processConn struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
}

func newProcessConn(conn net.Conn) *processConn {
	const buffer = 1 << 20
	return &processConn{conn, bufio.NewReaderSize(conn, buffer), bufio.NewWriterSize(conn, buffer)}
}

func (c *processConn) close() { _ = c.conn.Close() }

// header precedes the numbers of a gradient.
type header struct {
	Step, Numbers uint64
	Loss          float64
}

// chunk is how many numbers are converted at a time.
const chunk = 1 << 14

// send sends a part.
func (c *processConn) send(p part) error {
	h := header{uint64(p.step), uint64(len(p.gradient)), p.loss} //nolint:gosec // never negative
	err := binary.Write(c.w, binary.LittleEndian, h)
	data := make([]byte, 0, 4*chunk)
	for rest := p.gradient; err == nil && len(rest) > 0; {
		n := min(chunk, len(rest))
		data = data[:0]
		for _, x := range rest[:n] {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		}
		_, err = c.w.Write(data)
		rest = rest[n:]
	}
	if err == nil {
		err = c.w.Flush()
	}
	return connError(err)
}

// receive receives a part with as many numbers as p has.
func (c *processConn) receive(p *part) error {
	var h header
	if err := binary.Read(c.r, binary.LittleEndian, &h); err != nil {
		return connError(err)
	}
	if h.Numbers != uint64(len(p.gradient)) {
		return fmt.Errorf("it trains another model: %d parameters instead of %d", h.Numbers, len(p.gradient))
	}
	p.step, p.loss = int(h.Step), h.Loss //nolint:gosec // a number of steps
	data := make([]byte, 4*chunk)
	for rest := p.gradient; len(rest) > 0; {
		n := min(chunk, len(rest))
		if _, err := io.ReadFull(c.r, data[:4*n]); err != nil {
			return connError(err)
		}
		for i := range rest[:n] {
			rest[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		rest = rest[n:]
	}
	return nil
}

// connError marks the error of a connection.
func connError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errProcess, err)
}

// Follow trains as one of the followers, from 1, of the process that listens on a socket. It
// returns nil when that process has ended the connection, because the training is over or pauses.
// Job is that of the leader; its Save, Progress and Stop are not used.
func Follow(ctx context.Context, job Job, socket string, share t5.Share) error {
	return torch.Run(func(*torch.Scope) error {
		torch.Threads(job.Threads)
		t, err := prepare(job)
		if err != nil {
			return err
		}
		defer t.free()
		if t.job.Parallel, err = join(ctx, socket, share); err != nil {
			return err
		}
		defer t.job.Parallel.Close()
		err = t.follow(ctx)
		if errors.Is(err, errProcess) {
			return nil
		}
		return err
	})
}

// follow computes this process's share of each step until the leader ends.
func (t *trainer) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for next := range t.prefetch(ctx) {
		if next.err != nil {
			return fmt.Errorf("step %d: %w", t.state.Step+1, next.err)
		}
		loss, err := t.trainBatch(next.batch)
		if err != nil {
			return fmt.Errorf("step %d: %w", t.state.Step+1, err)
		}
		loss.Free()
		t.state.advance(next)
	}
	return context.Cause(ctx)
}
