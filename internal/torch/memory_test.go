package torch_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/fstest"

	"rdrec/internal/torch"
)

func TestFreeHostReadsControlGroups(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	meminfo := file("MemTotal:       24000 kB\nMemAvailable:   20000 kB\n")
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  int64
		total int64
	}{
		"nothing is known": {fstest.MapFS{}, 0, 0},
		"no groups":        {fstest.MapFS{"proc/meminfo": meminfo}, 20000 << 10, 24000 << 10},
		"a group without a limit": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"),
		}, 20000 << 10, 24000 << 10},
		"the group above has one": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"),
			"sys/fs/cgroup/a/memory.max":   file("9000000\n"), "sys/fs/cgroup/a/memory.current": file("5000000\n"),
			"sys/fs/cgroup/a/memory.stat": file("anon 4000000\ninactive_file 1000000\n"),
		}, 5_000_000, 9_000_000},
		"nothing is left": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("4000000\n"),
			"sys/fs/cgroup/memory.current": file("5000000\n"),
		}, 1, 4_000_000},
		"version 1": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("4:cpu,cpuacct:/x\n3:memory:/docker/1\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("8000000\n"),
			"sys/fs/cgroup/memory/memory.usage_in_bytes": file("2000000\n"),
			"sys/fs/cgroup/memory/memory.stat":           file("total_inactive_file 500000\n"),
		}, 6_500_000, 8_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			if got := torch.FreeHost(c.files); got != c.want {
				t.Errorf("%d bytes, want %d", got, c.want)
			}
			if got := torch.TotalHost(c.files); got != c.total {
				t.Errorf("%d bytes in total, want %d", got, c.total)
			}
		})
	}
	if free := torch.Free(torch.CPU); runtime.GOOS == "linux" && free < 1<<20 {
		t.Errorf("this machine has %d bytes", free)
	}
}

func TestInjectOOM(t *testing.T) {
	before := torch.Live()
	defer torch.InjectOOM(func(bytes int64) bool { return bytes == 24 })()
	err := torch.Run(func(s *torch.Scope) error {
		s.Zeros(torch.Float32, torch.CPU, 5)
		s.Zeros(torch.Float32, torch.CPU, 2, 3)
		return nil
	})
	if !errors.Is(err, torch.ErrOutOfMemory) {
		t.Errorf("error %v", err)
	}
	if now := torch.Live(); now != before {
		t.Errorf("%d tensors live, %d before", now, before)
	}
}

// TestTrimReturnsMemory frees a large tensor below a small one and reads the process's memory.
func TestTrimReturnsMemory(t *testing.T) {
	held := func() int64 {
		statm, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Skip("no /proc here")
		}
		var size, resident int64
		if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
			t.Fatal(err)
		}
		return resident * int64(os.Getpagesize())
	}
	err := torch.Run(func(s *torch.Scope) error {
		large := s.Full(1, torch.Float32, torch.CPU, 64<<20)
		s.Full(1, torch.Float32, torch.CPU, 1<<10)
		full := held()
		large.Free()
		torch.Trim()
		if left := held(); full-left < 200<<20 {
			t.Errorf("%d MB resident, %d after 256 were freed", full>>20, left>>20)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
