package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// instruction runs an opcode behind its byte.
type instruction func(u *unpickler) error

// instructions returns the opcodes of the binary protocols (1 to 5), without the extension registry
// and buffers outside the pickle. torch.save writes no others.
func instructions() *[256]instruction {
	table := &[256]instruction{}
	for _, group := range []map[byte]instruction{
		stackCodes(), valueCodes(), textCodes(), containerCodes(), objectCodes(),
	} {
		for code, run := range group {
			table[code] = run
		}
	}
	return table
}

// stackCodes returns the opcodes that move values.
func stackCodes() map[byte]instruction {
	get := func(n uint64) instruction {
		return func(u *unpickler) error {
			i, err := u.number(n)
			if err != nil {
				return err
			}
			value, ok := u.memo[i]
			if !ok {
				return fmt.Errorf("memo has no value %d", i)
			}
			return u.push(value)
		}
	}
	put := func(n uint64) instruction {
		return func(u *unpickler) error {
			i, err := u.number(n)
			if err != nil {
				return err
			}
			u.memo[i], err = u.top()
			return err
		}
	}
	return map[byte]instruction{
		'.': func(*unpickler) error { return errStopped },
		0x80: func(u *unpickler) error { // PROTO
			n, err := u.number(1)
			if n > maxProtocol {
				return fmt.Errorf("protocol %d is not supported", n)
			}
			return err
		},
		0x95: func(u *unpickler) error { // FRAME: a hint for reading ahead
			n, err := u.number(8)
			if left := uint64(len(u.data) - u.at); err == nil && n > left { //nolint:gosec // not negative
				return fmt.Errorf("a frame of %d bytes is claimed, %d are left", n, left)
			}
			return err
		},
		'(': func(u *unpickler) error { u.marks = append(u.marks, len(u.stack)); return nil },
		'0': func(u *unpickler) error { // POP, also of a mark
			if len(u.marks) > 0 && len(u.stack) == u.floor() {
				_, err := u.popMark()
				return err
			}
			_, err := u.pop()
			return err
		},
		'1': func(u *unpickler) error { _, err := u.popMark(); return err },
		'2': func(u *unpickler) error {
			value, err := u.top()
			if err != nil {
				return err
			}
			return u.push(value)
		},
		'h': get(1), 'j': get(4), 'q': put(1), 'r': put(4),
		0x94: func(u *unpickler) (err error) { // MEMOIZE
			u.memo[uint64(len(u.memo))], err = u.top()
			return err
		},
	}
}

// valueCodes returns the opcodes of numbers and constants.
func valueCodes() map[byte]instruction {
	constant := func(value any) instruction { return func(u *unpickler) error { return u.push(value) } }
	unsigned := func(n uint64) instruction {
		return func(u *unpickler) error {
			value, err := u.number(n)
			if err != nil {
				return err
			}
			return u.push(int64(value)) //nolint:gosec // at most two bytes
		}
	}
	integer := func(n uint64) instruction {
		return func(u *unpickler) error {
			digits, err := u.counted(n)
			if err != nil {
				return err
			}
			return u.push(signed(digits))
		}
	}
	return map[byte]instruction{
		'N': constant(nil), 0x88: constant(true), 0x89: constant(false),
		'K': unsigned(1), 'M': unsigned(2), 0x8a: integer(1), 0x8b: integer(4),
		'J': func(u *unpickler) error { // BININT
			part, err := u.take(4)
			if err != nil {
				return err
			}
			return u.push(signed(part))
		},
		'G': func(u *unpickler) error { // BINFLOAT
			part, err := u.take(8)
			if err != nil {
				return err
			}
			return u.push(math.Float64frombits(binary.BigEndian.Uint64(part)))
		},
	}
}

