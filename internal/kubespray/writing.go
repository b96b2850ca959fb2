package kubespray

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/secret"
)

// FileChange is one file of variables as it is and as it shall be.
type FileChange struct {
	Path string
	// Before is nil for a file that does not exist yet.
	Before, After []byte
}

// Vault encrypts and decrypts by ansible-vault. A nil Encrypt leaves a mark in
// place of the text: for a look that needs no password.
type Vault struct {
	Encrypt func(ctx context.Context, name string, v secret.Value) ([]string, error)
	Decrypt func(ctx context.Context, file, name string) (string, error)
}

// vaultedLater stands where a vaulted text will be written.
var vaultedLater = []string{"!vault |", "  (encrypted by ansible-vault when it is written)"}

// Write works out which files of the inventory have to change for a rendering,
// and changes none. A variable is written where it takes effect today; a new one
// goes to group_vars/all. Entries that bear our mark and are no longer wanted go.
// A place that cannot be written safely is an error of one line.
func Write(ctx context.Context, path string, v *Variables, r Rendering, vault Vault) ([]FileChange, error) {
	w := &writing{ctx: ctx, vars: v, vault: vault, files: map[string]*FileChange{}}
	home, err := home(path)
	if err != nil {
		return nil, err
	}
	w.home = home
	for _, s := range r.Secrets {
		if err := w.secret(s); err != nil {
			return nil, err
		}
	}
	for _, a := range w.leftovers(r) {
		if err := w.assign(a); err != nil {
			return nil, err
		}
	}
	for _, a := range r.Assignments {
		if err := w.assign(a); err != nil {
			return nil, err
		}
	}
	var changes []FileChange
	for _, name := range w.order {
		if f := w.files[name]; string(f.Before) != string(f.After) {
			changes = append(changes, *f)
		}
	}
	return changes, nil
}

// home is the file that new variables go to: group_vars/all/containerd.yml, or
// the one file group_vars/all.yml where there is no such folder, because Ansible
// would pass over the file once the folder exists.
func home(path string) (string, error) {
	dir := filepath.Dir(path)
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		dir = path
	}
	all := filepath.Join(dir, "group_vars", "all")
	switch st, err := os.Stat(all); {
	case err == nil && st.IsDir():
		return filepath.Join(all, "containerd.yml"), nil
	case err == nil:
		return all, nil
	case !errors.Is(err, os.ErrNotExist):
		return "", &FileError{File: all, Text: cause(err)}
	}
	for _, ext := range []string{".yml", ".yaml", ".json"} {
		if _, err := os.Stat(all + ext); err == nil {
			if ext == ".json" {
				return "", &FileError{File: all + ext, Text: "JSON is not edited: put the variables into group_vars/all/ as YAML"}
			}
			return all + ext, nil
		}
	}
	return filepath.Join(all, "containerd.yml"), nil
}

type writing struct {
	ctx   context.Context
	vars  *Variables
	vault Vault
	home  string
	files map[string]*FileChange
	order []string
}

// place is the file in which a variable is to be written: where it takes effect
// for every node, or home.
func (w *writing) place(name string) (string, error) {
	var first *Definition
	for i, node := range w.vars.Nodes {
		d := w.vars.Effective(node, name)
		switch {
		case i == 0:
			first = d
		case (d == nil) != (first == nil), d != nil && (d.File != first.File || d.Line != first.Line):
			return "", &DifferError{Variable: name, One: w.vars.Nodes[0], Other: node}
		}
	}
	switch {
	case first == nil:
		return w.home, nil
	case first.Value == nil || !topLevel(*first):
		return "", &FileError{first.File, first.Line, name + " stands in the inventory itself, which is not edited: move it to a file under group_vars"}
	case first.Host:
		return "", &FileError{first.File, first.Line, name + " is set for a host alone: move it to a file under group_vars, or edit it there"}
	}
	return first.File, nil
}

// topLevel reports whether the variable is a top-level key of its file.
func topLevel(d Definition) bool {
	b, err := readVars(d.File)
	if err != nil {
		return false
	}
	root, err := parse(d.File, b)
	return err == nil && root != nil && value(root, d.Name) != nil
}

// file is what a file holds by now.
func (w *writing) file(path string) (*FileChange, error) {
	if f := w.files[path]; f != nil {
		return f, nil
	}
	if link := linkIn(path); link != "" {
		return nil, &FileError{File: path, Text: link + " is a symbolic link, and is not written through: name the inventory by its real path"}
	}
	f := &FileChange{Path: path}
	b, err := readVars(path)
	switch {
	case err == nil:
		f.Before, f.After = b, b
	case !errors.Is(statError(path), os.ErrNotExist):
		return nil, err
	}
	w.files[path] = f
	w.order = append(w.order, path)
	return f, nil
}

func statError(path string) error {
	_, err := os.Lstat(path)
	return err
}

