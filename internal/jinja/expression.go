package jinja

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// expression parses an expression, with "a if test else b".
func (p *parser) expression() (expression, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errors.New("expressions are nested too deeply")
	}
	defer func() { p.depth-- }()
	value, err := p.binary(0)
	if err != nil || !p.accept("if") {
		return value, err
	}
	test, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	otherwise := expression(func(*scope) (any, error) { return undefined{}, nil })
	if p.accept("else") {
		if otherwise, err = p.expression(); err != nil {
			return nil, err
		}
	}
	return func(s *scope) (any, error) {
		v, err := test(s)
		if err != nil {
			return nil, err
		}
		if truth(v) {
			return value(s)
		}
		return otherwise(s)
	}, nil
}

// levels are the binary operators, the weakest first. "not" and the tests with "is" are parsed
// between "and" and the comparisons.
func levels() [][]string {
	return [][]string{
		{"or"}, {"and"}, {"==", "!=", "<", ">", "<=", ">=", "in"}, {"~"}, {"+", "-"}, {"*", "/", "//", "%"},
	}
}

const comparisonLevel = 2

// binary parses an expression with operators of a level and above.
func (p *parser) binary(level int) (expression, error) {
	if level == len(levels()) {
		return p.unary()
	}
	if level == comparisonLevel && p.accept("not") {
		value, err := p.binary(level)
		return negated(value), err
	}
	left, err := p.binary(level + 1)
	for err == nil {
		operator, negate := p.operator(level)
		if operator == "" {
			break
		}
		var right expression
		if right, err = p.binary(level + 1); err == nil {
			left = apply(operator, left, right)
			if negate {
				left = negated(left)
			}
		}
	}
	return left, err
}

// operator consumes an operator of a level; negate means "not in".
func (p *parser) operator(level int) (operator string, negate bool) {
	if level == comparisonLevel && p.peek().text == "not" && p.tokens[p.at+1].text == "in" {
		p.at += 2
		return "in", true
	}
	for _, operator := range levels()[level] {
		if p.accept(operator) {
			return operator, false
		}
	}
	return "", false
}

func negated(value expression) expression {
	return func(s *scope) (any, error) {
		v, err := value(s)
		return !truth(v), err
	}
}

// apply returns the expression of a binary operator.
func apply(operator string, left, right expression) expression {
	return func(s *scope) (any, error) {
		if err := s.step(); err != nil {
			return nil, err
		}
		a, err := left(s)
		if err != nil || operator == "and" && !truth(a) || operator == "or" && truth(a) {
			return a, err
		}
		b, err := right(s)
		if err != nil {
			return nil, err
		}
		s.run.built += sizeOf(a) + sizeOf(b)
		return s.charge(operate(operator, a, b))
	}
}

// operate applies an operator to its values.
func operate(operator string, a, b any) (any, error) {
	switch operator {
	case "and", "or":
		return b, nil
	case "==":
		return equal(a, b), nil
	case "!=":
		return !equal(a, b), nil
	case "in":
		return contains(b, a)
	case "~":
		return textOf(a) + textOf(b), nil
	default:
		return arithmetic(operator, a, b)
	}
}

// arithmetic computes numbers, and joins texts and lists.
func arithmetic(operator string, a, b any) (any, error) {
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return texts(operator, x, y)
		}
	}
	if x, ok := a.([]any); ok && operator == "+" {
		y, err := listOf(b)
		return append(append([]any{}, x...), y...), err
	}
	x, xok := number(a)
	y, yok := number(b)
	if !xok || !yok {
		return nil, fmt.Errorf("%q does not apply to %T and %T", operator, a, b)
	}
	return numbers(operator, x, y)
}

func texts(operator, a, b string) (any, error) {
	if operator == "+" {
		return a + b, nil
	}
	if result, ok := ordered(operator, a, b); ok {
		return result, nil
	}
	return nil, fmt.Errorf("%q does not apply to texts", operator)
}

// ordered compares two values; ok reports whether the operator is a comparison.
func ordered[T cmp.Ordered](operator string, a, b T) (result, ok bool) {
	switch operator {
	case "<":
		return a < b, true
	case ">":
		return a > b, true
	case "<=":
		return a <= b, true
	case ">=":
		return a >= b, true
	default:
		return false, false
	}
}

func numbers(operator string, a, b float64) (any, error) {
	if result, ok := ordered(operator, a, b); ok {
		return result, nil
	}
	switch operator {
	case "+":
		return whole(a + b), nil
	case "-":
		return whole(a - b), nil
	case "*":
		return whole(a * b), nil
	}
	if b == 0 {
		return nil, errors.New("division by zero")
	}
	switch floor := math.Floor(a / b); operator {
	case "//":
		return int(floor), nil
	case "%":
		return whole(a - b*floor), nil
	default:
		return a / b, nil
	}
}

