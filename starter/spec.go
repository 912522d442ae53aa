package main

import (
	"errors"
	"fmt"
	"strings"

	"rdrec/internal/spec"
)

// specArg names a spec, or a data set for the built-in spec, and the values to override in it.
type specArg struct {
	Spec    string   `arg:"" optional:"" help:"${help_spec}"`
	Dataset string   `help:"${help_dataset}" placeholder:"NAME|DIR"`
	Methods []string `help:"The methods; same as --set methods=a,b." placeholder:"a,b"`
	Trials  int      `help:"Number of seeds per method; same as --set trials=N." placeholder:"N"`
	Set     []string `help:"${help_set}" placeholder:"KEY=VALUE" sep:"none"`
}

// load reads the spec and applies the flags, then --set, which overrides them.
func (s specArg) load() (spec.Spec, error) {
	var overrides []string
	folder := ""
	if s.Dataset != "" {
		var err error
		if folder, err = findDataset(s.Dataset); err != nil {
			return spec.Spec{}, err
		}
		overrides = append(overrides, "data.reviews=", fmt.Sprintf("data.folder=%q", folder))
	}
	if len(s.Methods) > 0 {
		overrides = append(overrides, "methods="+strings.Join(s.Methods, ","))
	}
	if s.Trials != 0 {
		overrides = append(overrides, fmt.Sprintf("trials=%d", s.Trials))
	}
	overrides = append(overrides, s.Set...)
	switch {
	case s.Spec != "":
		return spec.Load(s.Spec, overrides)
	case s.Dataset != "":
		return spec.Parse("the spec of --dataset", []byte(specFor(folder)), overrides)
	default:
		return spec.Spec{}, usageError{errors.New("expected a spec or --dataset")}
	}
}

// specCmd checks and prints a spec.
type specCmd struct{ specArg }

// Run prints the spec with all defaults, as YAML or JSON.
func (c *specCmd) Run(a *app) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	text, err := s.YAML()
	if a.flags.JSON {
		text, err = s.Canonical()
		text = append(text, '\n')
	}
	if err != nil {
		return err
	}
	return a.print(string(text))
}
