package plan

import (
	"strings"
	"testing"
	"time"
)

// TestNotLoaded is the table of what can be told of whether containerd runs on its
// files, and of what a plan makes of it.
func TestNotLoaded(t *testing.T) {
	newer := func(o *Observed) { o.ConfigTimes[rootFile] = time.Unix(2000, 0) }
	runsOn := func(path string) func(*Observed) { return func(o *Observed) { o.Loaded = &Loaded{ConfigPath: path} } }
	for _, tc := range []struct {
		name string
		see  []func(*Observed)
		// told, certain, and words of the reason for a restart; none for no restart.
		told, certain bool
		reason        string
		reads         bool
	}{
		{"no file is newer, and CRI does not tell", nil, false, false, "", true},
		{"no file is newer, and CRI says the same", []func(*Observed){runsOn("/etc/containerd/certs.d")}, false, false, "", true},
		{"no file is newer, and CRI says the same in other letters", []func(*Observed){runsOn("/etc/containerd/certs.d/")}, false, false, "", true},
		{"no file is newer, and CRI says something else", []func(*Observed){runsOn("")}, true, true, `CRI runs on config_path "", and the files say "/etc/containerd/certs.d"`, false},
		{"a file is newer, and CRI does not tell", []func(*Observed){newer}, true, false, "without reading it", true},
		{"a file is newer, and CRI says the same", []func(*Observed){newer, runsOn("/etc/containerd/certs.d")}, true, false, "without reading it", true},
		{"a file is newer, and CRI says something else", []func(*Observed){newer, runsOn("/srv/hosts")}, true, true, `CRI runs on config_path "/srv/hosts"`, false},
		{"a pair where the files say one", []func(*Observed){runsOn("/etc/containerd/certs.d:/etc/docker/certs.d")}, true, true, "certs.d:/etc/docker/certs.d", true},
		{"within a second of the start", []func(*Observed){func(o *Observed) { o.ConfigTimes[rootFile] = time.Unix(1001, 0) }}, false, false, "", true},
		{"containerd does not run", []func(*Observed){newer, runsOn(""), func(o *Observed) { o.Running = false }}, false, false, "containerd does not run", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := memory{}
			first := wired(t, "1.7.35", files, harbor())
			o := again(t, "1.7.35", files, first)
			for _, see := range tc.see {
				see(&o)
			}
			n := NotLoadedOf(o)
			if (n != nil) != tc.told || n != nil && n.Certain != tc.certain {
				t.Fatalf("%+v", n)
			}
			if n != nil && (n.RunsOn != nil) != (o.Loaded != nil) {
				t.Errorf("runs on %v", n.RunsOn)
			}
			if o.readsHostsDir() != tc.reads {
				t.Errorf("reads the hosts directory: %v", !tc.reads)
			}
			m := Make(o, harbor(), Options{Key: []byte("k")})
			if m.Node.Restart.Needed != (tc.reason != "") || !strings.Contains(strings.Join(m.Node.Restart.Reasons, "; "), tc.reason) {
				t.Errorf("restart: %+v", m.Node.Restart)
			}
			if m.Node.NothingToDo() != (tc.reason == "") {
				t.Errorf("nothing to do: %v", m.Node.NothingToDo())
			}
			if ok, _ := m.Provable(o, harbor().Registries[0]); ok != (tc.reason == "") {
				t.Errorf("provable before the swap: %v", ok)
			}
		})
	}
}

// TestWhatCRIRunsOnIsInTheFingerprint: a plan made before somebody restarted
// containerd is not the one made after it.
func TestWhatCRIRunsOnIsInTheFingerprint(t *testing.T) {
	o := observe(t, "1.7.35", memory{rootFile: onPath})
	o.Loaded = &Loaded{}
	before := Make(o, harbor(), Options{Key: []byte("k")}).Node.Fingerprint
	o.Loaded = &Loaded{ConfigPath: "/etc/containerd/certs.d"}
	if Make(o, harbor(), Options{Key: []byte("k")}).Node.Fingerprint == before {
		t.Error("the same fingerprint")
	}
}

// TestARestartWakesWhatCRIDoesNotReadYet: the files name the hosts directory and
// CRI runs without it, so a restart brings what others have there into use.
func TestARestartWakesWhatCRIDoesNotReadYet(t *testing.T) {
	o := observe(t, "1.7.35", memory{rootFile: onPath, "/etc/containerd/certs.d/quay.io/hosts.toml": kubesprayToml})
	for path, wakes := range map[string]bool{"": true, "/etc/containerd/certs.d": false} {
		o.Loaded = &Loaded{ConfigPath: path}
		if n := Make(o, harbor(), Options{Key: []byte("k")}).Node; (notice(n.Warnings, "wakes-host-directories") != "") != wakes {
			t.Errorf("%q: %+v", path, n.Warnings)
		}
	}
}
