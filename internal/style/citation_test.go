package style_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// repository is what a comment may cite: its files and folders, relative to the root, and the
// anchors of its pages.
type repository struct {
	paths   map[string]bool
	anchors map[string]map[string]bool
}

// openRepository lists the repository, test data included, and the folders that setup makes left
// out.
func openRepository(t *testing.T) repository {
	t.Helper()
	r := repository{paths: map[string]bool{}, anchors: map[string]map[string]bool{}}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == ".gotch" || entry.Name() == "bin") {
			return filepath.SkipDir
		}
		relative, err := filepath.Rel(root, name)
		r.paths[filepath.ToSlash(relative)] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range r.paths {
		if path.Ext(name) == ".md" {
			r.anchors[name] = anchorsOf(read(t, name))
		}
	}
	return r
}

var (
	heading = regexp.MustCompile(`(?m)^#+ +(.*?)\s*$`)
	link    = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	slug    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchorsOf returns the anchors that GitHub gives to a page's headings.
func anchorsOf(page string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		title := strings.ToLower(link.ReplaceAllString(m[1], "$1"))
		base := strings.ReplaceAll(slug.ReplaceAllString(title, ""), " ", "-")
		anchor := base
		for i := 1; all[anchor]; i++ {
			anchor = base + "-" + strconv.Itoa(i)
		}
		all[anchor] = true
	}
	return all
}

// resolve finds a cited path, seen from the folder of the file that cites it or from a folder above
// it. A bare file name may also be in a folder below.
func (r repository) resolve(from, cited string) (string, bool) {
	if !strings.Contains(cited, "/") {
		for name := range r.paths {
			if path.Base(name) == cited && strings.HasPrefix(name, path.Dir(from)+"/") {
				return name, true
			}
		}
	}
	for folder := path.Dir(from); ; folder = path.Dir(folder) {
		if at := path.Join(folder, cited); r.paths[at] {
			return at, true
		}
		if folder == "." {
			return "", false
		}
	}
}

var (
	citedFile   = regexp.MustCompile(`[\w./-]*[\w-]\.(?:go|md)\b(?:#[\w-]+)?(?::\d+)?`)
	citedFolder = regexp.MustCompile(
		`(?:^|[^\w./-])((?:internal|activities|docs|experiments|setup|testdata|tools)/[\w./-]*\w)`)
	address = regexp.MustCompile(`https?://\S+`)
)

// citations returns the paths of the repository that a comment names.
func citations(comment string) []string {
	comment = address.ReplaceAllString(comment, "")
	all := citedFile.FindAllString(comment, -1)
	for _, m := range citedFolder.FindAllStringSubmatch(comment, -1) {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, m[1]) }) {
			all = append(all, m[1])
		}
	}
	return all
}

// unresolved explains what is wrong with a citation, or returns "".
func (r repository) unresolved(from, cited string) string {
	name, line, _ := strings.Cut(cited, ":")
	name, anchor, _ := strings.Cut(name, "#")
	if path.Ext(name) == ".py" { // the reference's code is in Python and not in the repository
		return ""
	}
	at, ok := r.resolve(from, name)
	if !ok {
		return "cites " + name + ", which is not in the repository"
	}
	if anchor != "" && !r.anchors[at][anchor] {
		return "cites #" + anchor + ", which is no heading of " + at
	}
	if n, err := strconv.Atoi(line); err == nil {
		text, err := os.ReadFile(filepath.Join(root, at))
		if err != nil || strings.Count(string(text), "\n") < n {
			return "cites line " + line + " of " + at + ", which is shorter"
		}
	}
	return ""
}

func TestCommentsCiteWhatExists(t *testing.T) {
	r := openRepository(t)
	var all []finding
	for _, file := range textFiles(t) {
		if path.Ext(file) != ".go" {
			continue
		}
		comments, err := comments(file, read(t, file))
		if err != nil {
			t.Error(err)
		}
		for _, c := range comments {
			for _, cited := range citations(c.text) {
				if wrong := r.unresolved(file, cited); wrong != "" {
					line := c.line + strings.Count(c.text[:strings.Index(c.text, cited)], "\n")
					all = append(all, finding{file, line, wrong})
				}
			}
		}
	}
	report(t, all)
}
