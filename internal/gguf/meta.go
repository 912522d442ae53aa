package gguf

// Has reports whether the file has a key.
func (f *File) Has(key string) bool {
	_, ok := f.meta[key]
	return ok
}

// Int returns the integer at key.
func (f *File) Int(key string) (int, error) {
	v, err := lookup[int64](f, key)
	return int(v), err
}

// IntOr returns the integer at key, or other if there is none.
func (f *File) IntOr(key string, other int) int {
	if v, ok := f.meta[key].(int64); ok {
		return int(v)
	}
	return other
}

// Float returns the number at key.
func (f *File) Float(key string) (float64, error) { return lookup[float64](f, key) }

// FloatOr returns the number at key, or other if there is none.
func (f *File) FloatOr(key string, other float64) float64 {
	if v, ok := f.meta[key].(float64); ok {
		return v
	}
	return other
}

// Text returns the string at key.
func (f *File) Text(key string) (string, error) { return lookup[string](f, key) }

// TextOr returns the string at key, or other if there is none.
func (f *File) TextOr(key, other string) string {
	if v, ok := f.meta[key].(string); ok {
		return v
	}
	return other
}

// BoolOr returns the boolean at key, or other if there is none.
func (f *File) BoolOr(key string, other bool) bool {
	if v, ok := f.meta[key].(bool); ok {
		return v
	}
	return other
}

// Texts returns the array of strings at key.
func (f *File) Texts(key string) ([]string, error) { return lookup[[]string](f, key) }

// Ints returns the array of integers at key.
func (f *File) Ints(key string) ([]int64, error) { return lookup[[]int64](f, key) }

// Floats64 returns the array of numbers at key.
func (f *File) Floats64(key string) ([]float64, error) { return lookup[[]float64](f, key) }

// lookup returns the value at key if it has type T.
func lookup[T any](f *File, key string) (T, error) {
	var zero T
	value, ok := f.meta[key]
	if !ok {
		return zero, f.errorf("no key %q", key)
	}
	typed, ok := value.(T)
	if !ok {
		return zero, f.errorf("key %q is a %T, not a %T", key, value, zero)
	}
	return typed, nil
}
