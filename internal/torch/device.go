package torch

import (
	"fmt"

	lib "github.com/sugarme/gotch/libtch"
)

// Device is where a tensor lives: [CPU], or a GPU by its number from 0.
type Device int32

// CPU is the host.
const CPU Device = -1

// String names the device as PyTorch does.
func (d Device) String() string {
	if d < 0 {
		return "cpu"
	}
	return fmt.Sprintf("cuda:%d", int32(d))
}

// ParseDevice returns the device of a name: "cpu", "cuda" (the first GPU), nothing for the same, or
// "auto" (a GPU where one works, else the CPU).
func ParseDevice(name string) (Device, error) {
	switch name {
	case "cpu", "":
		return CPU, nil
	case "auto", "cuda":
	default:
		return CPU, fmt.Errorf("device %q: want auto, cpu or cuda", name)
	}
	err := loadCUDA()
	if err == nil && !lib.AtcCudaIsAvailable() {
		err = fmt.Errorf("libtorch finds no usable GPU")
	}
	switch {
	case err == nil:
		return 0, nil
	case name == "auto":
		return CPU, nil
	default:
		return CPU, fmt.Errorf("device %q: %w", name, err)
	}
}

// Synchronize waits until the device has done all that it was given; the CPU always has.
func Synchronize(device Device) {
	if device >= 0 {
		lib.AtcSynchronize(int64(device))
	}
}
