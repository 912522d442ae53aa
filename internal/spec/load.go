package spec

import (
	"fmt"
	"os"

	"rdrec/internal/document"
)

// SetDefaults makes a reviews block that a document names begin with [DefaultReviews].
func (r *Reviews) SetDefaults() { *r = DefaultReviews() }

// Load reads a spec from a YAML file and applies overrides such as "train.epochs=2" in their order.
// A spec that is wrong gives all its faults at once, as a [document.Error]. Relative paths in it
// stay as they are: whoever reads the data (the worker) resolves them against its own working
// directory, so that the digest does not depend on where a project lies.
func Load(path string, overrides []string) (Spec, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Spec{}, fmt.Errorf("reading spec: %w", err)
	}
	return Parse(path, text, overrides)
}

// Parse is [Load] for a text; name stands in the faults.
func Parse(name string, text []byte, overrides []string) (Spec, error) {
	s := Default()
	d := document.Read(name, text, &s)
	for _, o := range overrides {
		d.Set(o)
	}
	if err := check(d, s); err != nil {
		return Spec{}, err
	}
	return s, nil
}

// Validate checks a spec that did not come from a document.
func Validate(s Spec) error {
	return check(document.New("spec", &s), s)
}
