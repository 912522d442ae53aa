package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxProtocol is the newest protocol.
const maxProtocol = 5

var (
	errStopped   = errors.New("pickle ended")
	errEmpty     = errors.New("stack is empty")
	errNoMark    = errors.New("no mark on the stack")
	errTooCopied = errors.New("values are copied more often than the pickle has bytes")
)

// unpickler is the stack machine that a pickle is a program for. It runs no code: a class or a
// function is a name, and a call of it gives an object without behaviour, except for tensors.
//
// Stack and memo grow by at most one value for each byte that is read.
type unpickler struct {
	data  []byte
	at    int
	stack []any
	marks []int // heights of the stack
	memo  map[uint64]any
	// copies is the number of items that may still be copied from one value to another, so that a
	// value that is used again and again costs no more than the pickle has bytes.
	copies     int
	persistent func(reference tuple) (any, error)
}

// unpickle returns the value of the pickle at the start of data, and the pickle's length.
func unpickle(data []byte, persistent func(reference tuple) (any, error)) (value any, length int, err error) {
	u := &unpickler{data: data, memo: map[uint64]any{}, copies: len(data), persistent: persistent}
	table := instructions()
	for {
		code, err := u.take(1)
		if err != nil {
			return nil, 0, fmt.Errorf("pickle: %w", err)
		}
		run := table[code[0]]
		if run == nil {
			return nil, 0, fmt.Errorf("pickle: byte %d: opcode 0x%02x is not supported", u.at-1, code[0])
		}
		at := u.at - 1
		if err = run(u); errors.Is(err, errStopped) {
			value, err := u.pop()
			return value, u.at, err
		}
		if err != nil {
			return nil, 0, fmt.Errorf("pickle: byte %d: %w", at, err)
		}
	}
}

// take returns the next n bytes.
func (u *unpickler) take(n uint64) ([]byte, error) {
	if left := uint64(len(u.data) - u.at); n > left { //nolint:gosec // not negative
		return nil, fmt.Errorf("%d bytes are claimed, %d are left", n, left)
	}
	part := u.data[u.at : u.at+int(n)] //nolint:gosec // at most the length of data
	u.at += len(part)
	return part, nil
}

// number returns the next n bytes as an unsigned integer.
func (u *unpickler) number(n uint64) (uint64, error) {
	part, err := u.take(n)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], part)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

// counted returns the bytes behind a length of n bytes.
func (u *unpickler) counted(n uint64) ([]byte, error) {
	length, err := u.number(n)
	if err != nil {
		return nil, err
	}
	return u.take(length)
}

// line returns the bytes before the next end of line.
func (u *unpickler) line() (string, error) {
	for end := u.at; end < len(u.data); end++ {
		if u.data[end] == '\n' {
			text := string(u.data[u.at:end])
			u.at = end + 1
			return text, nil
		}
	}
	return "", errors.New("a line does not end")
}

func (u *unpickler) push(value any) error {
	u.stack = append(u.stack, value)
	return nil
}

// floor is the height of the stack below which nothing may be popped.
func (u *unpickler) floor() int {
	if len(u.marks) == 0 {
		return 0
	}
	return u.marks[len(u.marks)-1]
}

func (u *unpickler) pop() (any, error) {
	if len(u.stack) <= u.floor() {
		return nil, errEmpty
	}
	last := len(u.stack) - 1
	value := u.stack[last]
	u.stack = u.stack[:last]
	return value, nil
}

func (u *unpickler) top() (any, error) {
	if len(u.stack) <= u.floor() {
		return nil, errEmpty
	}
	return u.stack[len(u.stack)-1], nil
}

// popMark removes the values above the last mark and returns them. They are valid until the next
// push.
func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, errNoMark
	}
	at := u.floor()
	u.marks = u.marks[:len(u.marks)-1]
	items := u.stack[at:]
	u.stack = u.stack[:at]
	return items, nil
}

