package plan

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Loaded is what CRI says that it runs on, whatever its files say by now.
type Loaded struct {
	// ConfigPath is its registry.config_path; empty for none.
	ConfigPath string `json:"configPath"`
}

// NotLoaded tells that containerd does not run on its files, or may not.
type NotLoaded struct {
	// Files that were changed after containerd started, with the time; none when CRI
	// runs on something else although no file is newer, as after cp -p.
	Files []LateFile `json:"files,omitempty"`
	// Started is when containerd started.
	Started time.Time `json:"started"`
	// Certain is true when CRI says that it runs on another config_path than the
	// files have; otherwise only the times speak, and what changed may not matter.
	Certain bool `json:"certain"`
	// RunsOn is the config_path that CRI says it runs on; absent where containerd
	// does not tell (2.x). Says is the one of the files.
	RunsOn *string `json:"runsOn,omitempty"`
	Says   string  `json:"says"`
}

// LateFile is a file of the configuration that is newer than the daemon.
type LateFile struct {
	Path    string    `json:"path"`
	Changed time.Time `json:"changed"`
}

// NotLoadedOf compares the files of the configuration with what containerd runs
// on: by CRI's own word where it gives one, else by their times. nil says that
// nothing speaks against their being loaded.
func NotLoadedOf(o Observed) *NotLoaded {
	late := o.unread()
	if !o.Running || len(late) == 0 && !o.runsOnElse() {
		return nil
	}
	n := &NotLoaded{Started: o.Started.UTC(), Certain: o.runsOnElse(), Says: o.Tree.Registry().ConfigPath}
	for _, path := range late {
		n.Files = append(n.Files, LateFile{path, o.ConfigTimes[path].UTC()})
	}
	if o.Loaded != nil {
		path := o.Loaded.ConfigPath
		n.RunsOn = &path
	}
	return n
}

// runsOnElse reports whether CRI says that it runs on another config_path than the
// files have.
func (o *Observed) runsOnElse() bool {
	return o.Running && o.Loaded != nil && !slices.Equal(split(o.Loaded.ConfigPath), split(o.Tree.Registry().ConfigPath))
}

// split is a config_path as its folders.
func split(configPath string) (dirs []string) {
	for d := range strings.SplitSeq(configPath, ":") {
		if d != "" {
			dirs = append(dirs, filepath.Clean(d))
		}
	}
	return dirs
}

// readNow are the hosts directories that pulls consult at this moment: those that
// CRI runs on where it tells, else those of the files.
func (o *Observed) readNow() []string {
	if o.Running && o.runsOnElse() {
		return split(o.Loaded.ConfigPath)
	}
	return o.Tree.Registry().HostsDirs
}

// readsHostsDir reports whether pulls consult HostsDir at this moment.
func (o *Observed) readsHostsDir() bool {
	return slices.ContainsFunc(o.readNow(), func(d string) bool { return filepath.Clean(d) == filepath.Clean(o.HostsDir) })
}

// NotLoadedReasons say why containerd may run on other settings than its files have.
func NotLoadedReasons(o Observed) []string { return o.notLoadedReasons() }

// notLoadedReasons say why containerd has to restart to run on its files.
func (o *Observed) notLoadedReasons() (reasons []string) {
	n := NotLoadedOf(*o)
	if n == nil {
		return nil
	}
	for _, f := range n.Files {
		reasons = append(reasons, fmt.Sprintf("%s was changed at %s, and containerd has run since %s without reading it",
			f.Path, f.Changed.Format(time.DateTime), n.Started.Format(time.DateTime)))
	}
	if n.Certain {
		reasons = append(reasons, fmt.Sprintf("CRI runs on config_path %q, and the files say %q", *n.RunsOn, n.Says))
	}
	return reasons
}
