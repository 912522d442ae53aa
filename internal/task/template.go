package task

import (
	"fmt"
	"strconv"
	"strings"
)

// template is a text split at its placeholders: literals at even indices, names of placeholders at
// odd ones.
type template []string

func newTemplate(text string) (template, error) {
	var t template
	for rest := text; ; {
		literal, after, found := strings.Cut(rest, "{")
		t = append(t, literal)
		if !found {
			return t, nil
		}
		name, tail, closed := strings.Cut(after, "}")
		switch name {
		case "user", "item", "items", "chain":
		default:
			closed = false
		}
		if !closed {
			return nil, fmt.Errorf("template %q has a placeholder other than {user}, {item}, {items}, {chain}", text)
		}
		t = append(t, name)
		rest = tail
	}
}

// placeholders are the values that fill a template.
type placeholders struct {
	user, item int
	items      []int
	separator  string
}

func (t template) fill(s placeholders) string {
	out := make([]byte, 0, 128+12*len(s.items))
	for i, part := range t {
		switch {
		case i%2 == 0:
			out = append(out, part...)
		case part == "user":
			out = strconv.AppendInt(out, int64(s.user), 10)
		case part == "item":
			out = strconv.AppendInt(out, int64(s.item), 10)
		case part == "items":
			out = join(out, s.items, s.separator)
		case part == "chain":
			out = join(out, s.items, " -> ")
		}
	}
	return string(out)
}

func join(out []byte, items []int, separator string) []byte {
	for i, item := range items {
		if i > 0 {
			out = append(out, separator...)
		}
		out = strconv.AppendInt(out, int64(item), 10)
	}
	return out
}

// templates are the compiled texts of a template set. Validation and testing use the last of each
// list.
type templates struct {
	explanation, sequential, topn, preference, attribute []template
}

func (f TemplateSet) compile() (templates, error) {
	var t templates
	for _, list := range []struct {
		to    *[]template
		texts []string
	}{
		{&t.explanation, f.Explanation},
		{&t.sequential, f.Sequential},
		{&t.topn, f.TopN},
		{&t.preference, nonEmpty(f.Preference)},
		{&t.attribute, nonEmpty(f.Attribute)},
	} {
		for _, text := range list.texts {
			compiled, err := newTemplate(text)
			if err != nil {
				return t, fmt.Errorf("template set %q: %w", f.Name, err)
			}
			*list.to = append(*list.to, compiled)
		}
	}
	return t, nil
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// has reports whether there are templates for a task.
func (t templates) has(task Task) bool {
	switch task {
	case Explanation:
		return len(t.explanation) > 0
	case Sequential:
		return len(t.sequential) > 0
	case TopN:
		return len(t.topn) > 0
	default:
		return len(t.preference) > 0 && len(t.attribute) > 0
	}
}

func last(list []template) template { return list[len(list)-1] }
