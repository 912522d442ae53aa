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
func (s specArg) load(checks ...spec.Check) (spec.Spec, error) {
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
		return readSpec(s.Spec, overrides, checks...)
	case s.Dataset != "":
		return spec.Parse("the spec of --dataset", []byte(specFor(folder)), overrides, checks...)
	default:
		return spec.Spec{}, usageError{errors.New("expected a spec or --dataset")}
	}
}

// loadExperiment is load for a command that runs experiments. It prints the warnings.
func (s specArg) loadExperiment(a *app, checks ...spec.Check) (spec.Spec, error) {
	loaded, err := s.load(checks...)
	if err != nil {
		return loaded, err
	}
	a.warn(loaded)
	return loaded, onlyExperiment(loaded, s.Spec)
}

// warn prints the values of a spec that rarely make sense.
func (a *app) warn(s spec.Spec) {
	for _, problem := range spec.Warnings(s) {
		hint := ""
		if problem.Hint != "" {
			hint = "; " + problem.Hint
		}
		a.logf("warning: %s: %s%s", problem.Key, problem.Reason, hint)
	}
}

// specCmd checks and prints a spec.
type specCmd struct {
	specArg
	Files  bool `help:"${help_files}" default:"true" negatable:""`
	Schema bool `help:"Print the JSON Schema of specs instead, by which editors complete and check them."`
}

// Run prints the spec with every key, as YAML or JSON, and its warnings.
func (c *specCmd) Run(a *app) error {
	if c.Schema {
		return a.print(string(spec.Schema()))
	}
	var checks []spec.Check
	if c.Files {
		checks = append(checks, findFiles)
	}
	s, err := c.load(checks...)
	if err != nil {
		return err
	}
	a.warn(s)
	text, err := s.CompleteYAML()
	if a.flags.JSON {
		text, err = s.CompleteJSON()
		text = append(text, '\n')
	}
	if err != nil {
		return err
	}
	return a.print(string(text))
}
