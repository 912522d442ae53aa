package sasrec

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/torch"
	"rdrec/internal/untrusted"
)

// configFile has the settings and the number of items of a saved model.
const configFile = "config.json"

// config is the content of configFile.
type config struct {
	Settings
	Items int `json:"items"`
}

// Save writes the model to dir: config.json and model.safetensors.
func (m *Model) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	text, err := json.MarshalIndent(config{m.Settings, m.items}, "", " ")
	if err != nil {
		return fmt.Errorf("sasrec: settings: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, configFile), append(text, '\n'), 0o600); err != nil {
		return err
	}
	return torch.Run(func(s *torch.Scope) error {
		return torch.WriteSafetensors(filepath.Join(dir, torch.SafetensorsFile), m.named(s))
	})
}

// Load reads a saved model. The caller frees it.
func Load(dir string, device torch.Device) (*Model, error) {
	c, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	weights, err := torch.OpenSafetensors(filepath.Join(dir, torch.SafetensorsFile))
	if err != nil {
		return nil, err
	}
	defer weights.Close()
	m, err := New(c.Settings, c.Items, 0, torch.CPU)
	if err != nil {
		return nil, err
	}
	err = torch.Run(func(s *torch.Scope) error {
		if err := torch.Fill(s, weights, m.named(s)); err != nil {
			return err
		}
		flat := torch.Keep(s.Use(m.flat).Clone().ToDevice(device))
		m.flat.Free()
		m.flat, m.device = flat, device
		return nil
	})
	if errors.Is(err, torch.ErrShapes) {
		err = fmt.Errorf("%w: %q: %w", ErrSettings, dir, err)
	}
	if err != nil {
		m.Free()
		return nil, err
	}
	return m, nil
}

// The bounds of a model that is loaded. With them, its weights are at most as large as their file.
const (
	maxItems  = 1 << 26
	maxBlocks = 64
	maxLength = 1 << 16
	maxSize   = 1 << 14
)

// readConfig reads the settings of a saved model and checks that its weights fit in their file.
func readConfig(dir string) (c config, err error) {
	path := filepath.Join(dir, configFile)
	text, err := untrusted.ReadFile(path, untrusted.MaxSettings)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%w: %q: %w", ErrSettings, path, err)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%q: %w", path, err)
	}
	info, err := os.Stat(filepath.Join(dir, torch.SafetensorsFile))
	if err != nil {
		return c, err
	}
	if c.Items < 1 || c.Items > maxItems || c.Blocks > maxBlocks || c.MaxLength > maxLength || c.HiddenSize > maxSize {
		return c, fmt.Errorf("%w: %q: a size is out of bounds: %+v", ErrSettings, path, c)
	}
	bytes := int64(0)
	for _, p := range (&Model{Settings: c.Settings, items: c.Items}).Parameters() {
		bytes += p.numel() * int64(torch.Float32.Size())
	}
	if bytes > info.Size() {
		return c, fmt.Errorf("%w: %q needs %d bytes of weights, and %s has %d",
			ErrSettings, path, bytes, torch.SafetensorsFile, info.Size())
	}
	return c, nil
}

// named returns the weights by name, as views in a scope.
func (m *Model) named(s *torch.Scope) []torch.Named {
	weights := m.assemble(s.Use(m.flat), 0).weights
	parameters := m.Parameters()
	all := make([]torch.Named, len(parameters))
	for i, p := range parameters {
		all[i] = torch.Named{Name: p.Name, Tensor: weights[p.Name]}
	}
	return all
}
