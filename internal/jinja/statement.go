package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// parser parses tokens in order.
type parser struct {
	tokens []lexeme
	at     int
	depth  int
}

func (p *parser) peek() lexeme { return p.tokens[p.at] }

func (p *parser) next() lexeme {
	t := p.tokens[p.at]
	if t.kind != endToken {
		p.at++
	}
	return t
}

// accept consumes the next token if it is the given name or operator.
func (p *parser) accept(text string) bool {
	t := p.peek()
	if (t.kind == nameToken || t.kind == operatorToken) && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return fmt.Errorf("want %q, got %q", text, p.peek().text)
	}
	return nil
}

func (p *parser) expectKind(k kind) (string, error) {
	if p.peek().kind != k {
		return "", fmt.Errorf("unexpected %q", p.peek().text)
	}
	return p.next().text, nil
}

// block parses up to a statement that ends or divides a block, such as endfor or else. It returns
// that statement's name; its tag is read up to the name.
func (p *parser) block() (body block, end string, err error) {
	if p.depth++; p.depth > maxDepth {
		return nil, "", errors.New("blocks are nested too deeply")
	}
	defer func() { p.depth-- }()
	var parts []block
	for err == nil {
		var part block
		switch t := p.next(); t.kind {
		case endToken:
			return sequence(parts), "", nil
		case textToken:
			part = func(s *scope) error { return s.write(t.text) }
		case openOutput:
			part, err = p.output()
		case openBlock:
			name := p.next().text
			if isEnding(name) {
				return sequence(parts), name, nil
			}
			part, err = p.statement(name)
		default:
			err = fmt.Errorf("unexpected %q", t.text)
		}
		parts = append(parts, part)
	}
	return nil, "", err
}

func isEnding(name string) bool {
	return slices.Contains([]string{"elif", "else", "endif", "endfor", "endset", "endgeneration"}, name)
}

func sequence(parts []block) block {
	return func(s *scope) error {
		for _, part := range parts {
			if err := part(s); err != nil {
				return err
			}
		}
		return nil
	}
}

func (p *parser) output() (block, error) {
	value, err := p.expression()
	if err != nil {
		return nil, err
	}
	if _, err := p.expectKind(closeOutput); err != nil {
		return nil, err
	}
	return func(s *scope) error {
		v, err := value(s)
		if err != nil {
			return err
		}
		return s.write(textOf(v))
	}, nil
}

// Errors that leave a loop's body.
var (
	errBreak    = errors.New("break outside of a loop")
	errContinue = errors.New("continue outside of a loop")
)

func (p *parser) statement(name string) (block, error) {
	switch name {
	case "if":
		return p.condition()
	case "for":
		return p.loop()
	case "set":
		return p.assignment()
	case "generation":
		if err := p.closeTag(); err != nil {
			return nil, err
		}
		return p.blockUntil("endgeneration")
	case "break", "continue":
		leave := errBreak
		if name == "continue" {
			leave = errContinue
		}
		return func(*scope) error { return leave }, p.closeTag()
	default:
		return nil, fmt.Errorf("statement %q is not supported", name)
	}
}

func (p *parser) closeTag() error {
	_, err := p.expectKind(closeBlock)
	return err
}

// blockUntil parses a block and the tag that ends it.
func (p *parser) blockUntil(want string) (block, error) {
	body, end, err := p.block()
	if err == nil && end != want {
		err = fmt.Errorf("want %s, got %q", want, end)
	}
	if err != nil {
		return nil, err
	}
	return body, p.closeTag()
}

// condition parses an if statement after its name.
func (p *parser) condition() (block, error) {
	test, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.closeTag(); err != nil {
		return nil, err
	}
	then, end, err := p.block()
	if err != nil {
		return nil, err
	}
	otherwise := sequence(nil)
	switch end {
	case "elif":
		otherwise, err = p.condition()
	case "else":
		if err = p.closeTag(); err == nil {
			otherwise, err = p.blockUntil("endif")
		}
	case "endif":
		err = p.closeTag()
	default:
		err = fmt.Errorf("want endif, got %q", end)
	}
	return func(s *scope) error {
		v, err := test(s)
		if err != nil {
			return err
		}
		if truth(v) {
			return then(s)
		}
		return otherwise(s)
	}, err
}

