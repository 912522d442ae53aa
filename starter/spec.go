package main

import (
	"errors"
	"fmt"
	"strings"

	"rdrec/internal/spec"
)

// specArg names a spec, or a data set for the small one that we bring along, and what to change in
// it.
type specArg struct {
	Spec    string   `arg:"" optional:"" help:"The spec, a YAML file; paths in it are relative to the worker's folder. Without one, --dataset is run with a small spec of ours."`
	Dataset string   `help:"The data: a folder in RDRec's format, or the name of one in RDREC_DATA, data or testdata/rdrec." placeholder:"NAME|DIR"`
	Methods []string `help:"The methods, as --set methods=a,b." placeholder:"a,b"`
	Trials  int      `help:"Seeds for each method, as --set trials=N." placeholder:"N"`
	Set     []string `help:"Override a value of the spec, for example train.epochs=2." placeholder:"KEY=VALUE" sep:"none"`
}

// load reads the spec. The flags come before --set, which has the last word.
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

// specCmd prints a spec.
type specCmd struct{ specArg }

// Run prints the spec with its defaults, as YAML or JSON.
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
