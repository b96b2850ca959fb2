package daemon

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnitOf(t *testing.T) {
	// As go-systemd gives them, with the types of the D-Bus interface.
	properties := map[string]any{
		"LoadState": "loaded", "KillMode": "process", "Delegate": true, "ActiveState": "active", "SubState": "running",
		"FragmentPath": "/lib/systemd/system/containerd.service", "MainPID": uint32(612),
		"ExecStart": [][]any{{"/usr/bin/containerd", []string{"containerd"}, false, uint64(1), uint64(1), uint64(0), uint64(0), uint32(612), int32(0), int32(0)}},
	}
	got, err := unitOf(unitName, properties)
	if diff := cmp.Diff(plainUnit(), got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for name, p := range map[string]map[string]any{
		"not-found": {"LoadState": "not-found"},
		"masked":    {"LoadState": "masked"},
		"nothing":   nil,
	} {
		if _, err := unitOf(name, p); !errors.Is(err, ErrNoUnit) {
			t.Errorf("%s: got %v, want ErrNoUnit", name, err)
		}
	}
	if u, err := unitOf("odd.service", map[string]any{"LoadState": "loaded", "MainPID": "x", "ExecStart": [][]any{{}}, "Delegate": 3}); err != nil || u.MainPID != 0 || u.ExecStart != nil {
		t.Errorf("odd types: %+v, %v", u, err)
	}
}

const shown = `KillMode=process
MainPID=612
ExecStart={ path=/usr/bin/containerd ; argv[]=/usr/bin/containerd ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Delegate=yes
LoadState=loaded
ActiveState=active
SubState=running
FragmentPath=/lib/systemd/system/containerd.service
`

func TestSystemctl(t *testing.T) {
	run := &fakeRun{out: Output{Stdout: []byte(shown)}}
	got, err := systemctl{run.run}.Unit(t.Context(), unitName)
	if diff := cmp.Diff(plainUnit(), got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	run = &fakeRun{each: func(c Command) (Output, error) {
		if c.Argv[1] == "restart" {
			return Output{Exit: 1, Stderr: []byte("Job for containerd.service failed.\nSee journalctl.\n")}, nil
		}
		return Output{}, nil
	}}
	err = systemctl{run.run}.Restart(t.Context(), unitName)
	if err == nil || err.Error() != "restart containerd.service: systemctl: exit status 1: Job for containerd.service failed. See journalctl." {
		t.Errorf("got %v", err)
	}
	if _, err := (systemctl{(&fakeRun{out: Output{Exit: 4}}).run}).Unit(t.Context(), unitName); err == nil || errors.Is(err, ErrNoUnit) {
		t.Errorf("a question that failed is not an absent unit: %v", err)
	}
}

func FuzzUnitOfShow(f *testing.F) {
	f.Add(shown)
	f.Add("LoadState=loaded\nExecStart={ path= ; argv[]= }\nMainPID=-1\n")
	f.Fuzz(func(t *testing.T, text string) {
		if u, err := unitOfShow(unitName, text); err == nil && u.MainPID < 0 {
			t.Errorf("MainPID %d", u.MainPID)
		}
	})
}
