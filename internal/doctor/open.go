package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// Tree is a node whose files are on this machine.
type Tree struct {
	Name string
	Node Node
}

// Local is where a file of the node is on this machine; "" when it is not here.
func (t Tree) Local(file string) string {
	f, ok := t.Node.Files.(Folder)
	if !ok || file == "" {
		return ""
	}
	here, _ := f.here(path.Clean("/" + file))
	return here
}

// OpenError is a path in which there is nothing to look at.
type OpenError struct{ Text, Tip string }

// Error returns the one line.
func (e *OpenError) Error() string { return e.Text }

// Hint says what to do.
func (e *OpenError) Hint() string { return e.Tip }

// configFiles are where containerd's configuration is in the root of a node, the
// usual one first.
var configFiles = []string{
	containerd.DefaultConfigFile, "/var/lib/rancher/k3s/agent/etc/containerd/config.toml", "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
	"/etc/k0s/containerd.toml", "/var/snap/microk8s/current/args/containerd.toml",
}

// OpenRoot takes dir for the root of a node, such as a mounted disk.
func OpenRoot(dir string) (Tree, error) {
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return Tree{}, &OpenError{dir + " is not a directory", "name the folder that holds etc/containerd"}
	}
	n := Node{Files: Folder{Path: dir, At: "/"}}
	for _, file := range configFiles {
		if _, err := n.Files.Stat(file); err == nil {
			n.ConfigFile = file
			break
		}
	}
	return Tree{named(dir), n}, nil
}

// Open finds out what a path is: a config.toml, a hosts.toml, a host directory, a
// hosts directory, a copy of /etc/containerd, the root of a node, or a folder of
// such folders, one a node. Of the latter passed are those that hold none of these.
func Open(name string) (all []Tree, passed []string, err error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, nil, &OpenError{oneLine(err.Error()), "name a config.toml, a hosts.toml, a copy of /etc/containerd, or a node's root"}
	}
	if !st.IsDir() {
		all, err = openFile(name, st)
		return all, nil, err
	}
	if t, ok := openDir(name); ok {
		return []Tree{t}, nil, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, nil, &OpenError{oneLine(err.Error()), ""}
	}
	for _, e := range entries {
		dir := filepath.Join(name, e.Name())
		if st, err := os.Stat(dir); err == nil && !st.IsDir() {
			continue // a file beside them
		}
		if t, ok := openDir(dir); ok {
			all = append(all, t)
		} else {
			passed = append(passed, dir)
		}
	}
	if len(all) == 0 {
		return nil, nil, &OpenError{name + " holds no containerd configuration", "name a folder with a config.toml or certs.d, a node's root, or a folder of such folders"}
	}
	return all, passed, nil
}

func openFile(name string, st fs.FileInfo) ([]Tree, error) {
	if !st.Mode().IsRegular() {
		return nil, &OpenError{name + " is not a regular file", ""}
	}
	dir := absolute(filepath.Dir(name))
	if st.Name() == hoststoml.FileName {
		return []Tree{{name, hostDirectory(dir)}}, nil
	}
	at := path.Dir(containerd.DefaultConfigFile)
	return []Tree{{name, Node{Files: Folder{Path: dir, At: at}, ConfigFile: path.Join(at, st.Name())}}}, nil
}

// hostDirectory is a node of which one host directory was given.
func hostDirectory(dir string) Node {
	return Node{Files: Folder{Path: filepath.Dir(dir), At: defaultHostsDir}, HostsOnly: true, HostsDir: defaultHostsDir, OnlyHost: filepath.Base(dir)}
}

func openDir(dir string) (Tree, bool) {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	at := path.Dir(containerd.DefaultConfigFile)
	switch {
	case slices.ContainsFunc(configFiles, has) || has("etc/containerd"):
		t, err := OpenRoot(dir)
		return t, err == nil
	case has("config.toml") || has("certs.d"):
		return Tree{named(dir), Node{Files: Folder{Path: dir, At: at}}}, true
	case has(hoststoml.FileName):
		return Tree{named(dir), hostDirectory(absolute(dir))}, true
	}
	found, err := filepath.Glob(filepath.Join(globSafe(dir), "*", hoststoml.FileName))
	if err != nil || len(found) == 0 {
		return Tree{}, false
	}
	// A folder of nodes that are host directories alone is not told from a hosts
	// directory, and need not be.
	return Tree{named(dir), Node{Files: Folder{Path: dir, At: defaultHostsDir}, HostsOnly: true, HostsDir: defaultHostsDir}}, true
}

// globSafe quotes what would be a pattern in a name.
func globSafe(name string) string {
	var out []rune
	for _, r := range name {
		if slices.Contains([]rune(`*?[\`), r) {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

func named(dir string) string {
	if name := filepath.Base(absolute(dir)); name != "/" {
		return name
	}
	return dir
}

// Set gives the trees the release of their containerd.
func Set(trees []Tree, release string) error {
	if release == "" {
		return nil
	}
	rel, err := containerd.ParseRelease(release)
	if err != nil {
		return fmt.Errorf("--containerd-version: %w", err)
	}
	for i := range trees {
		trees[i].Node.Release = rel
	}
	return nil
}
