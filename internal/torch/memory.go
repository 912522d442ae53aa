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

// Free is how many bytes of a device's memory nobody uses now, as far as this process may have
// them; 0 where that is not known.
func Free(device Device) int64 {
	if device >= 0 {
		return int64(C.torch_cuda_free())
	}
	return FreeHost(os.DirFS("/"))
}

// Trim gives the system back the memory that the process holds and does not use: it is kept
// otherwise, as a training needs the same again and again.
func Trim() { C.torch_trim() }

// FreeHost is [Free] of the host whose files are root's: what Linux says is available, or what a
// control group leaves if that is less.
func FreeHost(root fs.FS) int64 {
	free := readFigure(root, "proc/meminfo", "MemAvailable:") << 10
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return free
	}
	for line := range strings.Lines(string(groups)) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		controller, group, _ := strings.Cut(value, ":")
		mount, limit, used, cached := "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
		switch controller {
		case "": // version 2
		case "memory":
			mount, limit, used, cached = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		default:
			continue
		}
		for dir := path.Join("/", group); ; dir = path.Dir(dir) { // a limit of any group above counts too
			at := path.Join(mount, dir)
			if most := readFigure(root, path.Join(at, limit), ""); most > 0 {
				remaining := most - readFigure(root, path.Join(at, used), "") + readFigure(root, path.Join(at, "memory.stat"), cached)
				free = min(free, max(remaining, 1))
			}
			if dir == "/" {
				break
			}
		}
	}
	return free
}

// readFigure is the number behind a word that begins a line of a file; 0 where there is none.
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

// oomInjector decides which operations are to lack memory.
//
//nolint:gochecknoglobals // libtorch's allocators, whose lack of memory it brings about, are global too.
var oomInjector atomic.Pointer[func(bytes int64) bool]

// InjectOOM has libtorch run out of memory, for tests of what happens then: the operations for
// whose results of so many bytes lack says so. It ends when the function that it returns is called.
func InjectOOM(fails func(bytes int64) bool) (restore func()) {
	oomInjector.Store(&fails)
	return func() { oomInjector.Store(nil) }
}

// maybeInjectOOM asks libtorch for more memory than there is where an operation's result is to lack
// it.
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
