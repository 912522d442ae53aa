package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

func (f *finder) expression(e ast.Expr, stack []ast.Node) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		f.binary(e)
	case *ast.UnaryExpr:
		f.unary(e)
	case *ast.Ident:
		if isBoolean(e) {
			f.literal(e, stack)
		}
	case *ast.BasicLit:
		if isLiteral(e) {
			f.integer(e, stack)
		}
	case *ast.SliceExpr:
		f.slice(e)
	case *ast.CallExpr:
		f.call(e)
	}
}

func (f *finder) binary(e *ast.BinaryExpr) {
	switch e.Op {
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		f.comparison(e)
	case token.EQL, token.NEQ:
		f.equality(e)
	case token.LAND, token.LOR:
		f.logic(e)
	case token.ADD, token.SUB, token.MUL, token.QUO, token.REM:
		if f.isBasic(e, types.IsInteger|types.IsFloat) {
			f.arithmetic(e)
		}
	default:
	}
}

// relation is an ordered comparison with its two mutations.
type relation struct{ name, bound, negated string }

var relations = map[token.Token]relation{
	token.LSS: {"mutantLess", "<=", ">="},
	token.LEQ: {"mutantLessEqual", "<", ">"},
	token.GTR: {"mutantGreater", ">=", "<="},
	token.GEQ: {"mutantGreaterEqual", ">", "<"},
}

func (f *finder) comparison(e *ast.BinaryExpr) {
	r := relations[e.Op]
	f.begin()
	bound := f.mutation(e, "comparison", f.text(e), f.operands(e, r.bound))
	negated := f.mutation(e, "comparison", f.text(e), f.operands(e, r.negated))
	f.infix(e, calling(r.name, bound, negated))
}

// infix rewrites a binary expression as a call.
func (f *finder) infix(e *ast.BinaryExpr, call string) {
	f.wrap(e, call, ")")
	f.edit(e.OpPos, e.OpPos+token.Pos(len(e.Op.String())), between, ",")
}

func (f *finder) operands(e *ast.BinaryExpr, operator string) string {
	return f.text(e.X) + " " + operator + " " + f.text(e.Y)
}

func (f *finder) equality(e *ast.BinaryExpr) {
	f.begin()
	other := "!="
	if e.Op == token.NEQ {
		other = "=="
	}
	f.negate(e, f.mutation(e, "comparison", f.text(e), f.operands(e, other)))
}

func (f *finder) negate(e ast.Expr, id int) { f.wrap(e, "((", fmt.Sprintf(") != mutantOn(%d))", id)) }

// logic rewrites && and || with three mutations: swapped (by De Morgan's law, so that the right
// side is still evaluated only where the operator asks for it), without the left operand, without
// the right one.
func (f *finder) logic(e *ast.BinaryExpr) {
	f.begin()
	other, drop := "||", "|| mutantOn(%d)"
	if e.Op == token.LOR {
		other, drop = "&&", "&& !mutantOn(%d)"
	}
	swap := f.mutation(e, "logic", f.text(e), f.operands(e, other))
	left := f.mutation(e, "logic", f.text(e), f.text(e.Y))
	right := f.mutation(e, "logic", f.text(e), f.text(e.X))
	swapped := fmt.Sprintf(") != mutantOn(%d) ", swap)
	f.edit(e.X.Pos(), e.X.Pos(), before, "((((")
	f.edit(e.X.End(), e.X.End(), after, swapped+fmt.Sprintf(drop, left)+")")
	f.edit(e.Y.Pos(), e.Y.Pos(), before, "((")
	f.edit(e.Y.End(), e.Y.End(), after, swapped+fmt.Sprintf(drop, right)+fmt.Sprintf(")) != mutantOn(%d))", swap))
}

// operator is an arithmetic operator with its mutation.
type operator struct{ name, other string }

var operators = map[token.Token]operator{
	token.ADD: {"mutantAdd", "-"}, token.SUB: {"mutantSub", "+"}, token.MUL: {"mutantMul", "/"},
	token.QUO: {"mutantDiv", "*"}, token.REM: {"mutantMod", "*"},
}

func (f *finder) arithmetic(e *ast.BinaryExpr) {
	o := operators[e.Op]
	f.begin()
	f.infix(e, calling(o.name, f.mutation(e, "arithmetic", f.text(e), f.operands(e, o.other))))
}

func (f *finder) unary(e *ast.UnaryExpr) {
	switch {
	case e.Op == token.NOT:
		f.begin()
		f.negate(e, f.mutation(e, "boolean", f.text(e), f.text(e.X)))
	case e.Op == token.SUB && f.isBasic(e, types.IsInteger|types.IsFloat):
		f.begin()
		f.wrap(e, calling("mutantMinus", f.mutation(e, "arithmetic", f.text(e), f.text(e.X))), ")")
	}
}

// literal negates true and false, except in the results before an error, which no caller reads.
func (f *finder) literal(e *ast.Ident, stack []ast.Node) {
	switch parent := stack[len(stack)-1].(type) {
	case *ast.ReturnStmt:
		if f.fails(parent) {
			return
		}
	case *ast.CaseClause, *ast.SwitchStmt:
		return
	}
	if f.info.Uses[e] != types.Universe.Lookup(e.Name) {
		return
	}
	f.begin()
	other := "true"
	if e.Name == "true" {
		other = "false"
	}
	f.negate(e, f.mutation(e, "boolean", f.context(e, stack), f.replaced(e, stack, other)))
}

