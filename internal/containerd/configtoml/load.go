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
	t := &Tree{Root: path.Clean(root), Release: rel}
	seen := map[string]bool{}
	queue := []string{t.Root}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if seen[p] {
			continue
		}
		seen[p] = true
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
		f := parseFile(p, data)
		t.Files = append(t.Files, f)
		imports, err := resolve(src, f)
		if err != nil {
			return nil, err
		}
		queue = append(queue, imports...)
	}
	return t, nil
}

var bom = []byte("\xef\xbb\xbf")

func parseFile(p string, data []byte) File {
	f := File{Path: p, Data: data, values: map[string]any{}}
	body := bytes.TrimPrefix(data, bom)
	if err := toml.Unmarshal(body, &f.values); err != nil {
		pos := Pos{File: p}
		text := err.Error()
		var de *toml.DecodeError
		if errors.As(err, &de) {
			pos.Line, pos.Column = de.Position()
			text = strings.TrimPrefix(de.Error(), "toml: ")
		}
		f.values = map[string]any{}
		f.err = &Problem{ID: "CFG007", Pos: pos, Text: "not valid TOML: " + oneLine(text), Severity: 1, Fatal: true,
			Hint: "repair the file; containerd cannot start with it"}
		return f
	}
	f.doc = newDocument(data)
	if v, ok := f.values["version"].(int64); ok && v >= 0 && v < 1000 {
		f.Version = int(v)
	}
	return f
}

// resolve lists the files that f imports, in order. Patterns without a match are
// fine; relative names are relative to the importing file.
func resolve(src Source, f File) ([]string, error) {
	list, _ := f.values["imports"].([]any)
	var all []string
	for _, v := range list {
		name, ok := v.(string)
		if !ok || name == "" {
			continue
		}
		if !path.IsAbs(name) {
			name = path.Join(path.Dir(f.Path), name)
		}
		if !strings.ContainsAny(name, "*?[") {
			all = append(all, path.Clean(name))
			continue
		}
		found, err := src.Glob(name)
		if err != nil {
			return nil, fmt.Errorf("%s: import %q: %w", f.Path, name, err)
		}
		if len(all)+len(found) > maxFiles {
			return nil, fmt.Errorf("%s imports more than %d files", f.Path, maxFiles)
		}
		all = append(all, found...)
	}
	return all, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
