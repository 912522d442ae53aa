package main

import (
	"rdrec/internal/spec"
)

// specArg names a spec and what to change in it.
type specArg struct {
	Spec string   `arg:"" help:"The spec, a YAML file; paths in it are relative to the worker's folder."`
	Set  []string `help:"Override a value of the spec, for example train.epochs=2." placeholder:"KEY=VALUE" sep:"none"`
}

func (s specArg) load() (spec.Spec, error) { return spec.Load(s.Spec, s.Set) }

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
