package plan

import (
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
	// HostsDir is HostsDir(Tree), and Hosts what is in it, sorted by name.
	HostsDir string
	Hosts    []HostDir
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
	Kind  string
	Files []HostFile
	// Nested tells that it holds folders, which no host directory does.
	Nested bool
}

// HostFile is one file of a host directory.
type HostFile struct {
	Name string
	Mode uint32
	// Data is nil for what is no regular file.
	Data []byte
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
	// CRIAuth are the hosts whose registry.configs.HOST.auth we wrote.
	CRIAuth []string `json:"criAuth,omitempty"`
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

func (m Manifest) file(path string) *Owned {
	for i := range m.Files {
		if m.Files[i].Path == path {
			return &m.Files[i]
		}
	}
	return nil
}

// HostsDir is the one hosts directory that a node uses or shall use: the first
// of config_path, or DefaultHostsDir where none is set.
func HostsDir(t *configtoml.Tree) string {
	path := t.Registry().ConfigPath
	first, _, _ := strings.Cut(path, ":")
	if first == "" {
		return DefaultHostsDir
	}
	return first
}

// FurtherDirs are the directories after the first of a colon-separated config_path.
func FurtherDirs(t *configtoml.Tree) []string {
	_, rest, found := strings.Cut(t.Registry().ConfigPath, ":")
	if !found {
		return nil
	}
	var dirs []string
	for d := range strings.SplitSeq(rest, ":") {
		if d != "" {
			dirs = append(dirs, d)
		}
	}
	return dirs
}
