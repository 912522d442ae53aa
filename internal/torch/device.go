package torch

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

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

// deviceIndex returns the GPU that a name means, or [CPU].
func deviceIndex(name string) (Device, error) {
	index, numbered := strings.CutPrefix(name, "cuda:")
	switch {
	case name == "cpu" || name == "":
		return CPU, nil
	case name == "auto" || name == "cuda":
		return 0, nil
	case numbered:
		if n, err := strconv.ParseUint(index, 10, 7); err == nil { // libtorch's index is an int8
			return Device(n), nil //nolint:gosec // below 128
		}
	}
	return CPU, fmt.Errorf("device %q: want auto, cpu, cuda, or cuda:N with N from 0", name)
}

// ErrNoDevice means that this machine has no such GPU, or that libtorch cannot use it.
var ErrNoDevice = errors.New("no such GPU")

// CheckDevice returns an error if a name is none that [ParseDevice] knows.
func CheckDevice(name string) error {
	_, err := deviceIndex(name)
	return err
}

// ParseDevice returns the device of a name: "cpu" or "" (the CPU), "cuda" (the first GPU), "cuda:N"
// (GPU N, from 0), or "auto" (the first GPU if it is usable, the CPU otherwise).
func ParseDevice(name string) (Device, error) {
	gpu, err := deviceIndex(name)
	if err != nil || gpu == CPU {
		return CPU, err
	}
	err = loadCUDA()
	if err == nil && !lib.AtcCudaIsAvailable() {
		err = errors.New("libtorch finds no usable GPU")
	}
	if err == nil {
		if count := lib.AtcCudaDeviceCount(); int32(gpu) >= count {
			err = fmt.Errorf("libtorch finds %d GPUs, from cuda:0 on", count)
		}
	}
	switch {
	case err == nil:
		return gpu, nil
	case name == "auto":
		return CPU, nil
	default:
		return CPU, fmt.Errorf("device %q: %w", name, noDeviceError{err})
	}
}

// noDeviceError is [ErrNoDevice] with its cause.
type noDeviceError struct{ error }

func (e noDeviceError) Error() string { return ErrNoDevice.Error() + ": " + e.error.Error() }

// Unwrap makes it both.
func (e noDeviceError) Unwrap() []error { return []error{ErrNoDevice, e.error} }

// DeviceAfter returns the name of the device n after the one that a name means: the CPU for the
// CPU, and otherwise another GPU, which may not exist.
func DeviceAfter(name string, n int) (string, error) {
	device, err := ParseDevice(name)
	if err != nil || device == CPU {
		return CPU.String(), err
	}
	return (device + Device(n)).String(), nil //nolint:gosec // a small number
}

// Synchronize waits until the device has finished all queued work. On the CPU, it does nothing.
func Synchronize(device Device) {
	if device >= 0 {
		lib.AtcSynchronize(int64(device))
	}
}
