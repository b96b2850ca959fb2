package containerd

import (
	"strings"
	"testing"
)

func FuzzParseRelease(f *testing.F) {
	for _, s := range []string{"containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u2", "containerd github.com/containerd/containerd/v2 v2.4.2+unknown ",
		"v1.7.35-k3s1", "2.0.0-rc.1", "99999.1.1", "1.6", "", "\x1b[2J1.2.3\n4.5.6"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRelease(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("not one line: %q", err)
			}
			return
		}
		if r.Major > 9999 || strings.ContainsAny(r.Suffix, " \n\x1b/") || len(r.String()) > 20 {
			t.Fatalf("%+v of %q", r, s)
		}
		again, err := ParseRelease(r.String())
		if r == (Release{}) || r.Major+r.Minor+r.Patch == 0 {
			return // "unknown"
		}
		if again.Suffix = r.Suffix; err != nil || again != r || again.Compare(r) != 0 {
			t.Fatalf("%+v became %+v, %v", r, again, err)
		}
	})
}

func FuzzRecognise(f *testing.F) {
	f.Add("/usr/bin/containerd", "/etc/containerd/config.toml", "/run/containerd/containerd.sock", []byte("# written by kubespray\nversion = 2\n"))
	f.Add("/var/lib/rancher/k3s/data/current/bin/containerd", "/var/lib/rancher/k3s/agent/etc/containerd/config.toml", "", []byte(nil))
	f.Add("x\n", "\x1b[2J", "\u202e", []byte("#\xff\n#\n"))
	f.Fuzz(func(t *testing.T, exe, file, address string, head []byte) {
		d := Recognise(exe, file, address, head)
		if d.Name == "" || strings.ContainsAny(d.Name, "\n\r\x1b") || !d.Editable && d.Hint == "" {
			t.Fatalf("%+v", d)
		}
	})
}
