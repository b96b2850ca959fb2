package daemon

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRealContainerd(t *testing.T) {
	binary := os.Getenv("PULLWAY_CONTAINERD")
	if binary == "" {
		t.Skip("NOT RUN against a real containerd: set PULLWAY_CONTAINERD=/path/to/containerd and be root")
	}
	if os.Getuid() != 0 {
		t.Fatal("PULLWAY_CONTAINERD is set, but containerd needs root")
	}
	dir, err := os.MkdirTemp("", "daemon")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	write := func(name, text string) string {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir + "/" + name
	}
	socket := dir + "/c.sock"
	config := write("config.toml", "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.nri.v1.nri\", \"io.containerd.internal.v1.opt\"]\n")
	cmd := exec.Command(binary, "--config", config, "--root", dir+"/root", "--state", dir+"/state", "--address", socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "HTTPS_PROXY=http://192.0.2.1:3128")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }()

	// Just after its start a process has no command line for a moment.
	var d *Daemon
	for range 100 {
		if d, err = Find(t.Context(), Options{Address: socket, Systemd: &fakeSystemd{}}); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	if d.PID != cmd.Process.Pid || d.Args.ConfigFile != config || d.Args.State != dir+"/state" || time.Since(d.Started).Abs() > 5*time.Second ||
		strings.Join(d.ProxyVariables, " ") != "HTTPS_PROXY" || d.Replaced {
		t.Errorf("found %+v", d)
	}
	t.Logf("%s is %s", d.Exe, d.Release)
	check := func(name, text string) Report {
		r, err := d.Check(t.Context(), write(name, text))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %+v", name, r)
		if strings.Contains(r.Error+strings.Join(r.Warnings, ""), "Harbor12345") {
			t.Errorf("%s: a password is shown: %+v", name, r)
		}
		return r
	}
	if r := check("good.toml", "version = 2\n"); !r.OK() || r.Exe == "" {
		t.Errorf("good: %+v", r)
	}
	table := "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\"h\".auth]\n"
	for name, text := range map[string]string{
		"line.toml":  table + "password = \"Harbor12345\nusername = \"x\"\n",
		"word.toml":  table + "password = Harbor12345\n",
		"twice.toml": table + "password = \"Harbor12345\"\npassword = \"Harbor12345\"\n",
	} {
		if r := check(name, text); r.OK() || r.Row < 3 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for name, text := range map[string]string{
		"array.toml":  table + "password = [\"Harbor12345\"]\n",
		"number.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nmax_concurrent_downloads = \"Harbor12345\"\n",
		"bool.toml":   "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nenable_selinux = \"Harbor12345\"\n",
		"time.toml":   "version = 2\n[timeouts]\n\"io.containerd.timeout.shim.load\" = \"Harbor12345\"\n[plugins.\"io.containerd.gc.v1.scheduler\"]\nschedule_delay = \"Harbor12345\"\n",
	} {
		check(name, text)
	}
	if _, err := Find(t.Context(), Options{Address: dir + "/other.sock", Systemd: &fakeSystemd{}}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another socket: %v", err)
	}
}
