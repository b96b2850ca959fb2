package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzDeadMan: whatever path and words it is to start, the unit for the next boot
// has one ExecStart of exactly these, or nothing is armed.
func FuzzDeadMan(f *testing.F) {
	f.Add("/var/lib/pullway/engine/pullway-node-00", "recover", "--if-silent=30s", int64(15*time.Second))
	f.Add("/x\nExecStartPre=/bin/evil", "a", "b", int64(0))
	f.Add("/x", "%h", "$HOME", int64(-1))
	f.Add("/x ", "a b", "\"", int64(1))
	f.Add("x", "", ";", int64(time.Hour))
	f.Fuzz(func(t *testing.T, program, one, two string, every int64) {
		dir := t.TempDir()
		var argvs [][]string
		d := DeadMan{Program: program, Args: []string{one, two}, Every: time.Duration(every), Dir: dir,
			Run: func(_ context.Context, c Command) (Output, error) {
				argvs = append(argvs, c.Argv)
				return Output{}, nil
			}}
		err := d.Arm(t.Context())
		text, readErr := os.ReadFile(filepath.Join(dir, bootUnit))
		if err != nil {
			if readErr == nil {
				t.Fatalf("%v, and a unit is there: %q", err, text)
			}
			return
		}
		var starts []string
		for _, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "Exec") {
				starts = append(starts, line)
			}
		}
		if len(starts) != 1 || starts[0] != "ExecStart="+program+" "+one+" "+two || strings.ContainsAny(starts[0], "%$;\"'\\\r\x00") || len(strings.Fields(starts[0])) != 3 {
			t.Fatalf("%q", text)
		}
		last := argvs[len(argvs)-1]
		if last[len(last)-3] != program || last[len(last)-1] != two || strings.HasPrefix(program, "-") {
			t.Fatalf("%q", last)
		}
	})
}

// FuzzProc: what /proc says of a process is another's text (its name and argument
// list); what is made of it is bounded and never a wrong start time by a name with
// brackets in it.
func FuzzProc(f *testing.F) {
	stat := "612 (containerd) S 1 612 612 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 1234 1 2\n"
	f.Add([]byte(stat), []byte("/usr/bin/containerd\x00--config\x00/etc/x\x00"), []byte("0::/system.slice/containerd.service\n"))
	f.Add([]byte("612 (a) S) (b)) S 1"+strings.Repeat(" 0", 17)+" 99\n"), []byte("\x00\x00"), []byte("1:name=systemd:/a.service/b\n"))
	f.Add([]byte("\xff"), []byte("containerd\x00\x1b[2J\n"), []byte(strings.Repeat(":", 100)))
	f.Fuzz(func(t *testing.T, stat, cmdline, cgroup []byte) {
		root := t.TempDir()
		dir := filepath.Join(root, "612")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{"stat": stat, "cmdline": cmdline, "cgroup": cgroup, "environ": cmdline, "status": cgroup} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("/usr/bin/containerd", filepath.Join(dir, "exe")); err != nil {
			t.Fatal(err)
		}
		p := procfs{root: root}
		proc, err := p.process(612)
		if err != nil {
			return
		}
		if strings.ContainsRune(strings.Join(proc.argv, ""), 0) || strings.ContainsAny(proc.unit, "/\n") {
			t.Fatalf("%+v", proc)
		}
		_ = isDaemon(proc)
		_ = p.nested(612)
		for _, name := range p.proxyVariables(612) {
			if strings.ContainsAny(name, "=\n") || len(name) > 11 {
				t.Fatalf("%q", name)
			}
		}
		var d Daemon
		d.fill(p, proc)
	})
}