// linkIn is the part of a path, from group_vars on, that is a symbolic link.
func linkIn(path string) string {
	for p := path; filepath.Base(p) != "group_vars" || p == path; p = filepath.Dir(p) {
		if st, err := os.Lstat(p); err == nil && st.Mode()&os.ModeSymlink != 0 {
			return p
		}
		if p == filepath.Dir(p) {
			return ""
		}
	}
	for p := path; p != filepath.Dir(p); p = filepath.Dir(p) {
		if filepath.Base(p) != "group_vars" {
			continue
		}
		if st, err := os.Lstat(p); err == nil && st.Mode()&os.ModeSymlink != 0 {
			return p
		}
	}
	return ""
}

func (w *writing) assign(a Assignment) error {
	path, err := w.place(a.Variable)
	if err != nil {
		return err
	}
	return w.set(path, a)
}

func (w *writing) set(path string, a Assignment) error {
	f, err := w.file(path)
	if err != nil {
		return err
	}
	if f.Before == nil && f.After == nil {
		if a.empty() {
			return nil
		}
		f.After = []byte("---\n")
	}
	after, err := Set(f.After, a)
	if err != nil {
		var e *EditError
		if errors.As(err, &e) {
			return &placedError{e, path}
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	f.After = after
	return nil
}

// placedError is an EditError with its file.
type placedError struct {
	*EditError
	file string
}

// Error gives "FILE:LINE: TEXT".
func (e *placedError) Error() string {
	return (&FileError{e.file, e.Line, e.Text}).Error()
}

// Unwrap returns the EditError.
func (e *placedError) Unwrap() error { return e.EditError }

// secret writes a vaulted scalar, unless the one that is there decrypts to the same.
func (w *writing) secret(s SecretVariable) error {
	f, err := w.file(w.home)
	if err != nil {
		return err
	}
	root, err := parse(f.Path, f.After)
	if err != nil {
		return err
	}
	if now := value(root, s.Name); now != nil && now.Tag == "!vault" {
		if w.vault.Decrypt == nil {
			return nil // a look does not tell whether it changes
		}
		plain, err := w.vault.Decrypt(w.ctx, f.Path, s.Name)
		if err != nil {
			return err
		}
		if secret.New(plain).Equal(s.Value) {
			return nil
		}
	}
	lines := vaultedLater
	if w.vault.Encrypt != nil {
		if lines, err = w.vault.Encrypt(w.ctx, s.Name, s.Value); err != nil {
			return err
		}
	}
	return w.set(w.home, Assignment{Variable: s.Name, Lines: lines})
}

// leftovers are assignments that take out what bears our mark and is no longer
// wanted: entries of lists and maps, and vaulted scalars.
func (w *writing) leftovers(r Rendering) (all []Assignment) {
	if len(w.vars.Nodes) == 0 {
		return nil
	}
	for _, name := range []string{VarRegistries, VarInsecure, VarMirrors, VarAuth} {
		d := w.vars.Effective(w.vars.Nodes[0], name)
		if d == nil || d.Value == nil {
			continue
		}
		a := Assignment{Variable: name, ListKey: map[string]string{VarMirrors: "prefix", VarAuth: "registry"}[name], Map: name == VarRegistries || name == VarInsecure}
		for _, it := range itemsOf(d.Value) {
			key := it.head
			if !a.Map {
				key = value(it.value, a.ListKey)
			}
			if key != nil && it.ours() && !r.has(name, key.Value) {
				a.Entries = append(a.Entries, Entry{Key: key.Value})
			}
		}
		if len(a.Entries) > 0 {
			all = append(all, a)
		}
	}
	for _, d := range w.vars.Vaulted[w.vars.Nodes[0]] {
		ours := strings.HasPrefix(d.Name, "pullway_auth_") || strings.HasPrefix(d.Name, "pullway_header_")
		if ours && d.File == w.home && !slices.ContainsFunc(r.Secrets, func(s SecretVariable) bool { return s.Name == d.Name }) {
			all = append(all, Assignment{Variable: d.Name})
		}
	}
	return all
}

// has reports whether a rendering sets an entry of a variable.
func (r Rendering) has(variable, key string) bool {
	for _, a := range r.Assignments {
		if a.Variable == variable && slices.ContainsFunc(a.Entries, func(e Entry) bool { return e.Key == key && len(e.Lines) > 0 }) {
			return true
		}
	}
	return false
}

// TargetOf is what the variables are for on these nodes: the containerd that
// Kubespray installs there and its folder. Nodes that differ are an error.
func TargetOf(p Profile, v *Variables) (Target, error) {
	t := Target{ConfigDir: "/etc/containerd", Set: func(name string) bool {
		return len(v.Nodes) > 0 && v.Effective(v.Nodes[0], name) != nil
	}}
	for i, node := range v.Nodes {
		s := &subject{checker: &checker{profile: p, vars: v}, node: node}
		major, dir, manager := s.major(), s.scalar(VarConfigDir, t.ConfigDir), s.scalar(VarManager, "containerd")
		if manager != "containerd" {
			return t, &FileError{Text: fmt.Sprintf("%s is %q for %s: these are containerd's variables", VarManager, manager, node)}
		}
		if i > 0 && (major != t.Major || dir != t.ConfigDir) {
			return t, &DifferError{Variable: VarVersion, One: v.Nodes[0], Other: node}
		}
		t.Major, t.ConfigDir = major, dir
	}
	return t, nil
}
