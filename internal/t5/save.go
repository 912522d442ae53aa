package t5

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/torch"
)

// Save writes the model to dir as Hugging Face lays out a T5: config.json and model.safetensors, in
// single precision. Python's transformers opens it, and reports our two extra tables as unused.
func (m *Model) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	config, err := json.MarshalIndent(m.Config, "", " ")
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
