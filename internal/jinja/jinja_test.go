package jinja_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/jinja"
)

// TestMatchesJinja2 compares with what Jinja2 renders (testdata/make.py).
func TestMatchesJinja2(t *testing.T) {
	data, err := os.ReadFile("testdata/templates.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name, Template string
		Messages       []any
		Text, Raised   string
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Run(row.Name, func(t *testing.T) {
			template, err := jinja.Parse(row.Template)
			if err != nil {
				t.Fatal(err)
			}
			text, err := template.Render(map[string]any{
				"messages": row.Messages, "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true,
			})
			if row.Raised != "" {
				if !errors.Is(err, jinja.ErrRaised) || !strings.Contains(err.Error(), row.Raised) {
					t.Errorf("error %v, want %q", err, row.Raised)
				}
				return
			}
			if diff := cmp.Diff(row.Text, text); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestBrokenTemplatesAreRejected(t *testing.T) {
	for text, want := range map[string]string{
		"{{ a":                                 "unexpected",
		"{# a":                                 "a comment has no end",
		"{% if a %}b":                          "want endif",
		"{% endif %}":                          "endif without its beginning",
		"{% for a in b %}{% endif %}":          "want endfor",
		"{% macro f() %}{% endmacro %}":        `statement "macro" is not supported`,
		"{{ a is odd }}":                       `test "odd" is not supported`,
		"{{ f() }}":                            `function "f" is not supported`,
		"{{ 'a'.encode() }}":                   `"encode" is not supported`,
		"{{ 'a' | wordwrap }}":                 `"wordwrap" is not supported`,
		"{{ [] | selectattr('a', 'odd', 1) }}": `test "odd" is not supported`,
		"{{ 1 // 0 }}":                         "division by zero",
		"{{ 1 + 'a' }}":                        "does not apply",
		"{{ a @ b }}":                          `unexpected '@'`,
		"{% for a in range(9999999) %}{% endfor %}":                                          "range of",
		"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}":     "too many steps",
		"{% set x = 'aaaaaaaaaa' %}" + strings.Repeat("{% set x = x ~ x %}", 20) + "{{ x }}": "output is too long",
		strings.Repeat("{% if a %}", 1000):                                                   "nested too deeply",
		"{{ " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000) + "}}":           "nested too deeply",
	} {
		template, err := jinja.Parse(text)
		if err == nil {
			_, err = template.Render(map[string]any{})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("{% for m in messages %}{{ m['content'][1:] | trim ~ -1 }}{% if loop.last %}{% endif %}{% endfor %}")
	f.Add("{% set a = namespace(b=1) %}{% set a.b = [1, {'c': none}] %}{{ a.b[::-1] | tojson }}")
	f.Fuzz(func(_ *testing.T, text string) {
		template, err := jinja.Parse(text)
		if err == nil {
			messages := []any{map[string]any{"role": "user", "content": "hi"}}
			template.Render(map[string]any{"messages": messages}) //nolint:errcheck // any error is fine
		}
	})
}
