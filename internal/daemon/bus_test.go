package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`

// fakeManager answers as systemd's manager does, on a bus of its own.
type fakeManager struct {
	conn   *dbus.Conn
	result atomic.Value // string; "" never ends the job
	calls  chan string
	// taken: the next transient unit exists; gone: what is to be stopped does not.
	taken, gone atomic.Bool
}

const jobPath = dbus.ObjectPath("/org/freedesktop/systemd1/job/17")

func (m *fakeManager) ResetFailedUnit(name string) *dbus.Error {
	m.calls <- "reset " + name
	return nil
}

func (m *fakeManager) RestartUnit(name, mode string) (dbus.ObjectPath, *dbus.Error) {
	m.calls <- "restart " + name + " " + mode
	if name == "absent.service" {
		return "", dbus.NewError("org.freedesktop.systemd1.NoSuchUnit", []any{"Unit absent.service\nnot found."})
	}
	m.end(name)
	return jobPath, nil
}

// end tells the end of a job a moment later.
func (m *fakeManager) end(name string) {
	if result := m.result.Load().(string); result != "" {
		go func() {
			time.Sleep(20 * time.Millisecond)
			_ = m.conn.Emit("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager.JobRemoved", uint32(17), jobPath, name, result)
		}()
	}
}

// command is one entry of ExecStart: a(sasbttttuii).
type command struct {
	Path       string
	Argv       []string
	Ignore     bool
	A, B, C, D uint64
	PID        uint32
	Code       int32
	Status     int32
}

type fakeProperties map[string]dbus.Variant

func (p fakeProperties) Get(_, name string) (dbus.Variant, *dbus.Error) {
	if v, ok := p[name]; ok {
		return v, nil
	}
	return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", []any{"no " + name})
}

// newBus starts a message bus with a fake systemd on it.
func newBus(t *testing.T) (*fakeManager, bus) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("NOT RUN: D-Bus is tested only where there is dbus-daemon: ", err)
	}
	dir := t.TempDir()
	socket, config := filepath.Join(dir, "bus"), filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config-file="+config, "--nofork", "--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := out.Read(make([]byte, 256)); err != nil {
		t.Fatal(err) // it prints its address once it listens
	}
	address := "unix:path=" + socket
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	m := &fakeManager{conn: conn, calls: make(chan string, 10)}
	m.result.Store("done")
	properties := fakeProperties{
		"LoadState": dbus.MakeVariant("loaded"), "KillMode": dbus.MakeVariant("process"), "Delegate": dbus.MakeVariant(true),
		"ActiveState": dbus.MakeVariant("active"), "SubState": dbus.MakeVariant("running"),
		"FragmentPath": dbus.MakeVariant("/lib/systemd/system/containerd.service"), "MainPID": dbus.MakeVariant(uint32(612)),
		"ExecStart": dbus.MakeVariant([]command{{Path: "/usr/bin/containerd", Argv: []string{"/usr/bin/containerd"}}}),
	}
	absent := fakeProperties{"LoadState": dbus.MakeVariant("not-found")}
	for _, err := range []error{
		conn.Export(m, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"),
		conn.Export(properties, dbus.ObjectPath("/org/freedesktop/systemd1/unit/"+systemd.PathBusEscape(unitName)), "org.freedesktop.DBus.Properties"),
		conn.Export(absent, dbus.ObjectPath("/org/freedesktop/systemd1/unit/"+systemd.PathBusEscape("absent.service")), "org.freedesktop.DBus.Properties"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	link := &Bus{connect: func(ctx context.Context) (*systemd.Conn, error) {
		return systemd.NewConnection(func() (*dbus.Conn, error) { return dbus.Connect(address, dbus.WithContext(ctx)) })
	}}
	t.Cleanup(link.Close)
	return m, bus{booted: func() bool { return true }, link: link}
}

func TestBus(t *testing.T) {
	m, b := newBus(t)
	got, err := b.Unit(t.Context(), unitName)
	if diff := cmp.Diff(plainUnit(), got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if u, err := b.Unit(t.Context(), "absent.service"); !errors.Is(err, ErrNoUnit) {
		t.Errorf("absent: %+v, %v", u, err)
	}
	if err := b.Restart(t.Context(), unitName); err != nil {
		t.Error(err)
	}
	if a, b := <-m.calls, <-m.calls; a != "reset containerd.service" || b != "restart containerd.service replace" {
		t.Errorf("called %q, %q", a, b)
	}
	m.result.Store("failed")
	if err := b.Restart(t.Context(), unitName); err == nil || !strings.Contains(err.Error(), `the job ended as "failed"`) {
		t.Errorf("failed job: %v", err)
	}
	if err := b.Restart(t.Context(), "absent.service"); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("absent: %v", err)
	}
	m.result.Store("")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Restart(ctx, unitName); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a job that never ends: %v", err)
	}
}

func TestBusIsKept(t *testing.T) {
	_, b := newBus(t)
	first, done, err := b.link.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done()
	ctx, cancel := context.WithCancel(t.Context())
	again, _, err := b.link.open(ctx)
	cancel()
	if err != nil || again != first || !first.Connected() {
		t.Errorf("asked twice: %v, the same %v", err, again == first)
	}
	first.Close()
	if again, _, err = b.link.open(t.Context()); err != nil || again == first || !again.Connected() {
		t.Errorf("after systemd hung up: %v, the same %v", err, again == first)
	}
}

func TestBusFallsBack(t *testing.T) {
	run := &fakeRun{out: Output{Stdout: []byte(shown)}}
	b := bus{run: run.run, booted: func() bool { return true }, link: &Bus{connect: func(context.Context) (*systemd.Conn, error) { return nil, errors.New("no bus") }}}
	if u, err := b.Unit(t.Context(), unitName); err != nil || u.MainPID != 612 {
		t.Errorf("got %+v, %v", u, err)
	}
	if err := b.Restart(t.Context(), unitName); err != nil || strings.Join(run.ran[len(run.ran)-1].Argv, " ") != "systemctl restart -- containerd.service" {
		t.Errorf("got %v, ran %+v", err, run.ran)
	}
	b.booted = func() bool { return false }
	if _, err := b.Unit(t.Context(), unitName); !errors.Is(err, ErrNoUnit) {
		t.Errorf("without systemd: %v", err)
	}
}