// signed returns a little-endian integer in two's complement: an int64, or a long if it has more
// than eight bytes.
func signed(digits []byte) any {
	if len(digits) > 8 {
		return long(digits)
	}
	var wide [8]byte
	copy(wide[:], digits)
	if n := len(digits); n > 0 && digits[n-1] >= 0x80 {
		for i := n; i < 8; i++ {
			wide[i] = 0xff
		}
	}
	return int64(binary.LittleEndian.Uint64(wide[:])) //nolint:gosec // two's complement
}

// textCodes returns the opcodes of texts and bytes, by the size of their length. Python 2 wrote
// names as byte strings.
func textCodes() map[byte]instruction {
	text := func(n uint64) instruction {
		return func(u *unpickler) error {
			part, err := u.counted(n)
			if err != nil {
				return err
			}
			return u.push(string(part))
		}
	}
	raw := func(n uint64) instruction {
		return func(u *unpickler) error {
			part, err := u.counted(n)
			if err != nil {
				return err
			}
			return u.push(part)
		}
	}
	return map[byte]instruction{
		'X': text(4), 0x8c: text(1), 0x8d: text(8), 'T': text(4), 'U': text(1),
		'B': raw(4), 'C': raw(1), 0x8e: raw(8), 0x96: raw(8),
	}
}

// containerCodes returns the opcodes of dictionaries, lists, tuples and sets. Sets hold no weights.
func containerCodes() map[byte]instruction {
	fixed := func(n int) instruction {
		return func(u *unpickler) error {
			at := len(u.stack) - n
			if at < u.floor() {
				return errEmpty
			}
			made := append(tuple{}, u.stack[at:]...)
			u.stack = u.stack[:at]
			return u.push(made)
		}
	}
	marked := func(into func(u *unpickler, items []any) error) instruction {
		return func(u *unpickler) error {
			items, err := u.popMark()
			if err != nil {
				return err
			}
			return into(u, items)
		}
	}
	single := func(n int, into func(u *unpickler, items []any) error) instruction {
		return func(u *unpickler) error {
			at := len(u.stack) - n
			if at < u.floor() {
				return errEmpty
			}
			items := u.stack[at:]
			u.stack = u.stack[:at]
			return into(u, items)
		}
	}
	return map[byte]instruction{
		'}': func(u *unpickler) error { return u.push(&dict{}) },
		']': func(u *unpickler) error { return u.push(&list{}) },
		')': func(u *unpickler) error { return u.push(tuple{}) },
		// EMPTY_SET.
		0x8f: func(u *unpickler) error { return u.push(&object{}) },
		0x91: marked(func(u *unpickler, _ []any) error { return u.push(&object{}) }),
		't':  marked(func(u *unpickler, items []any) error { return u.push(append(tuple{}, items...)) }),
		0x85: fixed(1), 0x86: fixed(2), 0x87: fixed(3),
		's': single(2, (*unpickler).setItems), 'u': marked((*unpickler).setItems),
		'a': single(1, (*unpickler).appendItems), 'e': marked((*unpickler).appendItems),
		0x90: marked((*unpickler).appendItems),
	}
}

// objectCodes returns the opcodes of classes, calls and references.
func objectCodes() map[byte]instruction {
	return map[byte]instruction{
		'c': func(u *unpickler) error { // GLOBAL
			module, err := u.line()
			if err != nil {
				return err
			}
			name, err := u.line()
			if err != nil {
				return err
			}
			return u.push(class{module, name})
		},
		0x93: func(u *unpickler) error { // STACK_GLOBAL
			name, err := u.pop()
			if err != nil {
				return err
			}
			module, err := u.pop()
			if err != nil {
				return err
			}
			moduleText, moduleOK := module.(string)
			nameText, nameOK := name.(string)
			if !moduleOK || !nameOK {
				return errors.New("a class has no name")
			}
			return u.push(class{moduleText, nameText})
		},
		'R': (*unpickler).call, 0x81: (*unpickler).call, 'b': (*unpickler).build, 'Q': (*unpickler).resolve,
		0x92: func(u *unpickler) error { // NEWOBJ_EX: keyword arguments do not matter
			if _, err := u.pop(); err != nil {
				return err
			}
			return u.call()
		},
	}
}
