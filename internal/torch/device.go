package torch

import (
	"fmt"

	lib "github.com/sugarme/gotch/libtch"
)

// Device is the device of a tensor: [CPU], or the index of a GPU, from 0.
type Device int32

// CPU is the host.
const CPU Device = -1

// String returns PyTorch's name of the device.
func (d Device) String() string {
	if d < 0 {
		return "cpu"
	}
	return fmt.Sprintf("cuda:%d", int32(d))
}

// ParseDevice returns the device of a name: "cpu" or "" (the CPU), "cuda" (the first GPU), or
// "auto" (the first GPU if it is usable, the CPU otherwise).
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

// Synchronize waits until the device has finished all queued work. On the CPU, it does nothing.
func Synchronize(device Device) {
	if device >= 0 {
		lib.AtcSynchronize(int64(device))
	}
}
