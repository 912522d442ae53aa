package gotch

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"
)

// renameat2 is the number of the Linux system call. Package syscall lacks it. Set-up uses only the
// standard library, because it must run, and report the problem, where no module can be fetched.
var renameat2 = map[string]uintptr{"amd64": 316, "arm64": 276}

const (
	workingFolder  = -100 // AT_FDCWD
	renameExchange = 2    // RENAME_EXCHANGE
)

// exchange swaps two folders of one disk in a single step.
func exchange(a, b string) error {
	number, ok := renameat2[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("exchange folders: %w on %s", syscall.ENOSYS, runtime.GOARCH)
	}
	from, err := syscall.BytePtrFromString(a)
	if err != nil {
		return fmt.Errorf("exchange folders: %q: %w", a, err)
	}
	to, err := syscall.BytePtrFromString(b)
	if err != nil {
		return fmt.Errorf("exchange folders: %q: %w", b, err)
	}
	here := workingFolder
	_, _, errno := syscall.Syscall6(number, uintptr(here), uintptr(unsafe.Pointer(from)),
		uintptr(here), uintptr(unsafe.Pointer(to)), renameExchange, 0)
	if errno != 0 {
		return fmt.Errorf("exchange %q and %q: %w", a, b, errno)
	}
	return nil
}