// charge counts n copied items.
func (u *unpickler) charge(n int) error {
	if u.copies -= n; u.copies < 0 {
		return errTooCopied
	}
	return nil
}

// setItems adds keys and values that alternate to the dictionary on top of the stack.
func (u *unpickler) setItems(items []any) error {
	if len(items)%2 != 0 {
		return errors.New("a key has no value")
	}
	target, err := u.top()
	if err != nil {
		return err
	}
	var into *dict
	switch t := target.(type) {
	case *dict:
		into = t
	case *object:
		into = &t.items
	default:
		return fmt.Errorf("items of a %s are set", typeOf(target))
	}
	for i := 0; i < len(items); i += 2 {
		into.set(items[i], items[i+1])
	}
	return nil
}

// appendItems adds items to the list on top of the stack.
func (u *unpickler) appendItems(items []any) error {
	target, err := u.top()
	if err != nil {
		return err
	}
	switch t := target.(type) {
	case *list:
		t.items = append(t.items, items...)
	case *object: // a subclass of list or set: no weights are in these
	default:
		return fmt.Errorf("items are appended to a %s", typeOf(target))
	}
	return nil
}

// call replaces a callable and its arguments by the result.
func (u *unpickler) call() error {
	arguments, err := u.pop()
	if err != nil {
		return err
	}
	callable, err := u.pop()
	if err != nil {
		return err
	}
	args, ok := arguments.(tuple)
	if !ok {
		return fmt.Errorf("arguments are a %s", typeOf(arguments))
	}
	value, err := u.result(callable, args)
	if err != nil {
		return err
	}
	return u.push(value)
}

// result returns the result of a call.
func (u *unpickler) result(callable any, args tuple) (any, error) {
	if _, ok := callable.(*object); ok { // a function that a call returned
		return &object{}, nil
	}
	switch callable {
	case class{"collections", "OrderedDict"}:
		return u.orderedDict(args)
	case class{"torch._utils", "_rebuild_tensor"}, class{"torch._utils", "_rebuild_tensor_v2"}:
		return newTensor(args)
	case class{"torch._utils", "_rebuild_parameter"}, class{"torch._utils", "_rebuild_parameter_with_state"}:
		if len(args) == 0 {
			return nil, errors.New("parameter without a tensor")
		}
		return args[0], nil
	}
	if _, ok := callable.(class); !ok {
		return nil, fmt.Errorf("a %s is called", typeOf(callable))
	}
	return &object{}, nil
}

// orderedDict returns an OrderedDict. Python 2 passes its items as a list of pairs.
func (u *unpickler) orderedDict(args tuple) (*dict, error) {
	d := &dict{}
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := args[0].(*list)
	if !ok {
		return nil, fmt.Errorf("items of an OrderedDict are a %s", typeOf(args[0]))
	}
	if err := u.charge(len(pairs.items)); err != nil {
		return nil, err
	}
	for _, item := range pairs.items {
		pair, ok := item.(*list)
		if !ok || len(pair.items) != 2 {
			return nil, fmt.Errorf("item of an OrderedDict is a %s, not a pair", typeOf(item))
		}
		d.set(pair.items[0], pair.items[1])
	}
	return d, nil
}

// build sets the state of the object on top of the stack. Dictionaries and tensors have attributes
// too, which say nothing about weights.
func (u *unpickler) build() error {
	state, err := u.pop()
	if err != nil {
		return err
	}
	target, err := u.top()
	if o, ok := target.(*object); ok {
		o.state = state
	}
	return err
}

// resolve replaces a reference by what the file has for it.
func (u *unpickler) resolve() error {
	value, err := u.pop()
	if err != nil {
		return err
	}
	reference, ok := value.(tuple)
	if !ok || u.persistent == nil {
		return fmt.Errorf("a persistent reference is a %s", typeOf(value))
	}
	found, err := u.persistent(reference)
	if err != nil {
		return err
	}
	return u.push(found)
}
