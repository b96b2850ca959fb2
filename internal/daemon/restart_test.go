package daemon

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRestart(t *testing.T) {
	k3s := Unit{Name: "k3s.service", MainPID: 700}
	for name, c := range map[string]struct {
		reason  string
		proc    string
		unit    Unit
		fails   error
		refused bool
		failed  bool
		units   []string
	}{
		"plain":   {"", "plain", plainUnit(), nil, false, false, []string{unitName}},
		"fails":   {"systemd's word comes back", "plain", plainUnit(), errors.New(`restart containerd.service: the job ended as "failed"`), false, true, []string{unitName}},
		"k3s":     {"a restart of k3s would restart kubelet and the API server", "k3s", k3s, nil, true, true, nil},
		"no-unit": {"nobody to ask", "k3s", Unit{}, nil, true, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			systemd := &fakeSystemd{units: map[string]Unit{c.unit.Name: c.unit}, restart: c.fails}
			d, err := Find(t.Context(), Options{Proc: fakeProc(t, c.proc), Systemd: systemd, Run: version("2.4.2").run})
			if err != nil {
				t.Fatal(err)
			}
			d.Unit = c.unit
			err = d.Restart(t.Context())
			re, ok := errors.AsType[*RestartError](err)
			if ok != c.failed || ok && (re.Refused != c.refused || re.Hint == "") {
				t.Errorf("%s: got %v", c.reason, err)
			}
			if diff := cmp.Diff(c.units, systemd.restarted); diff != "" {
				t.Errorf("%s: %s", c.reason, diff)
			}
		})
	}
}

func TestNeverKubelet(t *testing.T) {
	systemd := &fakeSystemd{}
	d := &Daemon{PID: 5, Unit: Unit{Name: "kubelet.service", MainPID: 5}, opt: Options{Systemd: systemd}}
	if err := d.Restart(t.Context()); err == nil || len(systemd.restarted) != 0 {
		t.Errorf("kubelet was restarted: %v, %q", err, systemd.restarted)
	}
}

func TestRefresh(t *testing.T) {
	systemd := &fakeSystemd{units: map[string]Unit{unitName: plainUnit()}}
	d, err := Find(t.Context(), Options{Proc: fakeProc(t, "plain"), Systemd: systemd, Run: version("1.6.20").run})
	if err != nil {
		t.Fatal(err)
	}
	was := d.Started

	after := plainUnit()
	after.MainPID = 9612
	systemd.units[unitName] = after
	d.opt.Proc, d.opt.Run = fakeProc(t, "restarted"), version("1.6.24").run
	if err := d.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.PID != 9612 || !d.Started.After(was) || d.Release.Patch != 24 || d.Unit.MainPID != 9612 {
		t.Errorf("after the restart: %+v", d)
	}

	// It fails to start: a finding, and the unit says so.
	after.MainPID, after.ActiveState = 0, "activating"
	systemd.units[unitName] = after
	d.opt.Proc = fakeProc(t, "none")
	if err := d.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.PID != 0 || !d.Started.IsZero() || d.Unit.ActiveState != "activating" || d.Exe != "/usr/bin/containerd" {
		t.Errorf("while it does not run: %+v", d)
	}
	systemd.err = errors.New("boom")
	if err := d.Refresh(t.Context()); err == nil {
		t.Error("no error when systemd does not answer")
	}
}

func TestRefreshWithoutUnit(t *testing.T) {
	d := &Daemon{PID: 612, opt: Options{Proc: fakeProc(t, "restarted"), Systemd: &fakeSystemd{}, Run: version("2.4.2").run}}
	if err := d.Refresh(t.Context()); err != nil || d.PID != 9612 {
		t.Errorf("got %+v, %v; want the process with the same socket", d, err)
	}
}
