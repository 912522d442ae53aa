package gguf

import "slices"

// tensor reads one tensor's name, shape, type and offset.
func (c *cursor) tensor() {
	name, dims := c.text(), c.u32()
	if c.err == nil && (dims == 0 || dims > maxDims) {
		c.fail("tensor %q has %d dimensions", name, dims)
	}
	if c.err != nil {
		return
	}
	t := Tensor{Name: name}
	values := int64(1)
	for range dims {
		dim := c.u64()
		if c.err == nil && (dim == 0 || dim > 1<<32 || values > (1<<40)/int64(dim)) {
			c.fail("tensor %q has a dimension of %d", name, dim)
		}
		if c.err != nil {
			return
		}
		values *= int64(dim)
		t.Shape = append(t.Shape, int(dim))
	}
	t.Type = Type(c.u32())
	offset := c.u64()
	if c.err != nil {
		return
	}
	c.add(t, values, offset)
}

// add checks a tensor's size and adds it to the file.
func (c *cursor) add(t Tensor, values int64, offset uint64) {
	layout, known := t.Type.layout()
	_, twice := c.file.index[t.Name]
	switch {
	case twice:
		c.fail("tensor %q is duplicated", t.Name)
	case !known:
		c.fail("tensor %q has %s, which is not supported (supported: %s)", t.Name, t.Type, supported())
	case t.Shape[0]%layout.values != 0:
		c.fail("tensor %q has rows of %d values, not a multiple of %s's %d",
			t.Name, t.Shape[0], t.Type, layout.values)
	case offset > uint64(c.size):
		c.fail("tensor %q begins at %d, past the end", t.Name, offset)
	}
	if c.err != nil {
		return
	}
	t.reader, t.offset, t.bytes = c.file.reader, int64(offset), values/int64(layout.values)*int64(layout.bytes)
	slices.Reverse(t.Shape)
	c.file.index[t.Name] = len(c.file.Tensors)
	c.file.Tensors = append(c.file.Tensors, t)
}

// locateTensors computes the offset of the data and checks that every tensor is within the file.
func (c *cursor) locateTensors() {
	if c.err != nil {
		return
	}
	align := c.file.IntOr("general.alignment", 32)
	if align < 1 || align > 1<<20 || align&(align-1) != 0 {
		c.fail("general.alignment is %d, not a power of two", align)
		return
	}
	data := (c.at + int64(align) - 1) / int64(align) * int64(align)
	for i := range c.file.Tensors {
		t := &c.file.Tensors[i]
		t.offset += data
		if end := t.offset + t.bytes; end > c.size {
			c.fail("tensor %q ends at byte %d, the file at %d: it is truncated", t.Name, end, c.size)
			return
		}
	}
}
