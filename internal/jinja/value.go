package jinja

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// undefined is the value of a variable that does not exist. It is empty text.
type undefined struct{}

// truth returns whether a value counts as true.
func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int:
		return v != 0
	case float64:
		return v != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	default:
		return true
	}
}

// textOf returns a value as Python prints it.
func textOf(v any) string {
	switch v := v.(type) {
	case undefined:
		return ""
	case string:
		return v
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int:
		return strconv.Itoa(v)
	default:
		return jsonOf(v)
	}
}

// sizeOf returns the size of a value in bytes, without that of the items of a list.
func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		return 16 * len(v)
	default:
		return 1
	}
}

// checkSize panics if a value would have too many bytes.
func checkSize(n int) {
	if n > maxOutput {
		panic(limitError("a value is too long"))
	}
}

// joined returns the texts of items with a separator between them.
func joined(all []any, separator string, text func(any) string) string {
	var out strings.Builder
	for i, item := range all {
		if i > 0 {
			out.WriteString(separator)
		}
		out.WriteString(text(item))
		checkSize(out.Len())
	}
	return out.String()
}

// jsonOf returns a value as JSON with Python's spaces.
func jsonOf(v any) string { return jsonAt(v, 0) }

func jsonAt(v any, depth int) string {
	if depth > maxDepth {
		panic(limitError("a value is nested too deeply"))
	}
	switch v := v.(type) {
	case []any:
		return "[" + joined(v, ", ", func(item any) string { return jsonAt(item, depth+1) }) + "]"
	case map[string]any:
		keys := make([]any, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			keys = append(keys, key)
		}
		pair := func(key any) string { return jsonAt(key, depth+1) + ": " + jsonAt(v[textOf(key)], depth+1) }
		return "{" + joined(keys, ", ", pair) + "}"
	default:
		var out strings.Builder
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		if encoder.Encode(v) != nil {
			return ""
		}
		return strings.TrimSpace(out.String())
	}
}

// listOf returns the items of a list, the keys of a map or the characters of a text.
func listOf(v any) ([]any, error) {
	switch v := v.(type) {
	case nil, undefined:
		return nil, nil
	case []any:
		return v, nil
	case map[string]any:
		out := make([]any, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, key)
		}
		return out, nil
	case string:
		var out []any
		for _, char := range v {
			out = append(out, string(char))
		}
		return out, nil
	default:
		return nil, fmt.Errorf("%s is not a list", textOf(v))
	}
}

// equal reports whether two values are equal.
func equal(a, b any) bool {
	x, xok := number(a)
	y, yok := number(b)
	if xok && yok {
		return x == y
	}
	return xok == yok && fmt.Sprintf("%T %s", a, jsonOf(a)) == fmt.Sprintf("%T %s", b, jsonOf(b))
}

// number returns the value of a number or a boolean.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	default:
		return 0, false
	}
}

// contains reports whether a container has an item.
func contains(container, item any) (bool, error) {
	switch c := container.(type) {
	case string:
		return strings.Contains(c, textOf(item)), nil
	case map[string]any:
		_, ok := c[textOf(item)]
		return ok, nil
	case []any:
		return slices.ContainsFunc(c, func(v any) bool { return equal(v, item) }), nil
	case nil, undefined:
		return false, nil
	default:
		return false, fmt.Errorf("%s contains nothing", textOf(container))
	}
}

// item returns an item of a list, a map or a text.
func item(container, key any) any {
	switch c := container.(type) {
	case map[string]any:
		if v, ok := c[textOf(key)]; ok {
			return v
		}
	case []any:
		if i, ok := key.(int); ok {
			if i < 0 {
				i += len(c)
			}
			return at(c, i)
		}
	case string:
		if i, ok := key.(int); ok {
			all, _ := listOf(c) //nolint:errcheck // a text is a list of characters
			return item(all, i)
		}
	}
	return undefined{}
}

// slice returns a part of a list or a text, as [from:to:by] does; nil means that a bound is absent.
func slice(container any, from, to, by any) (any, error) {
	all, err := listOf(container)
	if err != nil {
		return nil, err
	}
	out := []any{}
	if step := wholeOr(by, 1); step > 0 {
		for i := bound(from, 0, len(all)); i < bound(to, len(all), len(all)); i += step {
			out = append(out, all[i])
		}
	} else if step < 0 {
		for i := min(bound(from, len(all)-1, len(all)), len(all)-1); i > bound(to, -1, len(all)); i += step {
			out = append(out, all[i])
		}
	}
	if !is[string](container) {
		return out, nil
	}
	var text strings.Builder
	for _, char := range out {
		text.WriteString(textOf(char))
	}
	return text.String(), nil
}

func bound(v any, other, size int) int {
	n, ok := v.(int)
	switch {
	case !ok:
		return other
	case n < 0:
		return max(n+size, 0)
	default:
		return min(n, size)
	}
}
