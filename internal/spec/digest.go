package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"
)

// Canonical returns the canonical JSON of the spec: all fields in the order of the structs, map
// keys sorted, numbers in their shortest form.
func (s Spec) Canonical() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing spec %q as JSON: %w", s.Name, err)
	}
	return text, nil
}

// Digest returns the SHA-256 of the canonical JSON in hexadecimal.
func (s Spec) Digest() (string, error) {
	text, err := s.Canonical()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// WorkflowID returns the workflow id of the experiment, which is the same for equal specs.
func (s Spec) WorkflowID() (string, error) {
	digest, err := s.Digest()
	if err != nil {
		return "", err
	}
	return s.Name + "-" + digest[:12], nil
}

// YAML returns the spec with all defaults written out; [Parse] reads it back.
func (s Spec) YAML() ([]byte, error) {
	text, err := yaml.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing spec %q as YAML: %w", s.Name, err)
	}
	return text, nil
}
