package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// FS are the files of the folder by their paths without the first slash, for who
// takes an fs.FS: links lead where they lead on the node, and never out of the folder.
// What is neither file nor folder cannot be opened.
func (f Folder) FS() fs.FS { return treeFS{f} }

type treeFS struct{ folder Folder }

// Open implements fs.FS.
func (t treeFS) Open(name string) (fs.File, error) {
	here, st, err := t.look("open", name)
	if err == nil && !st.IsDir() && !st.Mode().IsRegular() {
		err = fmt.Errorf("/%s is neither file nor folder", name)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(here)
}

// Stat implements fs.StatFS. It follows links.
func (t treeFS) Stat(name string) (fs.FileInfo, error) {
	_, st, err := t.look("stat", name)
	return st, err
}

// ReadDir implements fs.ReadDirFS.
func (t treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	here, _, err := t.look("readdir", name)
	if err != nil {
		return nil, err
	}
	return os.ReadDir(here)
}

// Glob implements fs.GlobFS.
func (t treeFS) Glob(pattern string) ([]string, error) {
	found, err := t.folder.Glob("/" + pattern)
	for i := range found {
		found[i] = strings.TrimPrefix(found[i], "/")
	}
	return found, err
}

// look finds a file of this machine for a name.
func (t treeFS) look(op, name string) (here string, st fs.FileInfo, err error) {
	if !fs.ValidPath(name) {
		return "", nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if here, err = t.folder.place("/"+name, true); err != nil {
		return "", nil, err
	}
	st, err = os.Lstat(here) // links were followed
	return here, st, t.folder.told(err, "/"+name)
}