func whole(v float64) any {
	if v == float64(int(v)) {
		return int(v)
	}
	return v
}

// unary parses a value with its sign and what follows it.
func (p *parser) unary() (expression, error) {
	if p.accept("-") {
		value, err := p.unary()
		zero := func(*scope) (any, error) { return 0, nil }
		return apply("-", zero, value), err
	}
	value, err := p.primary()
	for err == nil {
		switch {
		case p.accept("."):
			value, err = p.attribute(value)
		case p.accept("["):
			value, err = p.subscript(value)
		case p.accept("|"):
			value, err = p.filter(value)
		case p.accept("is"): // binds as a filter does
			value, err = p.test(value)
		default:
			return value, nil
		}
	}
	return nil, err
}

func constant(v any) expression { return func(*scope) (any, error) { return v, nil } }

// primary parses a literal, a variable, a call of a function, or an expression in brackets.
func (p *parser) primary() (expression, error) {
	t := p.next()
	switch {
	case t.kind == stringToken:
		text := unquote(t.text)
		for p.peek().kind == stringToken { // adjacent texts are one
			text += unquote(p.next().text)
		}
		return constant(text), nil
	case t.kind == numberToken && strings.Contains(t.text, "."):
		v, err := strconv.ParseFloat(t.text, 64)
		return constant(v), err
	case t.kind == numberToken:
		v, err := strconv.Atoi(t.text)
		return constant(v), err
	case t.kind == nameToken:
		return p.name(t.text)
	case t.text == "(":
		return p.list(")")
	case t.text == "[":
		return p.list("]")
	case t.text == "{":
		return p.dictionary()
	default:
		return nil, fmt.Errorf("unexpected %q", t.text)
	}
}

func (p *parser) name(name string) (expression, error) {
	switch name {
	case "true", "True":
		return constant(true), nil
	case "false", "False":
		return constant(false), nil
	case "none", "None":
		return constant(nil), nil
	}
	if p.accept("(") {
		arguments, err := p.arguments()
		if err != nil {
			return nil, err
		}
		return function(name, arguments)
	}
	return func(s *scope) (any, error) { return s.lookup(name), nil }, nil
}

// list parses the items of a list or tuple. One item in parentheses is itself.
func (p *parser) list(closing string) (expression, error) {
	var items []expression
	comma := false
	for !p.accept(closing) {
		item, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if comma = p.accept(","); !comma && p.peek().text != closing {
			return nil, fmt.Errorf("want %q, got %q", closing, p.peek().text)
		}
	}
	if closing == ")" && len(items) == 1 && !comma {
		return items[0], nil
	}
	return func(s *scope) (any, error) {
		out := make([]any, len(items))
		for i, item := range items {
			var err error
			if out[i], err = item(s); err != nil {
				return nil, err
			}
		}
		return out, nil
	}, nil
}

func (p *parser) dictionary() (expression, error) {
	var keys, values []expression
	for !p.accept("}") {
		key, err := p.expression()
		if err == nil {
			err = p.expect(":")
		}
		if err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		keys, values = append(keys, key), append(values, value)
		if !p.accept(",") && p.peek().text != "}" {
			return nil, fmt.Errorf("want \"}\", got %q", p.peek().text)
		}
	}
	return func(s *scope) (any, error) {
		out := map[string]any{}
		for i := range keys {
			key, err := keys[i](s)
			if err != nil {
				return nil, err
			}
			if out[textOf(key)], err = values[i](s); err != nil {
				return nil, err
			}
		}
		return out, nil
	}, nil
}

// subscript parses an index or a slice.
func (p *parser) subscript(of expression) (expression, error) {
	bounds, colons := []expression{constant(nil)}, 0
	for !p.accept("]") {
		if p.accept(":") {
			colons++
			bounds = append(bounds, constant(nil))
			continue
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		bounds[colons] = value
	}
	for len(bounds) < 3 {
		bounds = append(bounds, constant(nil))
	}
	return func(s *scope) (any, error) {
		container, err := of(s)
		if err != nil {
			return nil, err
		}
		var values [3]any
		for i := range values {
			if values[i], err = bounds[i](s); err != nil {
				return nil, err
			}
		}
		if colons == 0 {
			return item(container, values[0]), nil
		}
		return slice(container, values[0], values[1], values[2])
	}, nil
}
