// Package pickle reads PyTorch's pickled files, zipped or legacy, without running their code: a
// state dict or a module goes in, the names, shapes and storages of its tensors come out, and the
// bytes of a storage once they are asked for. It links no libtorch.
//
// A file is untrusted. Each length is compared with the bytes that remain before anything is
// allocated, values are never followed without a bound, and errors name types, never values.
package pickle

import (
	"errors"
	"fmt"
	"strings"
)

// dict is a dictionary's items with string keys, in the order of their first assignment. Other keys
// name no weights and are dropped.
type dict struct {
	items []item
	index map[string]int // of a long dictionary
}

type item struct {
	key   string
	value any
}

// shortDict is the number of items up to which a dictionary is searched without an index.
const shortDict = 8

// find returns the place of a key, or the number of items.
func (d *dict) find(key string) int {
	if d.index != nil {
		if at, ok := d.index[key]; ok {
			return at
		}
		return len(d.items)
	}
	for at, item := range d.items {
		if item.key == key {
			return at
		}
	}
	return len(d.items)
}

func (d *dict) set(key, value any) {
	name, ok := key.(string)
	if !ok {
		return
	}
	at := d.find(name)
	if at < len(d.items) {
		d.items[at].value = value
		return
	}
	d.items = append(d.items, item{name, value})
	switch {
	case d.index != nil:
		d.index[name] = at
	case len(d.items) > shortDict:
		d.index = map[string]int{}
		for at, item := range d.items {
			d.index[item.key] = at
		}
	}
}

// get returns the value of a key; nil if there is none.
func (d *dict) get(key string) any {
	if at := d.find(key); at < len(d.items) {
		return d.items[at].value
	}
	return nil
}

// list is a list.
type list struct{ items []any }

// tuple is a tuple.
type tuple []any

// long is an integer of more than 64 bits, as its bytes in little-endian order.
type long string

// class is a class or a function that a pickle names.
type class struct{ module, name string }

// object is an instance of any class: its items if it is a dictionary, and its state, a dictionary
// of attributes or a pair of them (attributes, slots).
type object struct {
	items dict
	state any
}

// attribute returns an item or an attribute; nil if there is none.
func (o *object) attribute(name string) any {
	if value := o.items.get(name); value != nil {
		return value
	}
	parts, ok := o.state.(tuple)
	if !ok {
		parts = tuple{o.state}
	}
	for _, part := range parts[:min(len(parts), 2)] {
		if attributes, ok := part.(*dict); ok {
			if value := attributes.get(name); value != nil {
				return value
			}
		}
	}
	return nil
}

// typeOf returns the type of a value for an error. The value itself may contain itself.
func typeOf(value any) string {
	return strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%T", value), "*"), "pickle.")
}

// The bounds of the names and modules of a file.
const (
	// maxNesting is the depth to which modules and state dicts are followed.
	maxNesting = 100
	// maxVisits is the number of values that are visited for each byte of a pickle, names' bytes
	// included: a module that is named twice is visited twice.
	maxVisits = 4
)

var (
	errNested = fmt.Errorf("modules or state dicts are nested more than %d deep", maxNesting)
	errShared = errors.New("modules or state dicts name one another too often")
)

// collector collects the tensors of a state dict or a module.
type collector struct {
	tensors map[string]*Tensor
	budget  int // visits and bytes of names that are left
}

// collect adds the tensors of a state dict (a dictionary of tensors, possibly under "state_dict" or
// "model") or of a module (parameters and submodules), by their names in PyTorch's state_dict.
func (c *collector) collect(prefix string, value any, depth int) error {
	if depth > maxNesting {
		return errNested
	}
	switch v := value.(type) {
	case *object:
		if err := c.each(prefix, "", v.attribute("_parameters"), depth); err != nil {
			return err
		}
		if err := c.each(prefix, ".", v.attribute("_modules"), depth); err != nil {
			return err
		}
		return c.stateDict(prefix, &v.items, depth)
	case *Tensor:
		c.tensors[strings.Clone(prefix)] = v
	case *dict:
		return c.stateDict(prefix, v, depth)
	}
	return nil
}

// each collects every item of a module's parameters or submodules.
func (c *collector) each(prefix, suffix string, value any, depth int) error {
	items, ok := value.(*dict)
	if !ok {
		if o, isObject := value.(*object); isObject {
			items, ok = &o.items, true
		}
	}
	if !ok {
		return nil
	}
	for _, item := range items.items {
		name, entry := item.key, item.value
		if err := c.visit(prefix, name, suffix); err != nil {
			return err
		}
		if err := c.collect(prefix+name+suffix, entry, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// stateDict collects the tensors of a dictionary and the dictionaries below it that hold weights.
func (c *collector) stateDict(prefix string, items *dict, depth int) error {
	for _, item := range items.items {
		name, entry := item.key, item.value
		if err := c.visit(prefix, name, ""); err != nil {
			return err
		}
		if tensor, ok := entry.(*Tensor); ok {
			c.tensors[prefix+name] = tensor
		} else if name == "state_dict" || name == "model" {
			if err := c.collect(prefix, entry, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// visit charges a value and the bytes of its name to the budget.
func (c *collector) visit(prefix, name, suffix string) error {
	if c.budget -= 1 + len(prefix) + len(name) + len(suffix); c.budget < 0 {
		return errShared
	}
	return nil
}
