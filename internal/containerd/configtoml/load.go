// Package configtoml knows containerd's config.toml: which files make it up, how
// each release merges them, what it then does about registries, and how to
// change just that without touching another byte. It is pure: files come from a
// Source, changes go back as bytes.
//
// Facts are from containerd's cmd/containerd/server/config (2.x) and
// services/server/config (1.x), the CRI plugin's config packages, and from
// running 1.6.20, 1.7.35, 2.2.3 and 2.4.2.
package configtoml

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pullway/pullway/internal/containerd"
)

// Source gives the files of a node. Absence is fs.ErrNotExist.
type Source interface {
	ReadFile(path string) ([]byte, error)
	Glob(pattern string) ([]string, error)
}

// maxFiles bounds how many files one configuration may be made of.
const maxFiles = 20_000

// File is one file of a configuration.
type File struct {
	Path string
	Data []byte
	// Version as the file says; 0 when it says nothing.
	Version int

	doc    *document
	values map[string]any
	err    *Problem
}

// Tree is a configuration: the root file and everything it imports.
type Tree struct {
	Root    string
	Release containerd.Release
	// Files in processing order: the root, then imports breadth-first. Later ones
	// win over earlier ones.
	Files []File
	// Missing are imports that were named without a pattern and are not there.
	Missing []string

	rules       rules
	badPatterns []badPattern
	unread      []string // in conf.d, imported by nothing
}

// Pos is a place in a file; line and column count from 1, 0 means unknown.
type Pos struct {
	File         string
	Line, Column int
}

// Load reads the configuration whose root file is root, by the rules of rel. A
// missing root file gives an empty tree: containerd then runs on its built-in
// defaults. TOML that does not parse is no error here but a Problem; the error
// is for what cannot be read.
func Load(src Source, root string, rel containerd.Release) (*Tree, error) {
	return NewReader(src).Load(root, rel)
}

// Reader loads one configuration by the rules of several releases, and takes each
// file apart once. The trees share what is in the files.
type Reader struct {
	src    Source
	parsed map[string]File
}

// NewReader makes a Reader of files that do not change meanwhile.
func NewReader(src Source) *Reader { return &Reader{src: src, parsed: map[string]File{}} }

func (r *Reader) file(p string, data []byte) File {
	f, known := r.parsed[p]
	if !known {
		f = parseFile(p, data)
		r.parsed[p] = f
	}
	return f
}

// Load is the function Load.
func (r *Reader) Load(root string, rel containerd.Release) (*Tree, error) {
	src := r.src
	t := &Tree{Root: path.Clean(root), Release: rel}
	l := loader{src: src, tree: t, queued: map[string]bool{t.Root: true}, globs: map[string]bool{}}
	queue := []string{t.Root}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if len(t.Files) == maxFiles {
			return nil, fmt.Errorf("%s imports more than %d files", root, maxFiles)
		}
		data, err := src.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) {
			if p != t.Root {
				t.Missing = append(t.Missing, p)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		t.Files = append(t.Files, r.file(p, data))
		imports, err := l.imports(&t.Files[len(t.Files)-1])
		if err != nil {
			return nil, err
		}
		queue = append(queue, imports...)
	}
	l.unread()
	t.settle()
	return t, nil
}

var bom = []byte("\xef\xbb\xbf")

func parseFile(p string, data []byte) File {
	f := File{Path: p, Data: data, values: map[string]any{}}
	bad := func(line, column int, text string) File {
		f.doc, f.values = nil, map[string]any{}
		f.err = &Problem{ID: "CFG007", Pos: Pos{File: p, Line: line, Column: column}, Text: oneLine(text), Severity: 1, Fatal: true,
			Hint: "repair the file; containerd cannot start with it"}
		return f
	}
	if len(data) > maxFile {
		return bad(0, 0, fmt.Sprintf("larger than %d MiB", maxFile>>20))
	}
	doc, beyond := newDocument(data)
	if beyond != nil {
		before := data[:beyond.offset]
		return bad(bytes.Count(before, []byte("\n"))+1, len(before)-bytes.LastIndexByte(before, '\n'), beyond.text)
	}
	f.doc = doc
	if err := toml.Unmarshal(bytes.TrimPrefix(data, bom), &f.values); err != nil {
		line, column := 0, 0
		if de, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, column = de.Position()
		}
		// What the number parser quotes of the file may be a secret.
		text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "toml: "), ": strconv")
		return bad(line, column, "not valid TOML: "+text)
	}
	if v, ok := f.values["version"].(int64); ok && v >= 0 && v < 1000 {
		f.Version = int(v)
	}
	return f
}

// maxFile is the largest file that is looked into, in bytes.
const maxFile = 64 << 20

// loader finds the imports of one tree.
type loader struct {
	src    Source
	tree   *Tree
	queued map[string]bool // files
	globs  map[string]bool // patterns that have been looked up
}

// imports lists the files that f imports and that are not in the tree yet, in
// order. Only a star makes a pattern, and patterns without a match are fine.
func (l *loader) imports(f *File) (all []string, err error) {
	for _, name := range list(f.values, "imports") {
		p := l.absolute(f.Path, name)
		found := []string{p}
		if strings.Contains(p, "*") {
			if l.globs[p] {
				continue
			}
			l.globs[p] = true
			if found, err = l.src.Glob(p); errors.Is(err, path.ErrBadPattern) {
				l.tree.badPatterns = append(l.tree.badPatterns, badPattern{f.Path, name})
				continue
			} else if err != nil {
				return nil, fmt.Errorf("%s: import %q: %w", f.Path, name, err)
			}
		}
		for _, p := range found {
			if !l.queued[p] {
				l.queued[p] = true
				all = append(all, p)
			}
		}
		if len(l.queued) > maxFiles {
			return nil, fmt.Errorf("%s imports more than %d files", f.Path, maxFiles)
		}
	}
	return all, nil
}

// unread notes what stands in conf.d and is imported by nothing. The directory
// is only a hint, so an error to list it does not matter.
func (l *loader) unread() {
	if len(l.tree.Files) == 0 || l.tree.Files[0].err != nil {
		return
	}
	found, err := l.src.Glob(path.Join(path.Dir(l.tree.Root), "conf.d", "*.toml"))
	if err != nil {
		return
	}
	for _, p := range found {
		if !l.queued[p] {
			l.tree.unread = append(l.tree.unread, p)
		}
	}
}

// absolute makes an import absolute: relative to the importing file, but a
// pattern relative to the daemon's working directory, which is / under systemd,
// before 1.6.29 and 1.7.16 (resolveImports).
func (l *loader) absolute(from, name string) string {
	r := l.tree.Release
	if strings.Contains(name, "*") && (!r.AtLeast(1, 6, 29) || r.In(1, 7, 0, 15)) {
		if path.IsAbs(name) {
			return name
		}
		return path.Join("/", name)
	}
	if !path.IsAbs(name) {
		name = path.Join(path.Dir(from), name)
	}
	return path.Clean(name)
}

// badPattern is an import that is no pattern, with the file that has it.
type badPattern struct{ file, name string }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
