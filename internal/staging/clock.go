package staging

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A clock that is wrong for one process only: Linux gives each process its clock through a page of
// code, the vDSO, which Go's runtime and the C library both call. The process is stopped before its
// first instruction, and clock_gettime is replaced by a function that asks the kernel and adds an
// offset. Everything else, timers in particular, behaves as when someone sets the clock.

// Clock is the clock of a process with a patched vDSO.
type Clock struct {
	pid int
	// offset is the address of the number of seconds that the process's clock is ahead.
	offset int64
}

// clockCode is clock_gettime for x86-64: the system call, then, for CLOCK_REALTIME, the addition of
// the offset, which follows the code.
var clockCode = []byte{
	0xb8, 0xe4, 0, 0, 0, // mov eax, 228
	0x0f, 0x05, // syscall
	0x85, 0xff, // test edi, edi
	0x75, 0x0a, // jnz: another clock
	0x48, 0x8b, 0x0d, 0x06, 0, 0, 0, // mov rcx, [offset]
	0x48, 0x01, 0x0e, // add [rsi], rcx
	0xc3,       // ret
	0x90, 0x90, // padding to a multiple of 8
}

// StartAt starts a command with its clock ahead.
func StartAt(cmd *exec.Cmd, ahead time.Duration) (*Clock, error) {
	if runtime.GOARCH != "amd64" {
		return nil, errors.ErrUnsupported
	}
	runtime.LockOSThread() // a thread is the tracer
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return nil, err
	}
	clock, err := patchVDSO(pid)
	if err == nil {
		err = clock.Set(ahead)
	}
	return clock, errors.Join(err, syscall.PtraceDetach(pid))
}

// patchVDSO appends clockCode to a process's vDSO and makes its clock_gettime jump there.
func patchVDSO(pid int) (*Clock, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	var from, to int64
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
				return nil, err
			}
		}
	}
	image := make([]byte, to-from)
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	if _, err := memory.ReadAt(image, from); err != nil {
		return nil, err
	}
	function, err := clockFunction(image)
	if err != nil {
		return nil, err
	}
	free := int64(len(bytes.TrimRight(image, "\x00"))+15) &^ 7
	if free+int64(len(clockCode))+8 > to-from {
		return nil, errors.New("the vDSO has no room for the code")
	}
	//nolint:gosec // both addresses are within two pages
	jump := binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(free-function-5))
	_, err = memory.WriteAt(append(bytes.Clone(clockCode), make([]byte, 8)...), from+free)
	if err == nil {
		_, err = memory.WriteAt(jump, from+function)
	}
	return &Clock{pid, from + free + int64(len(clockCode))}, err
}

// clockFunction returns the offset of clock_gettime in a vDSO.
func clockFunction(image []byte) (int64, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, err
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return 0, err
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" {
			return int64(s.Value), nil //nolint:gosec // an offset in two pages
		}
	}
	return 0, errors.New("the vDSO has no clock_gettime")
}

// Set sets how far the clock is ahead.
func (c *Clock) Set(ahead time.Duration) error {
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", c.pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	seconds := uint64(int64(ahead / time.Second)) //nolint:gosec // two's complement
	_, err = memory.WriteAt(binary.LittleEndian.AppendUint64(nil, seconds), c.offset)
	return err
}
