package t5

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/torch"
)

// Save writes the model to dir in Hugging Face's layout of a T5: config.json and model.safetensors,
// in single precision. Python's transformers loads it, and reports the student's two tables as
// unused.
func (m *Model) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	c := m.Config
	c.Type = defaults().Type // a pretrained model's may be another
	config, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return fmt.Errorf("model config: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), append(config, '\n'), 0o644); err != nil {
		return err
	}
	return torch.Run(func(s *torch.Scope) error {
		return torch.WriteSafetensors(filepath.Join(dir, torch.SafetensorsFile), m.Named(s.Use(m.flat)))
	})
}
