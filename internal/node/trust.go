package node

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/protocol"
)

// What the engine reads in its own folder makes root rename and delete files, so
// it is believed only where nobody else could have written it.

// distrust is the error of a path in the engine's own folder.
func distrust(path, why string) error {
	return &protocol.Error{Kind: protocol.ErrFailed, Text: path + " " + why + ", so what is in it is not to be relied on",
		Hint: "find out who made or changed it; then remove it, or give it back to root with mode 0700 (a folder) or 0600 (a file)"}
}

// others says why others than this user could have written what st describes;
// empty when they could not.
func others(st fs.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case ok && int(sys.Uid) != os.Geteuid():
		return fmt.Sprintf("belongs to user %d", sys.Uid)
	case st.Mode().Perm()&0o022 != 0:
		return fmt.Sprintf("has mode %04o, with which others may write to it", st.Mode().Perm())
	}
	return ""
}

// ownFolder makes a folder of the engine and sees that it is its own: a real
// folder of this user that nobody else can write to. Its mode becomes 0700.
func (d disk) ownFolder(path string) error {
	if err := d.ensureDir(path); err != nil {
		return err
	}
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return distrust(path, "is a link and no folder")
	}
	if why := others(st); why != "" {
		return distrust(path, why)
	}
	if st.Mode().Perm() == 0o700 {
		return nil
	}
	return d.around("chmod", path, func() error { return os.Chmod(path, 0o700) })
}

// readOwn is readBounded of a file of the engine that only this user can have
// written.
func readOwn(path string, limit int64) ([]byte, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if why := others(st); why != "" && st.Mode()&fs.ModeSymlink == 0 {
		return nil, distrust(path, why)
	}
	return readBounded(path, limit)
}

// plainPath reports whether p is an absolute path to something, in its shortest form.
func plainPath(p string) bool {
	return filepath.IsAbs(p) && filepath.Clean(p) == p && p != "/" && !strings.ContainsRune(p, 0)
}

// plainName reports whether s is one name below a folder.
func plainName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 255 && !strings.ContainsAny(s, "/\x00")
}

// check refuses a record that no engine wrote, whatever spoilt it: its paths are
// renamed and deleted.
func (r *Record) check() error {
	if !plainName(r.ID) {
		return fmt.Errorf("transaction id %q is no name", r.ID)
	}
	for _, i := range r.Items {
		if !plainPath(i.Target) || !plainPath(i.Staged) || !strings.HasPrefix(filepath.Base(i.Staged), stagePrefix) {
			return fmt.Errorf("target %q, staged as %q, is none of an engine's", i.Target, i.Staged)
		}
		for _, e := range []Entry{i.Before, i.After} {
			for _, c := range e.Children {
				if !plainName(c.Name) || c.Entry.Kind == KindDir {
					return fmt.Errorf("target %q has an entry %q, which no host directory has", i.Target, c.Name)
				}
			}
		}
	}
	paths := append([]string{r.Probe}, r.MadeDirs...)
	if r.Play != nil {
		paths = slices.Concat(paths, r.Play.ConfigDirs, r.Play.HostsDirs)
		for _, f := range r.Play.Folders {
			paths = append(paths, f.Path)
		}
	}
	for _, p := range paths {
		if p != "" && !plainPath(p) {
			return fmt.Errorf("path %q is none of an engine's", p)
		}
	}
	return nil
}

// exposedOf are the paths that a plan is about and that are exposed, with the reason.
func exposedOf(hostsDir string, files []configtoml.File) map[string]string {
	all := map[string]string{}
	look := func(path string) {
		if why := exposed(path); why != "" {
			all[path] = why
		}
	}
	look(hostsDir)
	for _, f := range files {
		look(f.Path)
	}
	return all
}

// exposed says why somebody else than root can put something else in the place of
// path: the path itself or a folder above it, links followed. Empty when nobody
// can. A path that does not exist is looked at as far as it does.
func exposed(path string) string {
	seen := map[string]bool{}
	var walk func(p string) string
	walk = func(p string) string {
		if seen[p] || len(seen) > 255 {
			return ""
		}
		seen[p] = true
		if p != "/" {
			if why := walk(filepath.Dir(p)); why != "" {
				return why
			}
		}
		st, err := os.Lstat(p)
		if err != nil {
			return ""
		}
		if st.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(p)
			if err != nil {
				return ""
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(p), to)
			}
			return walk(filepath.Clean(to))
		}
		// In a sticky folder only the owner of a thing can move it.
		if st.IsDir() && st.Mode()&fs.ModeSticky != 0 && st.Sys().(*syscall.Stat_t).Uid == 0 {
			return ""
		}
		sys := st.Sys().(*syscall.Stat_t)
		switch {
		case sys.Uid != 0:
			return fmt.Sprintf("%s belongs to user %d", p, sys.Uid)
		case st.Mode().Perm()&0o022 != 0 && !(st.Mode().Perm()&0o002 == 0 && sys.Gid == 0):
			return fmt.Sprintf("%s has mode %04o", p, st.Mode().Perm())
		}
		return ""
	}
	return walk(filepath.Clean(path))
}
