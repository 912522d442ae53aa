// Package torchtest gives tests the device that they run models on. Only tests import it.
package torchtest

import (
	"os"
	"testing"

	"rdrec/internal/torch"
)

// Name returns the name of the device on which tests run their models: the value of
// RDREC_TEST_DEVICE, such as cuda, or cpu if it is not set.
func Name() string {
	if name := os.Getenv("RDREC_TEST_DEVICE"); name != "" {
		return name
	}
	return "cpu"
}

// Device returns the device of [Name]. A device that this machine lacks fails the test.
func Device(t testing.TB) torch.Device {
	t.Helper()
	device, err := torch.ParseDevice(Name())
	if err != nil {
		t.Fatal(err)
	}
	return device
}
