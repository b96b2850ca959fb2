package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
)

func TestProvable(t *testing.T) {
	tokens := harbor()
	tokens.Registries[0].Auth.Accepts = config.AcceptsToken
	auth := v2cri + ".registry.configs.\"192.168.21.9\".auth]\n  username = \"old\"\n  password = \"old\"\n"
	other := v2cri + ".registry.configs.\"r.example.com\".auth]\n  username = \"u\"\n  password = \"p\"\n"
	cases := []struct {
		name    string
		files   string
		desired config.Desired
		change  func(*Observed)
		why     string // empty: it can be proven
	}{
		{"only files below the hosts directory change", onPath, harbor(), nil, ""},
		{"the hosts directory is not in use", "version = 2\n", harbor(), nil, "does not read"},
		{"two hosts directories, of which some releases read neither", strings.Replace(onPath, "certs.d\"", "certs.d:/etc/docker/certs.d\"", 1), harbor(), nil, "does not read"},
		{"CRI is ill", onPath, harbor(), func(o *Observed) { o.Healthy, o.Health = false, "CRI is missing" }, "CRI does not answer"},
		{"containerd does not run", onPath, harbor(), func(o *Observed) { o.Running = false }, "CRI does not answer"},
		{"the configuration changed since containerd started", onPath, harbor(), func(o *Observed) {
			o.ConfigTimes[containerd.DefaultConfigFile] = o.Started.Add(time.Minute)
		}, "has not read"},
		{"the credential comes by config.toml", onPath, tokens, nil, "comes with the restart"},
		{"an old credential in config.toml is in the way until the restart", onPath + auth, harbor(), nil, "until the restart"},
		{"a restart for the sake of another registry", onPath + other, func() config.Desired {
			d := harbor()
			d.Registries = append(d.Registries, config.Registry{Host: "r.example.com", Fallback: "none", Endpoints: []config.Endpoint{{URL: "https://r.example.com"}},
				Auth: &config.Auth{Username: "u", Password: d.Registries[0].Auth.Password, Delivery: "auto", Accepts: config.AcceptsToken}})
			return d
		}(), nil, ""},
	}
	for _, tc := range cases {
		o := observe(t, "1.7.35", memory{containerd.DefaultConfigFile: tc.files})
		if tc.change != nil {
			tc.change(&o)
		}
		m := Make(o, tc.desired, Options{Key: make([]byte, 32)})
		ok, why := m.Provable(o, tc.desired.Registries[0])
		if ok != (tc.why == "") || !strings.Contains(why, tc.why) {
			t.Errorf("%s: %v %q, want %q", tc.name, ok, why, tc.why)
		}
		if tc.name == "a restart for the sake of another registry" && !m.Node.Restart.Needed {
			t.Errorf("%s: no restart is planned: %+v", tc.name, m.Node.Problems)
		}
	}
}

// What is named no more goes last, after config.toml too.
func TestDeletionsAreLast(t *testing.T) {
	dir := DefaultHostsDir + "/gone.example.com/"
	o := observe(t, "1.7.35", memory{containerd.DefaultConfigFile: "version = 2\n", dir + "hosts.toml": "server = \"https://gone.example.com\"\n"})
	o.Manifest = Manifest{Files: []Owned{{Path: dir + "hosts.toml", SHA256: sha([]byte("server = \"https://gone.example.com\"\n")), Mode: 0o600}}}
	var got []string
	for _, c := range Make(o, harbor(), Options{Key: make([]byte, 32)}).Node.Changes {
		got = append(got, string(c.Action)+" "+c.Path)
	}
	want := []string{"create " + DefaultHostsDir + "/192.168.21.9/hosts.toml", "update " + containerd.DefaultConfigFile, "delete " + dir + "hosts.toml"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("changes %q, want %q", got, want)
	}
}
