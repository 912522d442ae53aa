// Package jinja renders chat templates: the part of Jinja that the templates of language models
// use. In: a template, and the values of its variables; out: text. The steps: split the template
// into text, expressions and statements (lex.go), parse them into functions (statement.go,
// expression.go) and call these (value.go, builtin.go). A template comes with a downloaded model,
// so it can read nothing but its variables, and its steps and its output are limited.
package jinja

import (
	"errors"
	"fmt"
	"strings"
)

// Limits far above any real template.
const (
	maxTemplate = 1 << 18 // bytes
	maxSteps    = 1 << 17
	maxOutput   = 1 << 22 // bytes, also of one value
	maxBuilt    = 1 << 26 // bytes of all values of a rendering
	maxDepth    = 200     // of expressions and of values: a namespace can contain itself
	maxNumber   = 1 << 40
)

// ErrRaised marks the error of a template that rejects its variables with raise_exception.
var ErrRaised = errors.New("the template rejects the conversation")

// Template is a parsed template.
type Template struct {
	body block
}

// Parse parses a template, whose whitespace it treats as Hugging Face's tokenizers do: blocks are
// trimmed, and the line break at the end is dropped.
func Parse(text string) (*Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("chat template: it has %d bytes, at most %d are possible", len(text), maxTemplate)
	}
	tokens, err := lex(strings.TrimSuffix(text, "\n"))
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	body, end, err := p.block()
	if err == nil && end != "" {
		err = fmt.Errorf("%s without its beginning", end)
	}
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Template{body}, nil
}

// Render renders the template. Values are texts, booleans, int, lists ([]any) and maps
// (map[string]any).
func (t *Template) Render(values map[string]any) (text string, err error) {
	defer func() {
		if raised := recover(); raised != nil {
			limit, ok := raised.(limitError)
			if !ok {
				panic(raised)
			}
			text, err = "", fmt.Errorf("chat template: %w", limit)
		}
	}()
	s := &scope{variables: map[string]any{}, run: &run{}}
	for name, value := range values {
		s.variables[name] = value
	}
	if err := t.body(s); err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	return s.run.out.String(), nil
}

// run is the state of a rendering.
type run struct {
	out   strings.Builder
	steps int
	built int
}

// limitError is a limit that a value exceeds. The functions of values panic with it, and
// [Template.Render] returns it.
type limitError string

// Error returns the limit.
func (l limitError) Error() string { return string(l) }

// scope is the variables of a block.
type scope struct {
	variables map[string]any
	outer     *scope
	run       *run
}

func (s *scope) inner() *scope {
	return &scope{variables: map[string]any{}, outer: s, run: s.run}
}

func (s *scope) lookup(name string) any {
	for at := s; at != nil; at = at.outer {
		if value, ok := at.variables[name]; ok {
			return value
		}
	}
	return undefined{}
}

// step counts a step.
func (s *scope) step() error {
	if s.run.steps++; s.run.steps > maxSteps {
		return errors.New("it takes too many steps")
	}
	return nil
}

// charge counts the size of a new value.
func (s *scope) charge(v any, err error) (any, error) {
	if s.run.built += sizeOf(v); err == nil && s.run.built > maxBuilt {
		err = errors.New("its values are too large")
	}
	return v, err
}

func (s *scope) write(text string) error {
	if s.run.out.Len()+len(text) > maxOutput {
		return errors.New("its output is too long")
	}
	s.run.out.WriteString(text)
	return nil
}

// block writes a part of a template.
type block func(s *scope) error

// expression computes a value.
type expression func(s *scope) (any, error)
