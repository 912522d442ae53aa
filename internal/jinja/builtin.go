package jinja

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// arguments are the arguments of a call.
type arguments struct {
	positional []expression
	named      map[string]expression
}

// arguments parses the arguments of a call after its parenthesis.
func (p *parser) arguments() (a arguments, err error) {
	a.named = map[string]expression{}
	for !p.accept(")") {
		name := ""
		if p.peek().kind == nameToken && p.tokens[p.at+1].text == "=" {
			name = p.next().text
			p.at++
		}
		value, err := p.expression()
		if err != nil {
			return a, err
		}
		if name == "" {
			a.positional = append(a.positional, value)
		} else {
			a.named[name] = value
		}
		if !p.accept(",") && p.peek().text != ")" {
			return a, fmt.Errorf("want \")\", got %q", p.peek().text)
		}
	}
	return a, nil
}

// values computes the positional arguments.
func (a arguments) values(s *scope) ([]any, error) {
	out := make([]any, len(a.positional))
	for i, argument := range a.positional {
		var err error
		if out[i], err = argument(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// function returns the call of a function.
func function(name string, a arguments) (expression, error) {
	switch name {
	case "raise_exception", "range":
		return func(s *scope) (any, error) {
			values, err := a.values(s)
			if err != nil {
				return nil, err
			}
			if name == "range" {
				return s.charge(numberRange(values))
			}
			return nil, fmt.Errorf("%w: %s", ErrRaised, textOf(at(values, 0)))
		}, nil
	case "namespace", "dict":
		return func(s *scope) (any, error) {
			out := map[string]any{}
			for key, value := range a.named {
				var err error
				if out[key], err = value(s); err != nil {
					return nil, err
				}
			}
			return out, nil
		}, nil
	default:
		return func(*scope) (any, error) { return nil, fmt.Errorf("function %q is not supported", name) }, nil
	}
}

func numberRange(values []any) (any, error) {
	from, to := 0, wholeOr(at(values, 0), 0)
	if len(values) > 1 {
		from, to = to, wholeOr(values[1], 0)
	}
	if from < -maxNumber || to > maxNumber || to-from > maxSteps {
		return nil, fmt.Errorf("range from %d to %d is too long", from, to)
	}
	out := []any{}
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out, nil
}

// wholeOr returns a whole number, or other for any other value.
func wholeOr(v any, other int) int {
	if n, ok := v.(int); ok {
		return n
	}
	return other
}

// attribute parses an attribute, or the call of a method.
func (p *parser) attribute(of expression) (expression, error) {
	name, err := p.expectKind(nameToken)
	if err != nil {
		return nil, err
	}
	if !p.accept("(") {
		return func(s *scope) (any, error) {
			v, err := of(s)
			return item(v, name), err
		}, nil
	}
	a, err := p.arguments()
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		v, err := of(s)
		if err != nil {
			return nil, err
		}
		values, err := a.values(s)
		if err != nil {
			return nil, err
		}
		if m, ok := v.(map[string]any); ok {
			return s.charge(mapMethod(name, m, values))
		}
		return s.charge(textMethod(name, textOf(v), values))
	}, nil
}

func mapMethod(name string, m map[string]any, values []any) (any, error) {
	out := []any{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		switch name {
		case "items":
			out = append(out, []any{key, m[key]})
		case "keys":
			out = append(out, key)
		case "values":
			out = append(out, m[key])
		}
	}
	switch name {
	case "items", "keys", "values":
		return out, nil
	case "get":
		if v, ok := m[textOf(at(values, 0))]; ok {
			return v, nil
		}
		if len(values) > 1 {
			return values[1], nil
		}
		return nil, nil
	default:
		return nil, fmt.Errorf("method %q of a map is not supported", name)
	}
}

// whitespace is what strip removes by default.
const whitespace = " \t\r\n\v\f"

func textMethod(name, text string, values []any) (any, error) {
	first, given := textOf(at(values, 0)), len(values) > 0
	cutset := whitespace
	if given {
		cutset = first
	}
	switch name {
	case "strip", "trim":
		return strings.Trim(text, cutset), nil
	case "lstrip":
		return strings.TrimLeft(text, cutset), nil
	case "rstrip":
		return strings.TrimRight(text, cutset), nil
	case "startswith":
		return strings.HasPrefix(text, first), nil
	case "endswith":
		return strings.HasSuffix(text, first), nil
	case "split":
		return split(text, first, given, values), nil
	case "replace":
		by := textOf(at(values, 1))
		checkSize(len(text) + strings.Count(text, first)*len(by))
		return strings.ReplaceAll(text, first, by), nil
	default:
		return changeCase(name, text)
	}
}

func split(text, separator string, given bool, values []any) []any {
	limit := wholeOr(at(values, 1), -2) + 1
	parts := strings.Fields(text)
	if given && separator != "" {
		parts = strings.SplitN(text, separator, limit)
	}
	out := make([]any, len(parts))
	for i, part := range parts {
		out[i] = part
	}
	return out
}

func changeCase(name, text string) (any, error) {
	switch name {
	case "upper":
		return strings.ToUpper(text), nil
	case "lower":
		return strings.ToLower(text), nil
	case "capitalize":
		if text == "" {
			return "", nil
		}
		return strings.ToUpper(text[:1]) + strings.ToLower(text[1:]), nil
	case "title":
		words := strings.Split(text, " ")
		for i, word := range words {
			if word != "" {
				words[i] = strings.ToUpper(word[:1]) + strings.ToLower(word[1:])
			}
		}
		return strings.Join(words, " "), nil
	default:
		return nil, fmt.Errorf("method or filter %q is not supported", name)
	}
}

// filter parses a filter after its bar.
func (p *parser) filter(of expression) (expression, error) {
	name, err := p.expectKind(nameToken)
	if err != nil {
		return nil, err
	}
	var a arguments
	if p.accept("(") {
		if a, err = p.arguments(); err != nil {
			return nil, err
		}
	}
	return func(s *scope) (any, error) {
		v, err := of(s)
		if err != nil {
			return nil, err
		}
		values, err := a.values(s)
		if err != nil {
			return nil, err
		}
		return s.charge(filtered(name, v, values))
	}, nil
}

func filtered(name string, v any, values []any) (any, error) {
	switch name {
	case "tojson":
		return jsonOf(v), nil
	case "string", "safe":
		return textOf(v), nil
	case "int":
		n, err := strconv.Atoi(strings.TrimSpace(textOf(v)))
		if err != nil {
			n = 0
		}
		return n, nil
	case "default", "d":
		if _, missing := v.(undefined); missing {
			return at(values, 0), nil
		}
		return v, nil
	case "items":
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s has no items", textOf(v))
		}
		return mapMethod("items", m, nil)
	case "selectattr", "rejectattr":
		return selected(v, values, name == "selectattr")
	case "length", "count", "first", "last", "list", "join":
		return listFilter(name, v, values)
	default:
		return textMethod(name, textOf(v), values)
	}
}

func listFilter(name string, v any, values []any) (any, error) {
	all, err := listOf(v)
	if err != nil {
		return nil, err
	}
	switch name {
	case "length", "count":
		return len(all), nil
	case "first":
		return at(all, 0), nil
	case "last":
		return at(all, len(all)-1), nil
	case "list":
		return all, nil
	default:
		return joined(all, textOf(at(values, 0)), textOf), nil
	}
}

// selected returns the items of a list whose attribute passes a test, or fails it.
func selected(v any, values []any, want bool) (any, error) {
	all, err := listOf(v)
	if err != nil {
		return nil, err
	}
	check := truth
	switch test := textOf(at(values, 1)); test {
	case "":
	case "equalto", "==", "eq":
		check = func(v any) bool { return equal(v, at(values, 2)) }
	default:
		if check, err = tester(test); err != nil {
			return nil, err
		}
	}
	out := []any{}
	for _, one := range all {
		if check(item(one, at(values, 0))) == want {
			out = append(out, one)
		}
	}
	return out, nil
}

// test parses a test after "is".
func (p *parser) test(of expression) (expression, error) {
	negate := p.accept("not")
	t := p.next()
	if t.kind != nameToken {
		return nil, fmt.Errorf("unexpected %q after is", t.text)
	}
	check, err := tester(t.text)
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		v, err := of(s)
		return check(v) != negate, err
	}, nil
}

// tests are the tests after "is".
var tests = map[string]func(v any) bool{
	"defined":   func(v any) bool { return v != undefined{} },
	"undefined": func(v any) bool { return v == undefined{} },
	"none":      func(v any) bool { return v == nil },
	"true":      func(v any) bool { return v == true },
	"false":     func(v any) bool { return v == false },
	"string":    is[string],
	"mapping":   is[map[string]any],
	"boolean":   is[bool],
	"sequence":  isIterable,
	"iterable":  isIterable,
	"number":    isNumber,
	"integer":   is[int],
}

func tester(name string) (func(v any) bool, error) {
	if check, ok := tests[name]; ok {
		return check, nil
	}
	return nil, fmt.Errorf("test %q is not supported", name)
}

func isIterable(v any) bool { return is[[]any](v) || is[string](v) || is[map[string]any](v) }

func isNumber(v any) bool { return is[int](v) || is[float64](v) }

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}
