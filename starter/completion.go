package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints the script that makes a shell complete command lines.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints the script. Each script asks the hidden command __complete.
func (c *completionCmd) Run(a *app) error {
	return a.print(completionScripts()[c.Shell])
}

// completionScripts returns the script of each shell.
func completionScripts() map[string]string {
	return map[string]string{
		"bash": `# bash completion of starter: source it, or save it as ~/.local/share/bash-completion/completions/starter
_starter() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null | cut -f 1))
}
complete -o default -F _starter starter
`,
		"zsh": `#compdef starter
# zsh completion of starter: save it as _starter in a folder of $fpath
_starter() {
    local line
    local -a found
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2> /dev/null)}"; do
        [[ -n $line ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    if (( ${#found} )); then
        _describe starter found
    else
        _files
    fi
}
compdef _starter starter
`,
		"fish": `# fish completion of starter: save it as ~/.config/fish/completions/starter.fish
complete -c starter -a '(starter __complete (commandline -opc)[2..] (commandline -ct) 2> /dev/null)'
`,
	}
}

// completeCmd prints what can be the last one of some words, for the shells' scripts.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints a line for each candidate: the word, a tab and its help.
func (c *completeCmd) Run(ctx *kong.Context, a *app) error {
	var page strings.Builder
	for _, found := range candidates(ctx.Model, c.Words) {
		help, _, _ := strings.Cut(found.help, "\n")
		fmt.Fprintf(&page, "%s\t%s\n", found.word, help)
	}
	return a.print(page.String())
}

// candidate is a word that can come next, and its help.
type candidate struct{ word, help string }

// candidates returns what can be the last one of the words behind the program: commands, flags or
// the values of a flag or an argument. It returns none where a shell must complete a file name.
func candidates(model *kong.Application, words []string) []candidate {
	words = slices.DeleteFunc(slices.Clone(words), func(word string) bool { return word == "=" }) // bash splits there
	if len(words) == 0 {
		words = []string{""}
	}
	at := position{node: model.Node}
	for _, word := range words[:len(words)-1] {
		at.pass(word)
	}
	return at.candidates(words[len(words)-1])
}

// position is a place in a command line: the command so far, the number of its arguments, and the
// flag that a value is missing for.
type position struct {
	node      *kong.Node
	arguments int
	flag      *kong.Flag
}

// pass moves behind a word.
func (p *position) pass(word string) {
	switch {
	case p.flag != nil:
		p.flag = nil
	case strings.HasPrefix(word, "-"):
		if flag := p.find(strings.TrimLeft(word, "-")); flag != nil && !flag.IsBool() {
			p.flag = flag
		}
	default:
		for _, child := range p.node.Children {
			if child.Name == word {
				p.node, p.arguments = child, 0
				return
			}
		}
		p.arguments++
	}
}

// find returns the flag of a name, or nil.
func (p *position) find(name string) *kong.Flag {
	for _, flags := range p.node.AllFlags(true) {
		for _, flag := range flags {
			if flag.Name == name || slices.Contains(flag.Aliases, name) {
				return flag
			}
		}
	}
	return nil
}

// candidates returns the candidates of the word that begins here.
func (p *position) candidates(word string) []candidate {
	name, value, assigned := strings.Cut(word, "=")
	switch {
	case p.flag != nil:
		return matching(values(p.flag.Value, ""), word)
	case strings.HasPrefix(word, "-") && assigned:
		if flag := p.find(strings.TrimLeft(name, "-")); flag != nil {
			return matching(values(flag.Value, name+"="), name+"="+value)
		}
		return nil
	case strings.HasPrefix(word, "-"):
		return matching(p.flags(), word)
	}
	var all []candidate
	if p.arguments == 0 {
		for _, child := range p.node.Children {
			if !child.Hidden {
				all = append(all, candidate{child.Name, child.Help})
			}
		}
	}
	if p.arguments < len(p.node.Positional) {
		all = append(all, values(p.node.Positional[p.arguments], "")...)
	}
	return matching(all, word)
}

// flags returns the flags of the command and of those above it.
func (p *position) flags() []candidate {
	var all []candidate
	for _, flags := range p.node.AllFlags(true) {
		for _, flag := range flags {
			all = append(all, candidate{"--" + flag.Name, flag.Help})
			if flag.Tag.Negatable != "" {
				all = append(all, candidate{"--no-" + flag.Name, flag.Help})
			}
		}
	}
	return all
}

// values returns the values of a flag or an argument that has few; prefix comes before each.
func values(of *kong.Value, prefix string) []candidate {
	var all []candidate
	for _, value := range of.EnumSlice() {
		if value != "" {
			all = append(all, candidate{prefix + value, ""})
		}
	}
	return all
}

// matching returns the candidates that begin with a word.
func matching(all []candidate, word string) []candidate {
	return slices.DeleteFunc(all, func(c candidate) bool { return !strings.HasPrefix(c.word, word) })
}
