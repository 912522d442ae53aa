package torch

// #include "native.h"
import "C"

import (
	"bufio"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	lib "github.com/sugarme/gotch/libtch"
)

// Free returns the bytes of a device's memory that are free and available to this process; 0 if
// that is unknown.
func Free(device Device) int64 {
	if device >= 0 {
		free, _ := cudaMemory()
		return free
	}
	return FreeHost(os.DirFS("/"))
}

// Total returns the bytes of a device's memory, of which other processes may have some; 0 if that
// is unknown.
func Total(device Device) int64 {
	if device >= 0 {
		_, all := cudaMemory()
		return all
	}
	return TotalHost(os.DirFS("/"))
}

// cudaMemory returns the free and all bytes of the first GPU's memory; 0 without one.
func cudaMemory() (free, all int64) {
	var unused, total C.int64_t
	C.torch_cuda_memory(&unused, &total)
	return int64(unused), int64(total)
}

// TotalHost is [Total] for the host whose file system is root: its memory, or the limit of a
// control group if that is less.
func TotalHost(root fs.FS) int64 {
	total := readFigure(root, "proc/meminfo", "MemTotal:") << 10
	eachGroup(root, func(dir string, files groupFiles) {
		if most := readFigure(root, path.Join(dir, files.limit), ""); most > 0 {
			total = min(total, most)
		}
	})
	return total
}

// Trim returns the process's unused memory to the system. Otherwise, it is kept, because training
// allocates the same blocks again and again.
func Trim() { C.torch_trim() }

// FreeHost is [Free] for the host whose file system is root: the memory that Linux reports as
// available, or what the limit of a control group leaves if that is less.
func FreeHost(root fs.FS) int64 {
	free := readFigure(root, "proc/meminfo", "MemAvailable:") << 10
	eachGroup(root, func(dir string, files groupFiles) {
		if most := readFigure(root, path.Join(dir, files.limit), ""); most > 0 {
			inactive := readFigure(root, path.Join(dir, "memory.stat"), files.cached)
			remaining := most - readFigure(root, path.Join(dir, files.used), "") + inactive
			free = min(free, max(remaining, 1))
		}
	})
	return free
}

// groupFiles are the names of a control group's limit and use of memory, and the name of its cached
// files in memory.stat.
type groupFiles struct{ limit, used, cached string }

// eachGroup visits the folders of this process's control groups for memory, and of their parents:
// their limits count, too.
func eachGroup(root fs.FS, visit func(dir string, files groupFiles)) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(groups)) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		controller, group, _ := strings.Cut(value, ":")
		mount, files := "sys/fs/cgroup", groupFiles{"memory.max", "memory.current", "inactive_file"}
		switch controller {
		case "": // version 2
		case "memory":
			mount = "sys/fs/cgroup/memory"
			files = groupFiles{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
		default:
			continue
		}
		for dir := path.Join("/", group); ; dir = path.Dir(dir) {
			visit(path.Join(mount, dir), files)
			if dir == "/" {
				break
			}
		}
	}
}

// readFigure returns the number after word at the start of a line of a file; 0 if there is none.
func readFigure(root fs.FS, file, word string) int64 {
	f, err := root.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if word != "" && len(fields) > 1 && fields[0] == word {
			fields = fields[1:]
		} else if word != "" || len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0 // "max"
		}
		return n
	}
	return 0
}

// oomInjector decides which operations run out of memory.
//
//nolint:gochecknoglobals // libtorch's allocators, which it makes fail, are global too.
var oomInjector atomic.Pointer[func(bytes int64) bool]

// InjectOOM makes libtorch run out of memory, for tests: fails reports whether an operation with a
// result of a number of bytes fails. The returned function ends the injection.
func InjectOOM(fails func(bytes int64) bool) (restore func()) {
	oomInjector.Store(&fails)
	return func() { oomInjector.Store(nil) }
}

// maybeInjectOOM allocates more memory than exists if the operation should fail, so that libtorch
// raises its own error.
func maybeInjectOOM(op string, c lib.Ctensor) {
	fails := oomInjector.Load()
	if fails == nil {
		return
	}
	probe := &Tensor{c: c}
	if !(*fails)(int64(probe.Numel()) * int64(probe.DType().Size())) {
		return
	}
	lib.AtFree(c)
	var out lib.Ctensor
	lib.AtgEmpty(&out, []int64{math.MaxInt64 >> 4}, 1, int32(Uint8), int32(CPU))
	check(op)
	misuse("libtorch gave %d bytes", int64(math.MaxInt64>>4))
}
