package lab

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Everything that a lab starts is in control groups below one of its own. That
// is the record that survives whoever started it: whatever is in there is the
// lab's, and is ended by its process id. The nodes need the groups as well: two
// systemd-nspawn in one control group would share the payload's.

// hierarchies are the mounts in which the groups are made: the unified one, and on
// machines with the older layout the one that systemd names.
func hierarchies() []string {
	const top = "/sys/fs/cgroup"
	var st unix.Statfs_t
	if unix.Statfs(top, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		return []string{top}
	}
	var out []string
	for _, name := range []string{"systemd", "unified"} {
		if _, err := os.Stat(filepath.Join(top, name, "cgroup.procs")); err == nil {
			out = append(out, filepath.Join(top, name))
		}
	}
	return out
}

// group is a control group, by its path below each hierarchy.
type group string

func labGroup(id string) group { return group("pullway-lab-" + id) }

// tops are the group's folders, whether they are there or not.
func (g group) tops() []string {
	var out []string
	for _, h := range hierarchies() {
		out = append(out, filepath.Join(h, string(g)))
	}
	return out
}

func (g group) child(name string) group { return g + "/" + group(name) }

// create makes the group and gives the files that a process writes its id to.
func (g group) create() ([]string, error) {
	var files []string
	for _, dir := range g.tops() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		files = append(files, filepath.Join(dir, "cgroup.procs"))
	}
	if len(files) == 0 {
		return nil, errors.New("no cgroup hierarchy at /sys/fs/cgroup that systemd-nspawn could use")
	}
	return files, nil
}

// processes are the ids in the group and below it, this process left out.
func (g group) processes() []int {
	var pids []int
	for _, top := range g.tops() {
		_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.Name() != "cgroup.procs" {
				return nil // groups come and go while they are walked
			}
			b, _ := os.ReadFile(path)
			for _, f := range strings.Fields(string(b)) {
				// 0 is a process of another pid namespace, which cannot be ours.
				if pid, err := strconv.Atoi(f); err == nil && pid > 0 && pid != os.Getpid() {
					pids = append(pids, pid)
				}
			}
			return nil
		})
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// end kills every process of the group and waits until none is left, then
// removes the group. An absent group is an ended one.
func (g group) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return until(ctx, 10*time.Millisecond, func() (bool, error) {
		pids := g.processes()
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
				return false, err
			}
		}
		return len(pids) == 0 && g.remove(), nil
	})
}

// remove tells whether nothing of the group is left.
func (g group) remove() bool {
	clean := true
	for _, top := range append(g.tops(), g.accounting()...) {
		var dirs []string
		_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		slices.Reverse(dirs)
		for _, d := range dirs {
			if err := os.Remove(d); err != nil && !os.IsNotExist(err) {
				clean = false
			}
		}
	}
	return clean
}
