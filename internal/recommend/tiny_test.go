package recommend_test

import (
	"path/filepath"
	"testing"

	"rdrec/internal/golden"
	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// tiny is the model of all goldens.
func tiny(t testing.TB) *t5.Model {
	t.Helper()
	return tinyOn(t, torch.CPU)
}

// tinyOn is tiny on a device.
func tinyOn(t testing.TB, device torch.Device) *t5.Model {
	t.Helper()
	golden.Path(t, "tiny/config.json")
	model, err := t5.Load(filepath.Dir(golden.Path(t, "tiny/model.safetensors")), device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Free)
	return model
}
