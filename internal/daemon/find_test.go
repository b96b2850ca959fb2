package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/containerd"
)

func TestFind(t *testing.T) {
	plain := plainUnit()
	stopped := plain
	stopped.MainPID, stopped.ActiveState, stopped.SubState = 0, "inactive", "dead"
	stopped.ExecStart = []string{"/usr/bin/containerd", "-c", "/etc/containerd/other.toml"}
	failed := stopped
	failed.ActiveState, failed.SubState = "activating", "auto-restart"
	k3s := Unit{Name: "k3s.service", MainPID: 700, ActiveState: "active"}
	wrapped := plain
	wrapped.MainPID = 600

	for name, c := range map[string]struct {
		reason  string
		proc    string
		units   []Unit
		systemd error
		address string
		pid     int
		exe     string
		unit    string
		config  string
		several []int
		none    bool
	}{
		"unit":            {reason: "the main process of the unit, and none of a container, of a shim or of a subcommand", proc: "plain", units: []Unit{plain}, pid: 612, exe: "/usr/bin/containerd", unit: unitName},
		"no-systemd":      {reason: "procfs alone finds the same one, its cgroup names the unit", proc: "plain", pid: 612, exe: "/usr/bin/containerd", unit: unitName},
		"systemd-mute":    {reason: "a systemd that does not answer stops no look", proc: "plain", systemd: errors.New("boom"), pid: 612, exe: "/usr/bin/containerd", unit: unitName},
		"stopped":         {reason: "the unit exists and does not run", proc: "none", units: []Unit{stopped}, pid: 0, exe: "/usr/bin/containerd", unit: unitName, config: "/etc/containerd/other.toml"},
		"restart-loop":    {reason: "the unit fails to start over and over", proc: "none", units: []Unit{failed}, pid: 0, exe: "/usr/bin/containerd", unit: unitName, config: "/etc/containerd/other.toml"},
		"k3s":             {reason: "an embedded one is found, so that it can be refused", proc: "k3s", units: []Unit{k3s}, pid: 777, exe: "/var/lib/rancher/k3s/data/0123/bin/k3s", unit: "k3s.service", config: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"},
		"k3s-and-stopped": {reason: "a unit that nobody starts does not hide what runs", proc: "k3s", units: []Unit{k3s, stopped}, pid: 777, exe: "/var/lib/rancher/k3s/data/0123/bin/k3s", unit: "k3s.service", config: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"},
		"k3s-and-failed":  {reason: "a unit that should run and fails is not passed over", proc: "k3s", units: []Unit{k3s, failed}, several: []int{777, 0}},
		"docker":          {reason: "docker's own one when there is no other", proc: "docker", pid: 800, exe: "/usr/bin/containerd", unit: "docker.service", config: "/var/run/docker/containerd/containerd.toml"},
		"docker-beside":   {reason: "docker's own one does not count beside another", proc: "docker-and-plain", units: []Unit{plain}, pid: 612, exe: "/usr/bin/containerd", unit: unitName},
		"several":         {reason: "no guess between two", proc: "several", units: []Unit{plain, k3s}, several: []int{612, 777}},
		"several-address": {reason: "the socket decides", proc: "several", units: []Unit{plain, k3s}, address: "unix:///run/k3s/containerd/containerd.sock", pid: 777, exe: "/var/lib/rancher/k3s/data/0123/bin/k3s", unit: "k3s.service", config: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"},
		"wrapped":         {reason: "the main process of the unit is a script", proc: "wrapped", units: []Unit{wrapped}, pid: 612, exe: "/usr/bin/containerd", unit: unitName},
		"upgraded":        {reason: "the old binary still runs", proc: "upgraded", pid: 612, exe: "/usr/bin/containerd", unit: unitName},
		"none":            {reason: "another runtime", proc: "none", none: true},
		"none-there":      {reason: "no daemon has this socket", proc: "plain", units: []Unit{plain}, address: "/run/other.sock", none: true},
	} {
		t.Run(name, func(t *testing.T) {
			systemd := &fakeSystemd{units: map[string]Unit{}, err: c.systemd}
			for _, u := range c.units {
				systemd.units[u.Name] = u
			}
			run := version("1.6.20~ds1")
			d, err := Find(t.Context(), Options{Proc: fakeProc(t, c.proc), Systemd: systemd, Run: run.run, Address: c.address})
			if several, ok := errors.AsType[*SeveralError](err); ok || c.several != nil {
				if !ok {
					t.Fatalf("%s: got %+v, %v; want several", c.reason, d, err)
				}
				var pids []int
				for _, f := range several.Found {
					pids = append(pids, f.PID)
				}
				if diff := cmp.Diff(c.several, pids); diff != "" || strings.Contains(err.Error(), "\n") || several.Hint == "" {
					t.Errorf("%s: %s\n%v", c.reason, diff, err)
				}
				return
			}
			if c.none {
				nf, ok := errors.AsType[*NotFoundError](err)
				if !errors.Is(err, ErrNotFound) || !ok || nf.Hint == "" {
					t.Errorf("%s: got %+v, %v; want ErrNotFound", c.reason, d, err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", c.reason, err)
			}
			if d.PID != c.pid || d.Exe != c.exe || d.Unit.Name != c.unit || c.config != "" && d.Args.ConfigFile != c.config {
				t.Errorf("%s: got %+v", c.reason, d)
			}
			if d.Replaced != (c.proc == "upgraded") {
				t.Errorf("%s: Replaced is %v", c.reason, d.Replaced)
			}
			if want := (containerd.Release{Major: 1, Minor: 6, Patch: 20, Suffix: "~ds1"}); d.Release != want {
				t.Errorf("%s: release %+v, want %+v", c.reason, d.Release, want)
			}
		})
	}
}

func TestFindReadsTheProcess(t *testing.T) {
	proc := fakeProc(t, "plain")
	run := version("v2.4.2+unknown")
	d, err := Find(t.Context(), Options{Proc: proc, Systemd: &fakeSystemd{units: map[string]Unit{unitName: plainUnit()}}, Run: run.run})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plainUnit(), d.Unit); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"HTTPS_PROXY", "no_proxy"}, d.ProxyVariables); diff != "" {
		t.Errorf("names only, sorted: %s", diff)
	}
	if want := time.Unix(1700000025, 120_000_000); !d.Started.Equal(want) {
		t.Errorf("started %s, want %s: btime and 2512 ticks", d.Started, want)
	}
	// The binary that runs is asked, by the name under which it runs.
	want := []Command{{Path: proc + "/612/exe", Argv: []string{"/usr/bin/containerd", "--version"}}}
	if diff := cmp.Diff(want, run.ran); diff != "" {
		t.Error(diff)
	}
	if d.Address() != "/run/containerd/containerd.sock" {
		t.Errorf("address %q", d.Address())
	}
}

func TestFindWithoutRelease(t *testing.T) {
	for name, run := range map[string]*fakeRun{
		"does-not-start": {err: errors.New("exec format error")},
		"says-nothing":   {},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Find(t.Context(), Options{Proc: fakeProc(t, "plain"), Systemd: &fakeSystemd{}, Run: run.run})
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "/usr/bin/containerd") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUnitOfCgroup(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/containerd.service\n":                                           "containerd.service",
		"0::/system.slice/k3s.service/init\n":                                             "k3s.service",
		"12:pids:/system.slice/x.service\n1:name=systemd:/system.slice/y.service\n0::/\n": "y.service",
		"0::/user.slice/user-0.slice/session-3.scope\n":                                   "",
		"garbage": "", "": "", "0:": "", "0::": "",
	} {
		if got := unitOfCgroup(text); got != want {
			t.Errorf("unitOfCgroup(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestOneself(t *testing.T) {
	// The real procfs of this process must be readable by the same code.
	p, err := procfs{"/proc"}.process(1)
	if err != nil {
		t.Skip("NOT RUN: the first process cannot be read without root: ", err)
	}
	if p.ticks == 0 && len(p.argv) == 0 {
		t.Errorf("first process: %+v", p)
	}
	if (procfs{"/proc"}).nested(1) {
		t.Error("the first process is not nested in itself")
	}
	if at := (procfs{"/proc"}).startTime(p.ticks); time.Since(at) < 0 || at.IsZero() {
		t.Errorf("first process started at %s", at)
	}
}
