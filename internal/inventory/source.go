package inventory

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// ignored are the endings that Kubespray's ansible.cfg passes over in a directory
// (inventory_ignore_extensions), without .ini, which is decided in listSources.
var ignored = []string{"~", ".orig", ".bak", ".cfg", ".retry", ".pyc", ".pyo", ".creds", ".gpg"}

// sources are the files of one inventory.
type sources struct {
	// path as given, dir where group_vars and host_vars are looked for.
	path, dir string
	files     []string
	// ignore lists the endings that were passed over, for Ansible to do the same.
	ignore []string
	// isDir tells that path is a directory.
	isDir    bool
	warnings []string
}

// listSources finds the files of an inventory. In a directory it follows
// Ansible's rules with Kubespray's settings: .ini files are passed over when
// there is a YAML inventory beside them. When .ini files are all there is, they
// are read, which plain Ansible would not do.
func listSources(path string) (sources, error) {
	s := sources{path: path, dir: filepath.Dir(path), ignore: ignored}
	info, err := os.Stat(path)
	if err != nil {
		return s, openError(path, err)
	}
	if !info.IsDir() {
		s.files = []string{path}
		return s, nil
	}
	s.dir, s.isDir = path, true
	all, err := walk(path, 0)
	if err != nil {
		return s, err
	}
	yaml := slices.ContainsFunc(all, func(f string) bool { return isYAML(f) })
	for _, f := range all {
		if yaml && strings.HasSuffix(f, ".ini") {
			s.warnings = append(s.warnings, f+": passed over, because there is a YAML inventory beside it (as Kubespray's ansible.cfg does)")
			continue
		}
		s.files = append(s.files, f)
	}
	if yaml {
		s.ignore = append(slices.Clone(ignored), ".ini")
	}
	if len(s.files) == 0 {
		return s, errorAt(path, 0, "the directory holds no inventory").hint("give the file itself, such as " + filepath.Join(path, "hosts.yaml"))
	}
	return s, nil
}

// walk lists the inventory files below a directory in Ansible's order.
func walk(dir string, depth int) ([]string, error) {
	if depth > maxDepth {
		return nil, errorAt(dir, 0, "directories are nested deeper than %d", maxDepth)
	}
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, openError(dir, err)
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		if name[0] == '.' || name == "group_vars" || name == "host_vars" || name == "vars_plugins" ||
			slices.ContainsFunc(ignored, func(x string) bool { return strings.HasSuffix(name, x) }) {
			continue
		}
		full := filepath.Join(dir, name)
		info, err := os.Stat(full)
		switch {
		case err != nil:
			continue // a dangling link
		case info.IsDir():
			more, err := walk(full, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		case info.Mode().IsRegular():
			out = append(out, full)
		}
		if len(out) > maxFiles {
			return nil, errorAt(dir, 0, "more than %d files", maxFiles).hint("give the inventory file itself")
		}
	}
	return out, nil
}

func isYAML(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// readText reads a file that must be text of bounded size.
func readText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, errorAt(path, 0, "not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, openError(path, err)
	}
	return b, checkText(path, b)
}

func checkText(path string, b []byte) error {
	if len(b) > maxFile {
		e := errorAt(path, 0, "larger than %d MiB, which no inventory is", maxFile>>20)
		e.junk = true
		return e
	}
	bad := bytes.IndexByte(b, 0)
	if bad < 0 && !utf8.Valid(b) {
		bad = invalidUTF8(b)
	}
	if bad >= 0 {
		e := errorAt(path, bytes.Count(b[:bad], []byte("\n"))+1, "not a text file: byte 0x%02x", b[bad])
		e.junk = true
		return e
	}
	return nil
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// isVault tells whether a whole file is encrypted by ansible-vault.
func isVault(text []byte) bool { return bytes.HasPrefix(text, []byte("$ANSIBLE_VAULT;")) }

func openError(path string, err error) *Error {
	cause := err
	if pe, ok := err.(*fs.PathError); ok {
		cause = pe.Err
	}
	return errorAt(path, 0, "%s", fmt.Sprint(cause))
}
