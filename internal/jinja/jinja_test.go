package jinja_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

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
		"{{ [1] - [2] }}":                      "does not apply",
		"{% for a, b in [[1]] %}{% endfor %}":  "an item is not a, b",
		"{{ range(1=2) }}":                     `want ")", got "="`,
		"{{ a @ b }}":                          `unexpected '@'`,
		"{% for a in range(9999999) %}{% endfor %}":                                          "is too long",
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
	f.Add("{% set n = namespace() %}{% set n.a = n %}{{ n | tojson }}{{ 'a'.replace('a', 'bb') | join(range(9)) }}")
	f.Fuzz(func(_ *testing.T, text string) {
		template, err := jinja.Parse(text)
		if err == nil {
			messages := []any{map[string]any{"role": "user", "content": "hi"}}
			template.Render(map[string]any{"messages": messages}) //nolint:errcheck // any error is fine
		}
	})
}

// TestValuesAreBounded renders templates whose values contain themselves or grow without end.
func TestValuesAreBounded(t *testing.T) {
	double := strings.Repeat("{% set x = x + x %}", 60)
	for text, want := range map[string]string{
		"{% set n = namespace() %}{% set n.a = n %}{{ n | tojson }}":                          "nested too deeply",
		"{% set n = namespace() %}{% set n.a = n %}{{ n == n }}":                              "nested too deeply",
		"{% set x = 'abcd' %}" + double:                                                       "too large",
		"{% set x = [1] %}" + double:                                                          "too large",
		"{% set x = [1] %}" + strings.Repeat("{% set x = [x, x] %}", 60) + "{{ x }}":          "too long",
		"{% set x = 'aaaa' %}" + strings.Repeat("{% set x = x.replace('a', x) %}", 9):         "too long",
		"{{ range(0 - 4611686018427387904, 4611686018427387904) }}":                           "too long",
		"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}":      "too",
		"{% set x = range(99999) | join('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') %}": "too long",
		strings.Repeat("a", 300_000):                                                          "300000 bytes",
		"{{ " + strings.Repeat("(", 50_000) + "1" + strings.Repeat(")", 50_000) + " }}":       "nested too deeply",
		"{{ " + strings.Repeat("-", 50_000) + "1 }}":                                          "",
		"{{ " + strings.Repeat("not ", 50_000) + "1 }}":                                       "",
	} {
		start := time.Now()
		template, err := jinja.Parse(text)
		if err == nil {
			_, err = template.Render(nil)
		}
		if took := time.Since(start); took > 20*time.Second { // it would be hours
			t.Errorf("%.60s: took %s", text, took)
		}
		if err == nil && want != "" || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, want %q", text, err, want)
		}
	}
}
