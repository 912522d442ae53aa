package spec

import (
	"fmt"

	"rdrec/internal/document"
	"rdrec/internal/untrusted"
)

// SetDefaults makes a codes block in a document start from [DefaultCodes].
func (c *Codes) SetDefaults() { *c = DefaultCodes() }

// SetDefaults makes a fusion block in a document start from [DefaultFusion].
func (f *Fusion) SetDefaults() { *f = DefaultFusion() }

// SetDefaults makes a bsarec block in a document start from [DefaultBsarec].
func (s *Sasrec) SetDefaults() { *s = DefaultBsarec() }

// Load reads a spec from a YAML file and applies overrides such as "train.epochs=2" in order. An
// invalid spec returns all its problems at once, as a [document.Error]. Relative paths in it stay
// as they are: the worker that reads the data resolves them against its own working directory, so
// the digest does not depend on where a project is. The checks find further problems of a valid
// spec.
func Load(path string, overrides []string, checks ...Check) (Spec, error) {
	text, err := untrusted.ReadFile(path, untrusted.MaxSettings)
	if err != nil {
		return Spec{}, fmt.Errorf("reading spec: %w", err)
	}
	return Parse(path, text, overrides, checks...)
}

// Parse is [Load] for a text; diagnostics contain name as the file.
func Parse(name string, text []byte, overrides []string, checks ...Check) (Spec, error) {
	s := Default()
	d := document.Read(name, text, &s)
	for _, o := range overrides {
		d.Set(o)
	}
	if err := check(d, s); err != nil {
		return Spec{}, err
	}
	for _, find := range checks {
		for _, problem := range find(s) {
			d.AddDiagnostic(problem.Key, problem.Reason, problem.Hint)
		}
	}
	if err := d.Err(); err != nil {
		return Spec{}, err
	}
	return s, nil
}

// Validate checks a spec that was not read from a document.
func Validate(s Spec) error {
	return check(document.New("spec", &s), s)
}