// fails reports whether a return statement's last value is an error other than nil.
func (f *finder) fails(r *ast.ReturnStmt) bool {
	if len(r.Results) < 2 {
		return false
	}
	last := r.Results[len(r.Results)-1]
	return !f.info.Types[last].IsNil() && f.isError(last)
}

func (f *finder) isError(e ast.Expr) bool {
	t := f.info.TypeOf(e)
	failure, ok := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	return ok && t != nil && types.Implements(t, failure)
}

// context returns the source around a short literal: the expression or statement that contains it.
func (f *finder) context(e ast.Expr, stack []ast.Node) string { return f.text(around(e, stack)) }

func around(e ast.Expr, stack []ast.Node) ast.Node {
	switch parent := stack[len(stack)-1].(type) {
	case *ast.ReturnStmt, *ast.AssignStmt, *ast.CallExpr, *ast.KeyValueExpr, *ast.IndexExpr, *ast.SliceExpr:
		return parent
	}
	return e
}

func (f *finder) replaced(e ast.Expr, stack []ast.Node, by string) string {
	outer := around(e, stack)
	text, from := f.text(outer), e.Pos()-outer.Pos()
	return text[:from] + by + text[from+e.End()-e.Pos():]
}

// integer adds one to an integer literal where it is a bound: an index, a result, an initial value,
// a limit.
func (f *finder) integer(e *ast.BasicLit, stack []ast.Node) {
	if !f.isBound(e, stack[len(stack)-1]) {
		return
	}
	name, ok := f.typeName(types.Default(f.info.TypeOf(e)))
	if !ok || !f.isBasic(e, types.IsInteger) {
		return
	}
	f.begin()
	id := f.mutation(e, "boundary", f.context(e, stack), f.replaced(e, stack, e.Value+"+1"))
	f.wrap(e, fmt.Sprintf("mutantRaise[%s](%d, ", name, id), ")")
}

func (f *finder) isBound(e *ast.BasicLit, parent ast.Node) bool {
	switch p := parent.(type) {
	case *ast.IndexExpr:
		_, isMap := f.info.TypeOf(p.X).Underlying().(*types.Map)
		return p.Index == e && !isMap
	case *ast.ReturnStmt:
		return !f.fails(p)
	case *ast.AssignStmt:
		return (p.Tok == token.ASSIGN || p.Tok == token.DEFINE) && slices.Contains(p.Rhs, ast.Expr(e))
	case *ast.CallExpr:
		return f.isBuiltin(p, "min") || f.isBuiltin(p, "max")
	}
	return false
}

func (f *finder) isBuiltin(call *ast.CallExpr, name string) bool {
	called, ok := call.Fun.(*ast.Ident)
	return ok && called.Name == name && f.info.Uses[called] == types.Universe.Lookup(name)
}

func (f *finder) slice(e *ast.SliceExpr) {
	if e.Low != nil && f.isBasic(e.Low, types.IsInteger) {
		f.bound(e, e.Low, "mutantRaise", "+1")
	}
	if e.High != nil && f.isBasic(e.High, types.IsInteger) && f.text(e.High) != "0" {
		f.bound(e, e.High, "mutantLower", "-1")
	}
}

func (f *finder) bound(e *ast.SliceExpr, limit ast.Expr, name, change string) {
	f.begin()
	text, from := f.text(e), limit.Pos()-e.Pos()
	mutated := text[:from] + f.text(limit) + change + text[from+limit.End()-limit.Pos():]
	f.wrap(limit, calling(name, f.mutation(limit, "boundary", text, mutated)), ")")
}

func (f *finder) call(e *ast.CallExpr) {
	switch {
	case f.isBuiltin(e, "min") && len(e.Args) > 1:
		f.extreme(e, "mutantMin", "max")
	case f.isBuiltin(e, "max") && len(e.Args) > 1:
		f.extreme(e, "mutantMax", "min")
	case f.compares(e):
		f.begin()
		f.wrap(e, calling("mutantZero", f.mutation(e, "order", f.text(e), "0")), ")")
		f.begin()
		f.wrap(e, calling("mutantMinus", f.mutation(e, "order", f.text(e), "-"+f.text(e))), ")")
	}
}

func (f *finder) extreme(e *ast.CallExpr, name, other string) {
	f.begin()
	id := f.mutation(e, "arithmetic", f.text(e), other+strings.TrimPrefix(f.text(e), f.text(e.Fun)))
	f.edit(e.Pos(), e.Lparen+1, before, calling(name, id))
}

// compares reports whether a call is a three-way comparison of the standard library.
func (f *finder) compares(e *ast.CallExpr) bool {
	selector, ok := e.Fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "Compare" {
		return false
	}
	packages := []string{"cmp", "strings", "bytes", "slices"}
	used := f.info.Uses[selector.Sel]
	return used != nil && used.Pkg() != nil && slices.Contains(packages, used.Pkg().Path())
}
