package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// finder walks a package's functions and collects their sites.
type finder struct {
	source   *source
	set      *token.FileSet
	info     *types.Info
	file     *file
	function string
	id       int
	order    int
	current  *site
}

// find fills the source's sites.
func (s *source) find(set *token.FileSet, info *types.Info) {
	f := &finder{source: s, set: set, info: info}
	for _, file := range s.files {
		if ast.IsGenerated(file.syntax) {
			continue
		}
		f.file = file
		for _, declaration := range file.syntax.Decls {
			f.declaration(declaration)
		}
	}
}

func (f *finder) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		f.function = functionName(d)
		if d.Body != nil && d.Name.Name != "String" && d.Name.Name != "Error" {
			f.body(d.Body)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if values, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
				f.function = values.Names[0].Name
				f.literals(values)
			}
		}
	}
}

// literals walks the function literals of a package variable: the rest of its value is data.
func (f *finder) literals(values *ast.ValueSpec) {
	ast.Inspect(values, func(n ast.Node) bool {
		literal, ok := n.(*ast.FuncLit)
		if ok {
			f.body(literal.Body)
		}
		return !ok
	})
}

func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	receiver := d.Recv.List[0].Type
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
		case *ast.IndexExpr:
			receiver = r.X
		case *ast.IndexListExpr:
			receiver = r.X
		case *ast.Ident:
			return r.Name + "." + d.Name.Name
		default:
			return d.Name.Name
		}
	}
}

func (f *finder) body(body *ast.BlockStmt) {
	ast.PreorderStack(body, nil, func(n ast.Node, stack []ast.Node) bool {
		if f.skips(n) {
			return false
		}
		switch n := n.(type) {
		case ast.Stmt:
			f.statement(n, stack)
		case ast.Expr:
			if f.info.Types[n].Value == nil || isLiteral(n) || isBoolean(n) {
				f.expression(n, stack)
			}
		}
		return true
	})
}

// skips reports whether nothing in n is worth a mutant: log lines, broken invariants, constants and
// types.
func (f *finder) skips(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok != token.VAR
	case *ast.ArrayType, *ast.FuncType, *ast.StructType, *ast.InterfaceType, *ast.MapType:
		return true
	case *ast.IfStmt:
		return n.Else == nil && len(n.Body.List) == 1 && isPanic(n.Body.List[0])
	case *ast.ExprStmt:
		return isPanic(n) || f.logs(n.X)
	}
	return false
}

func isPanic(s ast.Stmt) bool {
	statement, ok := s.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := statement.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	return ok && name.Name == "panic"
}

// logs reports whether a chain of calls goes through a logger.
func (f *finder) logs(e ast.Expr) bool {
	for {
		switch x := e.(type) {
		case *ast.CallExpr:
			e = x.Fun
		case *ast.SelectorExpr:
			if isLogger(f.info.TypeOf(x.X)) {
				return true
			}
			e = x.X
		default:
			return false
		}
	}
}

func isLogger(t types.Type) bool {
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem()
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	path := named.Obj().Pkg().Path()
	return path == "github.com/rs/zerolog" || path == "log/slog" || path == "go.temporal.io/sdk/log"
}

// begin opens a site; the edits and candidates that follow belong to it.
func (f *finder) begin() {
	f.order++
	f.current = &site{file: f.file}
	f.source.sites = append(f.source.sites, f.current)
}

// mutation adds a candidate at node to the open site and returns its id.
func (f *finder) mutation(node ast.Node, kind, before, after string) int {
	f.id++
	at := f.set.Position(node.Pos())
	f.current.candidates = append(f.current.candidates, &Candidate{
		ID: f.id, Package: f.source.folder, File: f.source.folder + "/" + f.file.name, Line: at.Line, Column: at.Column,
		Function: f.function, Kind: kind, Before: oneLine(before), After: oneLine(after),
	})
	return f.id
}

func (f *finder) edit(from, to token.Pos, form form, text string) {
	at, end := f.set.Position(from), f.set.Position(to)
	f.current.edits = append(f.current.edits, edit{
		offset: at.Offset, end: end.Offset, line: at.Line, text: text, form: form, order: f.order,
	})
}

// wrap puts text around a node.
func (f *finder) wrap(n ast.Node, prefix, suffix string) {
	f.edit(n.Pos(), n.Pos(), before, prefix)
	f.edit(n.End(), n.End(), after, suffix)
}

// text returns a node's source.
func (f *finder) text(n ast.Node) string {
	return string(f.file.text[f.set.Position(n.Pos()).Offset:f.set.Position(n.End()).Offset])
}

// typeName returns how the file writes a type, and whether it can.
func (f *finder) typeName(t types.Type) (string, bool) {
	writable := true
	name := types.TypeString(t, func(p *types.Package) string {
		if p.Path() == f.source.path {
			return ""
		}
		imports := f.file.syntax.Imports
		i := slices.IndexFunc(imports, func(i *ast.ImportSpec) bool { return i.Path.Value == strconv.Quote(p.Path()) })
		if i < 0 {
			writable = false
			return ""
		}
		if named := imports[i].Name; named != nil {
			return named.Name
		}
		return p.Name()
	})
	return name, writable
}

func isLiteral(e ast.Expr) bool {
	literal, ok := e.(*ast.BasicLit)
	return ok && literal.Kind == token.INT
}

func isBoolean(e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	return ok && (name.Name == "true" || name.Name == "false")
}

// isBasic reports whether an expression has a basic type with the flag (types.IsInteger, ...); a
// type parameter has none.
func (f *finder) isBasic(e ast.Expr, flag types.BasicInfo) bool {
	t := f.info.TypeOf(e)
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&flag != 0
}

func calling(name string, ids ...int) string {
	var b strings.Builder
	b.WriteString(name + "(")
	for _, id := range ids {
		fmt.Fprintf(&b, "%d, ", id)
	}
	return b.String()
}
