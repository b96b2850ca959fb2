package plan

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// DefaultHostsDir is the hosts directory that is set where none is yet.
const DefaultHostsDir = "/etc/containerd/certs.d"

// Observed is what a node has. internal/node reads it; nothing here does.
type Observed struct {
	Hostname string
	// Running is false when containerd's unit exists and does not run.
	Running bool
	// Healthy is CRI's own word, and Health the reason against it.
	Healthy bool
	Health  string
	// Stopped tells that the unit is there and at rest: not failed, not starting.
	// Somebody stopped it or never started it.
	Stopped bool
	Release containerd.Release
	// Distribution says whose containerd it is and whether its files may be edited.
	Distribution   containerd.Distribution
	Unit, KillMode string
	ConfigFile     string
	// Started is when the daemon started; it has not read what changed later.
	Started time.Time
	// ConfigTimes are the modification times of the files of Tree, by path.
	ConfigTimes map[string]time.Time
	// ConfigModes are their permission bits, by path.
	ConfigModes map[string]uint32
	// ConfigLinks are those of them that are symbolic links, with their targets.
	ConfigLinks map[string]string
	Tree        *configtoml.Tree
	// Loaded is what CRI says that it runs on; nil where it does not tell.
	Loaded *Loaded
	// Exposed are those of HostsDir and the files of Tree that others than root can
	// put something else in the place of, with the reason.
	Exposed map[string]string
	// HostsDir is HostsDir(Tree, Manifest), and Hosts what is in it, sorted by name.
	HostsDir string
	Hosts    []HostDir
	// Elsewhere is what is in other hosts directories that files of ours are in.
	Elsewhere map[string][]HostDir
	// ShadowedDirs are further directories of a colon-separated config_path that
	// hold host directories.
	ShadowedDirs []string
	// Manifest is what Pullway wrote earlier.
	Manifest Manifest
}

// HostDir is one entry of the hosts directory.
type HostDir struct {
	Name string
	// Kind is "dir", or what stands there instead: "file", "link" or "other".
	Kind string
	// Link is what a link names.
	Link  string
	Files []HostFile
	// Folders are the names of folders in it, which no host directory has.
	Folders []string
}

// HostFile is one file of a host directory.
type HostFile struct {
	Name string
	Mode uint32
	// Data is nil for what is no regular file.
	Data []byte
	// Link is what a link names.
	Link string
	// Owner is "uid 1000, gid 1000" for a file that does not belong to the engine's
	// own user, and empty for one that does.
	Owner string
}

func (d HostDir) file(name string) *HostFile {
	for i := range d.Files {
		if d.Files[i].Name == name {
			return &d.Files[i]
		}
	}
	return nil
}

// Manifest lists what Pullway owns on a node.
type Manifest struct {
	// Files as we wrote them, sorted by path.
	Files []Owned `json:"files,omitempty"`
	// Config are the files of containerd's configuration that we changed, as we left
	// them, sorted by path. They are shared with others. Engines before this field
	// left none.
	Config []OwnedConfig `json:"config,omitempty"`
	// CRIAuth are the hosts whose registry.configs.HOST.auth we wrote.
	CRIAuth []string `json:"criAuth,omitempty"`
	// CRIAuthSums are keyed hashes of those credentials, by host.
	CRIAuthSums map[string]string `json:"criAuthSums,omitempty"`
	// Name of the configuration that was applied last.
	Name string `json:"name,omitempty"`
}

// Owned is one file of ours as we wrote it.
type Owned struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Mode   uint32 `json:"mode"`
	// Migrated files hold what stood in config.toml before; they are not in the
	// spec and stay until a rollback.
	Migrated bool `json:"migrated,omitempty"`
}

// OwnedConfig is one file of containerd's configuration as we left it.
type OwnedConfig struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Mode   uint32 `json:"mode"`
	// Writer whose marks the file had then; empty for none.
	Writer string `json:"writer,omitempty"`
}

// hostsDirs are the hosts directories that files of ours are in.
func (m Manifest) hostsDirs() (dirs []string) {
	for _, f := range m.Files {
		if dir := filepath.Dir(filepath.Dir(f.Path)); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func (m Manifest) file(path string) *Owned {
	for i := range m.Files {
		if m.Files[i].Path == path {
			return &m.Files[i]
		}
	}
	return nil
}

// HostsDir is the one hosts directory that a node uses or shall use: the one that
// our files are in, else the first of config_path, or DefaultHostsDir where none
// is set. What we wrote stays the measure when somebody changes config_path.
func HostsDir(t *configtoml.Tree, m Manifest) string {
	dirs := configPathDirs(t)
	ours := m.hostsDirs()
	for _, d := range dirs {
		if slices.Contains(ours, filepath.Clean(d)) {
			return d
		}
	}
	switch {
	case len(ours) > 0:
		return ours[0]
	case len(dirs) > 0:
		return dirs[0]
	}
	return DefaultHostsDir
}

// FurtherDirs are the directories of config_path that are not hostsDir.
func FurtherDirs(t *configtoml.Tree, hostsDir string) []string {
	return slices.DeleteFunc(configPathDirs(t), func(d string) bool { return filepath.Clean(d) == filepath.Clean(hostsDir) })
}

// OtherHostsDirs are hosts directories with files of ours beside hostsDir.
func OtherHostsDirs(m Manifest, hostsDir string) []string {
	return slices.DeleteFunc(m.hostsDirs(), func(d string) bool { return d == hostsDir })
}

// configPathDirs are the directories of config_path, in its order.
func configPathDirs(t *configtoml.Tree) (dirs []string) {
	for d := range strings.SplitSeq(t.Registry().ConfigPath, ":") {
		if d != "" {
			dirs = append(dirs, d)
		}
	}
	return dirs
}
