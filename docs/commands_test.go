package docs_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// pages returns README, the pages of docs and the other pages of the root by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "../*.md"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no pages %s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all[path] = string(text)
		}
	}
	return all
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noWord  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns the anchors of a page's headings, as GitHub forms them.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		title := link.ReplaceAllString(m[1], "]")
		all[strings.ReplaceAll(noWord.ReplaceAllString(strings.ToLower(title), ""), " ", "-")] = true
	}
	return all
}

// TestLinksResolve checks the path and anchor of every link between files.
func TestLinksResolve(t *testing.T) {
	t.Parallel()
	links := 0
	for page, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, ":") {
				continue
			}
			links++
			target := filepath.Join(filepath.Dir(page), path)
			if path == "" {
				target = page
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
				continue
			}
			linked, err := os.ReadFile(target)
			if anchor != "" && (err != nil || !anchors(string(linked))[anchor]) {
				t.Errorf("%s links to %s, which is no heading", page, m[1])
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links were found", links)
	}
}

var upper = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// flagsOf returns the flags and commands of a program.
func flagsOf(t *testing.T, program string) (flags, commands map[string]bool) {
	t.Helper()
	flags, commands = map[string]bool{"help": true}, map[string]bool{}
	for _, file := range programFiles(t, program) {
		ast.Inspect(file, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Tag == nil {
				return true
			}
			text, _ := literal(field.Tag)
			tag := reflect.StructTag(text)
			_, isCommand := tag.Lookup("cmd")
			for _, ident := range field.Names {
				name := strings.ToLower(upper.ReplaceAllString(ident.Name, "$1-$2"))
				if tag.Get("name") != "" {
					name = tag.Get("name")
				}
				if isCommand {
					commands[name] = true
				} else {
					flags[name], flags["no-"+name] = true, strings.Contains(text, "negatable")
				}
			}
			return true
		})
	}
	return flags, commands
}

var (
	call     = regexp.MustCompile("(?m)(?:^ {4}|`)(?:\\$ )?(?:bin/)?(starter|worker) +([a-z-]*)([^#\n`|]*)")
	flagUse  = regexp.MustCompile(`(?:^| )--([a-z][a-z-]*)`)
	makeCall = regexp.MustCompile("(?m)(?:^ {4}|`)make ([a-z][a-z-]*)")
	target   = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
)

// TestCommandsExist checks the command and the flags of every call of starter and worker, and the
// target of every call of make.
func TestCommandsExist(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	flags, commands := map[string]map[string]bool{}, map[string]map[string]bool{}
	for _, program := range []string{"starter", "worker"} {
		flags[program], commands[program] = flagsOf(t, program)
	}
	calls := 0
	for page, text := range pages(t) {
		if strings.HasSuffix(page, "log.md") || strings.HasSuffix(page, "CHANGELOG.md") || page == "commands.md" {
			continue // what was tried at the time, and beginnings of commands
		}
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			calls++
			if m[2] != "" && !strings.HasPrefix(m[2], "-") && !commands[m[1]][m[2]] {
				t.Errorf("%s: %q: no command %q", page, m[0], m[2])
			}
			for _, use := range flagUse.FindAllStringSubmatch(" "+m[2]+m[3], -1) {
				if !flags[m[1]][use[1]] {
					t.Errorf("%s: %q: no flag --%s", page, m[0], use[1])
				}
			}
		}
		for _, m := range makeCall.FindAllStringSubmatch(text, -1) {
			calls++
			if !targets[m[1]] {
				t.Errorf("%s: make has no target %q", page, m[1])
			}
		}
	}
	if calls < 150 {
		t.Errorf("only %d calls were found", calls)
	}
}
