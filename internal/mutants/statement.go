package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

func (f *finder) statement(s ast.Stmt, stack []ast.Node) {
	switch s := s.(type) {
	case *ast.IfStmt:
		f.condition(s.Cond)
	case *ast.ForStmt:
		f.condition(s.Cond)
	case *ast.ReturnStmt:
		f.result(s)
	case *ast.BranchStmt:
		f.branch(s, stack)
	case *ast.ExprStmt, *ast.AssignStmt, *ast.IncDecStmt, *ast.DeferStmt:
		if isListed(s, stack) && f.isDroppable(s) {
			f.drop(s)
		}
		f.update(s)
	}
}

// condition negates a condition that no other mutation negates.
func (f *finder) condition(e ast.Expr) {
	if e == nil || f.info.Types[e].Value != nil || isOperation(e) {
		return
	}
	f.begin()
	f.negate(e, f.mutation(e, "condition", f.text(e), "!"+f.text(e)))
}

func isOperation(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.BinaryExpr:
		return true
	case *ast.UnaryExpr:
		return e.Op == token.NOT
	}
	return false
}

// result returns nil for an error, and negates a single boolean.
func (f *finder) result(s *ast.ReturnStmt) {
	if len(s.Results) == 0 {
		return
	}
	last := s.Results[len(s.Results)-1]
	value := f.info.Types[last]
	switch {
	case value.Value != nil || value.IsNil():
	case f.isError(last):
		if !types.Identical(value.Type, types.Universe.Lookup("error").Type()) {
			return // a concrete type that implements error
		}
		f.begin()
		text := f.text(s)
		mutated := text[:last.Pos()-s.Pos()] + "nil"
		f.wrap(last, calling("mutantNil", f.mutation(s, "error", text, mutated)), ")")
	case f.isBasic(last, types.IsBoolean) && !isOperation(last):
		f.begin()
		text := f.text(s)
		from := last.Pos() - s.Pos()
		f.negate(last, f.mutation(s, "boolean", text, text[:from]+"!"+text[from:]))
	}
}

// branch swaps break and continue where both mean a loop.
func (f *finder) branch(s *ast.BranchStmt, stack []ast.Node) {
	if s.Tok != token.BREAK && s.Tok != token.CONTINUE || !isListed(s, stack) || !inLoop(stack) {
		return
	}
	if s.Tok == token.CONTINUE && isEndless(stack) {
		return // a function may end in a loop without a condition only if no break leaves the loop
	}
	other := "continue"
	if s.Tok == token.CONTINUE {
		other = "break"
	}
	if s.Label != nil {
		other += " " + s.Label.Name
	}
	f.begin()
	f.wrap(s, fmt.Sprintf("if mutantOn(%d) { %s }; ", f.mutation(s, "loop", f.text(s), other), other), "")
}

func inLoop(stack []ast.Node) bool {
	for _, n := range slices.Backward(stack) {
		switch n.(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			return true
		case *ast.FuncLit:
			return false
		}
	}
	return false
}

func isEndless(stack []ast.Node) bool {
	return slices.ContainsFunc(stack, func(n ast.Node) bool {
		loop, ok := n.(*ast.ForStmt)
		return ok && loop.Cond == nil
	})
}

// isListed reports whether a statement is in a list, where an if statement may replace it.
func isListed(s ast.Stmt, stack []ast.Node) bool {
	if len(stack) == 0 {
		return false
	}
	switch parent := stack[len(stack)-1].(type) {
	case *ast.BlockStmt:
		return true
	case *ast.CaseClause:
		return true
	case *ast.CommClause:
		return parent.Comm != s
	}
	return false
}

// isDroppable reports whether a test could notice that a statement is missing; a statement that
// only releases memory, handles or timers has no mutant.
func (f *finder) isDroppable(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.AssignStmt:
		blank := !slices.ContainsFunc(s.Lhs, func(e ast.Expr) bool { return !isBlank(e) })
		return s.Tok != token.DEFINE && !blank
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		return !ok || !isRelease(call)
	case *ast.DeferStmt:
		return !isRelease(s.Call)
	}
	return true
}

func isBlank(e ast.Expr) bool {
	name, ok := e.(*ast.Ident)
	return ok && name.Name == "_"
}

func isRelease(call *ast.CallExpr) bool {
	switch called := call.Fun.(type) {
	case *ast.SelectorExpr:
		return slices.Contains([]string{"Close", "Stop", "Free", "free"}, called.Sel.Name)
	case *ast.Ident:
		return called.Name == "cancel"
	}
	return false
}

func (f *finder) drop(s ast.Stmt) {
	f.begin()
	id := f.mutation(s, "statement", f.text(s), "(dropped)")
	f.wrap(s, fmt.Sprintf("if !mutantOn(%d) { ", id), " }")
}

// update swaps += and -=, wherever the statement is.
func (f *finder) update(s ast.Stmt) {
	a, ok := s.(*ast.AssignStmt)
	if !ok || a.Tok != token.ADD_ASSIGN && a.Tok != token.SUB_ASSIGN {
		return
	}
	if !f.isBasic(a.Lhs[0], types.IsInteger|types.IsFloat) {
		return
	}
	name, ok := f.typeName(f.info.TypeOf(a.Lhs[0]))
	if !ok {
		return
	}
	other := " -= "
	if a.Tok == token.SUB_ASSIGN {
		other = " += "
	}
	f.begin()
	id := f.mutation(s, "arithmetic", f.text(s), f.text(a.Lhs[0])+other+f.text(a.Rhs[0]))
	f.wrap(a.Rhs[0], fmt.Sprintf("mutantMinus[%s](%d, ", name, id), ")")
}
