package docs_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// formulas returns what each family of metrics computes, and where it is from.
func formulas() map[string][2]string {
	return map[string][2]string{
		"HR@":   {"share of the users whose target is among the first K items", "Geng et al. 2022 (P5)"},
		"NDCG@": {"mean over the users of 1/log2(1 + rank of the target), 0 beyond K", "Järvelin & Kekäläinen 2002"},
		"BLEU-": {
			"100 · brevity penalty · geometric mean of the precisions of 1-grams to n-grams, over all texts",
			"Papineni et al. 2002",
		},
		"ROUGE-": {
			"100 · mean over the texts of precision P, recall R or their harmonic mean F of shared n-grams " +
				"(L: of the longest common subsequence)",
			"Lin 2004",
		},
		"USR": {"distinct texts / texts", "Li et al. 2020 (NETE)"},
		"FMR": {"share of the texts that mention the feature of the user's own text", "Li et al. 2020 (NETE)"},
		"FCR": {"features that any text mentions / features of the data", "Li et al. 2020 (NETE)"},
		"DIV": {"mean over pairs of texts of the number of features that both mention", "Li et al. 2020 (NETE)"},
	}
}

// formula returns the formula and the source of a metric.
func formula(t *testing.T, name string) (what, source string) {
	t.Helper()
	for prefix, row := range formulas() {
		if strings.HasPrefix(name, prefix) {
			return row[0], row[1]
		}
	}
	t.Errorf("metric %s has no formula", name)
	return "", ""
}

// logEvents returns a row for each message that a program logs from level info on.
func logEvents(t *testing.T) []string {
	t.Helper()
	levels := map[string]string{}
	for _, folder := range []string{
		"activities", "worker", "starter", "registry", "storage", "internal/serve", "internal/observe", "workflows",
	} {
		for _, file := range programFiles(t, folder) {
			ast.Inspect(file, func(n ast.Node) bool {
				if message, level := logCall(n); level != "" {
					levels[fmt.Sprintf("%s | %s", message, level)] = folder
				}
				return true
			})
		}
	}
	var rows []string
	for _, event := range slices.Sorted(maps.Keys(levels)) {
		rows = append(rows, fmt.Sprintf("| %s | `%s` |", event, levels[event]))
	}
	return rows
}

// logCall returns the message and the level of a call that logs a fixed message.
func logCall(n ast.Node) (message, level string) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", ""
	}
	message, fixed := literal(call.Args[0])
	selector, isMethod := call.Fun.(*ast.SelectorExpr)
	if !fixed || !isMethod || selector.Sel.Name != "Msg" {
		return "", ""
	}
	for chain := selector.X; ; {
		part, ok := chain.(*ast.CallExpr)
		if !ok {
			return "", ""
		}
		method, ok := part.Fun.(*ast.SelectorExpr)
		if !ok {
			return "", ""
		}
		if name := method.Sel.Name; slices.Contains([]string{"Info", "Warn", "Error"}, name) {
			return message, strings.ToLower(name)
		}
		chain = method.X
	}
}

// structs returns the struct types of a package with their comments.
func structs(t *testing.T, folder string) map[string]*ast.StructType {
	t.Helper()
	all := map[string]*ast.StructType{}
	for _, file := range commentedFiles(t, filepath.Join("..", folder)) {
		for _, declaration := range file.Decls {
			group, ok := declaration.(*ast.GenDecl)
			if !ok || group.Tok != token.TYPE {
				continue
			}
			for _, one := range group.Specs {
				if named, ok := one.(*ast.TypeSpec); ok {
					if body, ok := named.Type.(*ast.StructType); ok {
						all[named.Name.Name] = body
					}
				}
			}
		}
	}
	return all
}

// reportFields returns a row for each field of report.json, with those of nested types below.
func reportFields(t *testing.T) []string {
	t.Helper()
	all := structs(t, "internal/report")
	var rows []string
	var walk func(name, prefix string, above []string)
	walk = func(name, prefix string, above []string) {
		for _, field := range all[name].Fields.List {
			if field.Tag == nil || len(field.Names) == 0 {
				continue
			}
			tag, _ := literal(field.Tag)
			key, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
			if key == "" || key == "-" {
				continue
			}
			typeName := types.ExprString(field.Type)
			list := strings.HasPrefix(typeName, "[]")
			nested := strings.TrimLeft(typeName, "[]*")
			path := prefix + key
			if list {
				path += "[]"
			}
			comment := strings.Join(strings.Fields(field.Doc.Text()), " ")
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", path, jsonType(typeName, nested, all),
				strings.ReplaceAll(comment, "|", `\|`)))
			if all[nested] != nil && !slices.Contains(above, nested) {
				walk(nested, path+".", append(slices.Clone(above), nested))
			}
		}
	}
	walk("Report", "", []string{"Report"})
	return rows
}

// jsonType returns the JSON type of a Go type.
func jsonType(name, nested string, all map[string]*ast.StructType) string {
	switch {
	case strings.HasPrefix(nested, "string") || strings.HasSuffix(nested, "Time"):
		return "string"
	case strings.HasPrefix(nested, "int") || strings.HasPrefix(nested, "float"):
		return "number"
	case nested == "bool":
		return "boolean"
	case all[nested] != nil || strings.Contains(name, ".") || strings.HasPrefix(name, "map"):
		return "object"
	default:
		return "string"
	}
}