// assignment parses a set statement after its name.
func (p *parser) assignment() (block, error) {
	name, err := p.expectKind(nameToken)
	if err != nil {
		return nil, err
	}
	attribute := ""
	if p.accept(".") {
		if attribute, err = p.expectKind(nameToken); err != nil {
			return nil, err
		}
	}
	if !p.accept("=") {
		return p.blockAssignment(name)
	}
	value, err := p.expression()
	if err != nil {
		return nil, err
	}
	return func(s *scope) error {
		v, err := value(s)
		if err != nil {
			return err
		}
		if attribute == "" {
			s.variables[name] = v
			return nil
		}
		space, ok := s.lookup(name).(map[string]any)
		if !ok {
			return fmt.Errorf("%s is not a namespace", name)
		}
		space[attribute] = v
		return nil
	}, p.closeTag()
}

// blockAssignment parses the rest of {% set name %}...{% endset %}.
func (p *parser) blockAssignment(name string) (block, error) {
	if err := p.closeTag(); err != nil {
		return nil, err
	}
	body, err := p.blockUntil("endset")
	if err != nil {
		return nil, err
	}
	return func(s *scope) error {
		part := &run{steps: s.run.steps, built: s.run.built}
		inner := s.inner()
		inner.run = part
		err := body(inner)
		s.run.steps, s.run.built = part.steps, part.built
		s.variables[name] = part.out.String()
		return err
	}, nil
}

// forLoop is a parsed for statement.
type forLoop struct {
	names           []string
	list, test      expression // test may be nil
	body, otherwise block
}

// loop parses a for statement after its name.
func (p *parser) loop() (block, error) {
	l := forLoop{otherwise: sequence(nil)}
	err := p.loopHead(&l)
	if err != nil {
		return nil, err
	}
	var end string
	if l.body, end, err = p.block(); err != nil {
		return nil, err
	}
	switch end {
	case "else":
		if err = p.closeTag(); err == nil {
			l.otherwise, err = p.blockUntil("endfor")
		}
	case "endfor":
		err = p.closeTag()
	default:
		err = fmt.Errorf("want endfor, got %q", end)
	}
	return l.run, err
}

// loopHead parses the variables, the list and the test of a for statement.
func (p *parser) loopHead(l *forLoop) error {
	for {
		name, err := p.expectKind(nameToken)
		if err != nil {
			return err
		}
		if l.names = append(l.names, name); !p.accept(",") {
			break
		}
	}
	err := p.expect("in")
	if err == nil {
		l.list, err = p.binary(0)
	}
	if err == nil && p.accept("if") {
		l.test, err = p.expression()
	}
	if err != nil {
		return err
	}
	return p.closeTag()
}

// run runs the loop.
func (l *forLoop) run(s *scope) error {
	all, err := l.items(s)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return l.otherwise(s)
	}
	for i, item := range all {
		inner := s.inner()
		if err := l.bind(inner, item); err != nil {
			return err
		}
		inner.variables["loop"] = map[string]any{
			"index": i + 1, "index0": i, "revindex": len(all) - i, "revindex0": len(all) - i - 1, "length": len(all),
			"first": i == 0, "last": i == len(all)-1, "previtem": at(all, i-1), "nextitem": at(all, i+1),
		}
		err := l.body(inner)
		switch {
		case errors.Is(err, errBreak):
			return nil
		case err != nil && !errors.Is(err, errContinue):
			return err
		}
		if err := s.step(); err != nil {
			return err
		}
	}
	return nil
}

// items returns the items that pass the loop's test.
func (l *forLoop) items(s *scope) ([]any, error) {
	value, err := l.list(s)
	if err != nil {
		return nil, err
	}
	all, err := listOf(value)
	if err != nil || l.test == nil {
		return all, err
	}
	var passed []any
	for _, item := range all {
		inner := s.inner()
		if err := l.bind(inner, item); err != nil {
			return nil, err
		}
		ok, err := l.test(inner)
		if err != nil {
			return nil, err
		}
		if truth(ok) {
			passed = append(passed, item)
		}
	}
	return passed, nil
}

// bind sets the loop's variables to an item.
func (l *forLoop) bind(s *scope, item any) error {
	if len(l.names) == 1 {
		s.variables[l.names[0]] = item
		return nil
	}
	parts, err := listOf(item)
	if err != nil || len(parts) != len(l.names) {
		return fmt.Errorf("an item is not %s", strings.Join(l.names, ", "))
	}
	for i, name := range l.names {
		s.variables[name] = parts[i]
	}
	return nil
}

func at(all []any, i int) any {
	if i < 0 || i >= len(all) {
		return undefined{}
	}
	return all[i]
}
