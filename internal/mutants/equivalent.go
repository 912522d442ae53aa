package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// equivalents are the mutants that no test can kill: key to reason.
type equivalents map[string]string

// readEquivalents reads a file of lines "file: function: kind: before -> after  # reason"; a
// missing file has none.
func readEquivalents(name string) (equivalents, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return equivalents{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const form = "file: function: kind: before -> after  # reason"
	list := equivalents{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndex(line, "  # ")
		if i < 0 {
			return nil, fmt.Errorf("%s:%d: no reason: want %q", name, n, form)
		}
		key := strings.TrimSpace(line[:i])
		if _, known := list[key]; known {
			return nil, fmt.Errorf("%s:%d: listed twice: %s", name, n, key)
		}
		list[key] = line[i+len("  # "):]
	}
	return list, lines.Err()
}

// stale returns the keys of the mutated folders that match no candidate any more.
func (e equivalents) stale(all []*Candidate, folders []string) []string {
	known := map[string]bool{}
	for _, c := range all {
		known[c.Key()] = true
	}
	var keys []string
	for key := range e {
		if !known[key] && slices.Contains(folders, folderOf(key)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
