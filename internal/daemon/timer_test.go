package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// wireProperty and wireUnit are what StartTransientUnit takes: (sv) and (sa(sv)).
type wireProperty struct {
	Name  string
	Value dbus.Variant
}

type wireUnit struct {
	Name       string
	Properties []wireProperty
}

// StartTransientUnit answers as systemd does for a name that is taken.
func (m *fakeManager) StartTransientUnit(name, _ string, of []wireProperty, aux []wireUnit) (dbus.ObjectPath, *dbus.Error) {
	if m.taken.Swap(false) {
		m.calls <- "exists " + name
		return "", dbus.NewError("org.freedesktop.systemd1.UnitExists", []any{"Unit " + name + " already exists."})
	}
	text := func(all []wireProperty) string {
		var each []string
		for _, p := range all {
			each = append(each, p.Name+" "+p.Value.Signature().String()+" "+fmt.Sprint(p.Value.Value()))
		}
		return strings.Join(each, "; ")
	}
	m.calls <- "start " + name + ": " + text(of)
	for _, a := range aux {
		m.calls <- "with " + a.Name + ": " + text(a.Properties)
	}
	m.end(name)
	return jobPath, nil
}

func (m *fakeManager) StopUnit(name, _ string) (dbus.ObjectPath, *dbus.Error) {
	m.calls <- "stop " + name
	if m.gone.Load() {
		return "", dbus.NewError("org.freedesktop.systemd1.NoSuchUnit", []any{"Unit " + name + " not loaded."})
	}
	m.end(name)
	return jobPath, nil
}

func (m *fakeManager) heard() (calls []string) {
	for {
		select {
		case c := <-m.calls:
			calls = append(calls, c)
		default:
			return calls
		}
	}
}

func TestDeadManOverTheBus(t *testing.T) {
	m, b := newBus(t)
	d := DeadMan{Program: "/var/lib/pullway/engine/pullway-node-1", Args: []string{"recover", "--if-silent=30s"}, Every: 15 * time.Second, Dir: t.TempDir(), Bus: b.link}
	started := []string{
		"start pullway-deadman.timer: TimersMonotonic a(st) [[OnActiveSec 15000000] [OnUnitInactiveSec 15000000]]; AccuracyUSec t 500000; RemainAfterElapse b false; " +
			"Description s Watch over a pullway run; CollectMode s inactive-or-failed",
		"with pullway-deadman.service: Type s oneshot; ExecStart a(sasb) [[/var/lib/pullway/engine/pullway-node-1 [/var/lib/pullway/engine/pullway-node-1 recover --if-silent=30s] false]]; TimeoutStartUSec t 180000000; " +
			"Description s Watch over a pullway run; CollectMode s inactive-or-failed",
	}
	if err := d.Arm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(started, m.heard()); diff != "" {
		t.Errorf("armed:\n%s", diff)
	}
	m.taken.Store(true)
	if err := d.Arm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]string{"exists pullway-deadman.timer", "stop pullway-deadman.timer"}, started...), m.heard()); diff != "" {
		t.Errorf("one of an earlier engine was there:\n%s", diff)
	}
	if err := d.Disarm(t.Context()); err != nil {
		t.Error(err)
	}
	m.gone.Store(true)
	if err := d.Disarm(t.Context()); err != nil {
		t.Errorf("not armed: %v", err)
	}
	m.heard()
	m.result.Store("failed")
	if err := d.Arm(t.Context()); err == nil || !strings.Contains(err.Error(), `start pullway-deadman.timer: the job ended as "failed"`) {
		t.Errorf("systemd does not start it: %v", err)
	}
}
