package doctor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// Limits of what is looked at.
const (
	// MaxFile is the largest file that is read, in bytes.
	MaxFile = 4 << 20
	// MaxEntries is how many entries of a directory are looked at.
	MaxEntries = 20_000
	// maxLinks is how many symbolic links one path may lead over.
	maxLinks = 40
)

// Files are the files of a node, by the paths that they have there. Absence is
// fs.ErrNotExist.
type Files interface {
	configtoml.Source
	// Stat follows links, List gives the entries of a directory by name, links not
	// followed.
	Stat(path string) (Entry, error)
	List(path string) ([]Entry, error)
}

// Entry is one file or directory.
type Entry struct {
	Name string
	// Kind is fs.ModeDir, 0 for a regular file, fs.ModeSymlink, or another type.
	Kind     fs.FileMode
	Mode     uint32 // permission bits
	Modified time.Time
}

// ErrOutside tells of a file of the node that is not among those that were given.
var ErrOutside = errors.New("is not among the files that were given")

// Folder is a folder of this machine that holds files of a node: all of them, or
// those below At. Links stay inside: one to an absolute path leads to that path of
// the node.
type Folder struct {
	// Path of the folder here, and At where it is on the node, such as / or
	// /etc/containerd.
	Path, At string
	// plain are paths of the node that are known to be directories and no links; nil
	// remembers nothing.
	plain map[string]bool
}

// place finds the file of this machine for a path of the node. The last element
// is not followed when last is false.
func (f Folder) place(name string, last bool) (string, error) {
	rest, done, links := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/"), "/", 0
	for len(rest) > 0 {
		next := path.Join(done, rest[0])
		rest = rest[1:]
		here, inside := f.here(next)
		// The folder itself may be a link of this machine.
		if !inside || f.plain[next] || next == path.Clean("/"+f.At) {
			done = next
			continue
		}
		if len(rest) == 0 && !last {
			return here, nil
		}
		st, err := os.Lstat(here)
		if err != nil {
			return "", f.told(err, name)
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			if f.plain != nil && st.IsDir() {
				f.plain[next] = true
			}
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: more than %d symbolic links", name, maxLinks)
		}
		target, err := os.Readlink(here)
		if err != nil {
			return "", f.told(err, name)
		}
		if !path.IsAbs(target) {
			target = path.Join(done, target)
		}
		rest, done = append(strings.Split(strings.Trim(path.Clean(target), "/"), "/"), rest...), "/"
	}
	here, inside := f.here(done)
	if !inside {
		return "", fmt.Errorf("%s: %w", name, ErrOutside)
	}
	return here, nil
}

// here is the place of a path without links, and whether it is in the folder.
func (f Folder) here(name string) (string, bool) {
	at := path.Clean("/" + f.At)
	if at == "/" {
		return filepath.Join(f.Path, name), true
	}
	rest, ok := strings.CutPrefix(name, at)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return filepath.Join(f.Path, rest), true
}

// told names the node's path in an error, not the one of this machine.
func (f Folder) told(err error, name string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", name, pe.Err)
	}
	return err
}

// ReadFile implements configtoml.Source. It reads regular files only.
func (f Folder) ReadFile(name string) ([]byte, error) {
	here, err := f.place(name, true)
	if err != nil {
		return nil, err
	}
	// What is no regular file may never end, or never begin.
	st, err := os.Lstat(here)
	switch {
	case err != nil:
		return nil, f.told(err, name)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	file, err := os.Open(here)
	if err != nil {
		return nil, f.told(err, name)
	}
	defer file.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	switch {
	case err != nil:
		return nil, f.told(err, name)
	case len(data) > MaxFile:
		return nil, fmt.Errorf("%s is larger than %d MiB", name, MaxFile>>20)
	}
	return data, nil
}

// Stat implements Files.
func (f Folder) Stat(name string) (Entry, error) {
	here, err := f.place(name, true)
	if err != nil {
		return Entry{}, err
	}
	st, err := os.Lstat(here)
	if err != nil {
		return Entry{}, f.told(err, name)
	}
	return entryOf(st), nil
}

func entryOf(st fs.FileInfo) Entry {
	return Entry{Name: st.Name(), Kind: st.Mode().Type(), Mode: uint32(st.Mode().Perm()), Modified: st.ModTime()}
}

// List implements Files.
func (f Folder) List(name string) ([]Entry, error) {
	here, err := f.place(name, true)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(here)
	if err != nil {
		return nil, f.told(err, name)
	}
	defer dir.Close() //nolint:errcheck // only read
	found, err := dir.ReadDir(MaxEntries + 1)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, f.told(err, name)
	case len(found) > MaxEntries:
		return nil, fmt.Errorf("%s holds more than %d entries", name, MaxEntries)
	}
	var all []Entry
	for _, d := range found {
		if st, err := d.Info(); err == nil {
			all = append(all, entryOf(st))
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Glob implements configtoml.Source: patterns are as path.Match takes them, in any
// element.
func (f Folder) Glob(pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	found := []string{"/"}
	elements := strings.Split(strings.Trim(path.Clean("/"+pattern), "/"), "/")
	for i, element := range elements {
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(element, `*?[\`) {
				next = append(next, path.Join(dir, element))
				continue
			}
			entries, err := f.List(dir)
			if err != nil && i == len(elements)-1 && !absent(err) {
				return nil, err
			}
			for _, e := range entries {
				if ok, _ := path.Match(element, e.Name); ok {
					next = append(next, path.Join(dir, e.Name))
				}
			}
			if len(next) > MaxEntries {
				return nil, fmt.Errorf("%s matches more than %d files", pattern, MaxEntries)
			}
		}
		found = next
	}
	// Elements without a star need not be there.
	found = slices.DeleteFunc(found, func(name string) bool {
		here, err := f.place(name, false)
		if err == nil {
			_, err = os.Lstat(here)
		}
		return err != nil
	})
	return found, nil
}

// absent reports whether an error only says that there is nothing.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrOutside) || strings.HasSuffix(err.Error(), "not a directory")
}
