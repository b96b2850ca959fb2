package lab

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Containers are accounted for in groups of their own, which runc makes below the group that
// the node's init is in. For the groups to be found again, and gone with the lab, a node that
// runs containers is in one of the lab's in each hierarchy of controllers, too.

// controllers are the folders, in each hierarchy of the older layout that has controllers,
// of the group that this process is in; the lab's groups go below it, since somebody may
// have put this process there for a reason. selfCgroup is what /proc/self/cgroup holds.
func controllers(selfCgroup string) []string {
	var out []string
	for line := range strings.Lines(selfCgroup) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && f[1] != "" && !strings.HasPrefix(f[1], "name=") {
			out = append(out, filepath.Join("/sys/fs/cgroup", f[1], f[2]))
		}
	}
	return out
}

// account makes the group in the hierarchies of controllers and adds the files by which it
// is joined. On the unified layout it is the same group, given the controllers.
func (g group) account(procs []string) ([]string, error) {
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	for _, h := range hierarchies() {
		if err := delegate(filepath.Join(h, filepath.Dir(string(g)))); err != nil {
			return nil, err
		}
	}
	for _, own := range controllers(string(self)) {
		if !exists(filepath.Join(own, "cgroup.procs")) {
			continue // known to the kernel, mounted nowhere
		}
		dir := own
		for _, elem := range strings.Split(string(g), "/") {
			parent := dir
			dir = filepath.Join(dir, elem)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, err
			}
			if err := inheritCPUs(parent, dir); err != nil {
				return nil, err
			}
		}
		procs = append(procs, filepath.Join(dir, "cgroup.procs"))
	}
	return procs, nil
}

// inheritCPUs lets a new group of the cpuset hierarchy be joined: it has no CPUs at first.
func inheritCPUs(parent, dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		b, err := os.ReadFile(filepath.Join(parent, name))
		if os.IsNotExist(err) {
			return nil // another hierarchy
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// delegate gives the groups below dir, of the unified layout, the controllers that dir has.
func delegate(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(b)) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// accounting are the group's folders in the hierarchies of controllers, wherever the process
// that made them was. Groups have a name that nobody else uses.
func (g group) accounting() []string {
	var out []string
	mounts, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs") // the pattern is sound
	for _, m := range mounts {
		_ = filepath.WalkDir(filepath.Dir(m), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || !d.IsDir():
				return nil // groups come and go while they are walked
			case strings.HasSuffix(path, "/"+string(g)):
				out = append(out, path)
				return fs.SkipDir
			}
			return nil
		})
	}
	return out
}
