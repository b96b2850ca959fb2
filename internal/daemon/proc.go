package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxProcFile bounds a file of procfs; a command line may be 2 MiB long.
	maxProcFile = 2 << 20
	// ticksPerSecond is USER_HZ, which the kernel fixes for user space.
	ticksPerSecond = 100
	deletedMark    = " (deleted)"
)

// procfs reads one procfs.
type procfs struct{ root string }

// process is what procfs tells of one.
type process struct {
	pid      int
	exe      string // path without deletedMark
	replaced bool
	argv     []string
	ticks    uint64
	unit     string // systemd unit of its cgroup, "" for none
}

func (p procfs) path(pid int, name string) string {
	return filepath.Join(p.root, strconv.Itoa(pid), name)
}

func (p procfs) read(pid int, name string) ([]byte, error) { return readBounded(p.path(pid, name)) }

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxProcFile))
}

// daemons lists the containerds of this node, sorted by PID. Left out are
// processes of other PID and mount namespaces, such as a containerd inside a
// container of docker or kind: their paths are not this node's. The process main
// counts whatever its namespaces, for systemd runs it; 0 is none.
func (p procfs) daemons(main int) ([]process, error) {
	entries, err := os.ReadDir(p.root)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid <= 0 {
			continue
		}
		// A process may end while we look; then it is none of interest.
		proc, err := p.process(pid)
		if pid == main && errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("containerd (pid %d): %w; it takes root to look at it", pid, err)
		}
		if err == nil && isDaemon(proc) && (pid == main || !p.nested(pid)) {
			found = append(found, proc)
		}
	}
	slices.SortFunc(found, func(a, b process) int { return a.pid - b.pid })
	return found, nil
}

func (p procfs) process(pid int) (process, error) {
	exe, err := os.Readlink(p.path(pid, "exe"))
	if err != nil {
		return process{}, err
	}
	cmdline, err := p.read(pid, "cmdline")
	if err != nil {
		return process{}, err
	}
	ticks, err := p.started(pid)
	if err != nil {
		return process{}, err
	}
	proc := process{pid: pid, argv: splitNul(cmdline), ticks: ticks}
	proc.exe, proc.replaced = strings.CutSuffix(exe, deletedMark)
	if cgroup, err := p.read(pid, "cgroup"); err == nil {
		proc.unit = unitOfCgroup(string(cgroup))
	}
	return proc, nil
}

// isDaemon tells a containerd that serves from its shims, which are other
// binaries, and from its own subcommands, which others run beside it. In k3s and
// rke2 the binary may have another name and be told by its first argument.
func isDaemon(p process) bool {
	if len(p.argv) == 0 {
		return false // a kernel thread or a zombie
	}
	named := filepath.Base(p.exe)
	if named != "containerd" && (filepath.Base(p.argv[0]) != "containerd" || !slices.Contains([]string{"k3s", "rke2"}, named)) {
		return false
	}
	for i := 1; i < len(p.argv); i++ {
		arg := p.argv[i]
		switch {
		case arg == "-v" || arg == "-h" || arg == "--version" || arg == "--help":
			return false
		case !strings.HasPrefix(arg, "-"):
			return false // a subcommand: config, publish, oci-hook
		case !strings.Contains(arg, "="):
			i++ // its value; every other flag of the daemon has one
		}
	}
	return true
}

// nested reports whether a process is of another PID or mount namespace than
// the first process of this procfs. What cannot be read does not count.
func (p procfs) nested(pid int) bool {
	if status, err := p.read(pid, "status"); err == nil {
		for line := range strings.Lines(string(status)) {
			if ids, ok := strings.CutPrefix(line, "NSpid:"); ok && len(strings.Fields(ids)) > 1 {
				return true
			}
		}
	}
	for _, kind := range []string{"ns/pid", "ns/mnt"} {
		theirs, err := os.Readlink(p.path(pid, kind))
		ours, err1 := os.Readlink(p.path(1, kind))
		if err == nil && err1 == nil && theirs != ours {
			return true
		}
	}
	return false
}

// started reads the start time in ticks since boot from stat, whose second
// field, the name, may hold blanks and brackets.
func (p procfs) started(pid int) (uint64, error) {
	stat, err := p.read(pid, "stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const starttime = 22 - 3 // the field's number, less those before the state
	if len(fields) <= starttime {
		return 0, fmt.Errorf("process %d: stat has too few fields", pid)
	}
	return strconv.ParseUint(fields[starttime], 10, 64)
}

// ProcessStart is when a process of this node started, in clock ticks since boot;
// 0 when there is none of that number. Number and start together name a process
// for as long as the machine is up.
func ProcessStart(pid int) uint64 {
	if pid <= 0 {
		return 0
	}
	ticks, err := procfs{"/proc"}.started(pid)
	if err != nil {
		return 0
	}
	return ticks
}

// startTime makes a moment of ticks since boot; zero when the boot is unknown.
func (p procfs) startTime(ticks uint64) time.Time {
	stat, err := readBounded(filepath.Join(p.root, "stat"))
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(stat)) {
		if at, ok := strings.CutPrefix(line, "btime "); ok {
			boot, err := strconv.ParseInt(strings.TrimSpace(at), 10, 64)
			if err != nil {
				return time.Time{}
			}
			return time.Unix(boot, 0).Add(time.Duration(ticks) * (time.Second / ticksPerSecond))
		}
	}
	return time.Time{}
}

// proxyVariables gives the names of the proxy variables of a process.
func (p procfs) proxyVariables(pid int) []string {
	environ, err := p.read(pid, "environ")
	if err != nil {
		return nil
	}
	var names []string
	for _, v := range splitNul(environ) {
		name, _, _ := strings.Cut(v, "=")
		switch strings.ToUpper(name) {
		case "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY":
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func splitNul(b []byte) []string {
	text := strings.TrimRight(string(b), "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// unitOfCgroup finds the innermost service in /proc/PID/cgroup, of cgroup v2 or
// of systemd's own hierarchy in v1.
func unitOfCgroup(text string) string {
	for line := range strings.Lines(text) {
		hierarchy, path, ok := strings.Cut(strings.TrimSpace(line), ":")
		controllers, path, ok2 := strings.Cut(path, ":")
		if !ok || !ok2 || controllers != "name=systemd" && (hierarchy != "0" || controllers != "") {
			continue
		}
		parts := strings.Split(path, "/")
		for _, part := range slices.Backward(parts) {
			if strings.HasSuffix(part, ".service") {
				return part
			}
		}
	}
	return ""
}
