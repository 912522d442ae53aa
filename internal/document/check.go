package document

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"
)

// Rule is a validate tag of the caller.
type Rule struct {
	// Tag is the name used in validate tags.
	Tag string
	// Accept reports whether a text is valid; nil means that it must be one of Choices.
	Accept func(string) bool
	// Choices are the valid texts, used by the check and the hint.
	Choices []string
	// Want completes "must be ..." if there are no choices.
	Want string
}

func (r Rule) accepts(text string) bool {
	if r.Accept != nil {
		return r.Accept(text)
	}
	return slices.Contains(r.Choices, text)
}

// Check applies the struct's validate tags and records each violation as a diagnostic.
func (d *Document) Check(rules ...Rule) error {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(yamlName)
	byTag := map[string]Rule{}
	for _, r := range rules {
		byTag[r.Tag] = r
		accept := func(level validator.FieldLevel) bool { return r.accepts(level.Field().String()) }
		if err := v.RegisterValidation(r.Tag, accept); err != nil {
			return fmt.Errorf("registering validation %q: %w", r.Tag, err)
		}
	}
	err := v.Struct(d.root.Addr().Interface())
	if err == nil {
		return nil
	}
	violations, ok := err.(validator.ValidationErrors) //nolint:errorlint // never wrapped
	if !ok {
		return fmt.Errorf("validating %s: %w", d.file, err)
	}
	for _, violation := range violations {
		_, key, _ := strings.Cut(violation.Namespace(), ".")
		if d.hasDiagnostic(key) {
			continue
		}
		reason, hint := explain(violation, byTag)
		d.AddDiagnostic(key, reason, hint)
	}
	return nil
}

// hasDiagnostic reports whether a key already has a diagnostic: a text in place of a number is not
// reported as too small as well.
func (d *Document) hasDiagnostic(key string) bool {
	return slices.ContainsFunc(d.diagnostics, func(f Diagnostic) bool { return f.Key == key })
}

// explain returns the reason and hint of a violation.
func explain(violation validator.FieldError, rules map[string]Rule) (reason, hint string) {
	text := fmt.Sprint(violation.Value())
	if r, ok := rules[violation.Tag()]; ok {
		if r.Want != "" {
			return fmt.Sprintf("must be %s, not %q", r.Want, text), hintOf(text, r.Choices)
		}
		return fmt.Sprintf("%q is not known", text), hintOf(text, r.Choices)
	}
	switch violation.Tag() {
	case "required":
		return "is required", ""
	case "unique":
		return "contains duplicates", ""
	case "oneof":
		return fmt.Sprintf("%q is not known", text), hintOf(text, strings.Fields(violation.Param()))
	case "datetime":
		return fmt.Sprintf("must be a day, not %q", text), "write it as YYYY-MM-DD"
	case "ip":
		return fmt.Sprintf("must be an IP address, not %q", text), ""
	}
	return bound(violation, text), ""
}

// bound returns the reason of a violated bound.
func bound(violation validator.FieldError, text string) string {
	words := map[string]string{
		"min": "at least", "max": "at most", "gt": "more than", "lt": "less than",
	}[violation.Tag()]
	switch violation.Kind() {
	case reflect.String:
		return fmt.Sprintf("must be %s %s characters long", words, violation.Param())
	case reflect.Slice, reflect.Map:
		return fmt.Sprintf("must have %s %s entries", words, violation.Param())
	default:
		return fmt.Sprintf("must be %s %s, not %s", words, violation.Param(), text)
	}
}

func hintOf(text string, choices []string) string {
	if len(choices) == 0 {
		return ""
	}
	return Suggest(text, choices)
}
