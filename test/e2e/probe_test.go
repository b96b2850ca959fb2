//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/pullway/pullway/test/lab"
)

// TestProvenBeforeAnythingChanges: on nodes that read the hosts directory already,
// what cannot be proven changes nothing and restarts nothing.
func TestProvenBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	o, r := newOperator(t, l), l.Registry(lab.Harbor)
	o.apply(0, o.file("wired.yaml", spec(harbor, image)))
	more := func(images ...string) string { return spec(mirrored, images...) }
	for _, c := range []struct {
		name, spec, env string
		down            bool
		says            []string
	}{
		{name: "wrong password", spec: spec(harbor, image), env: "wrong", says: []string{image, "authorization failed"}},
		{name: "missing image", spec: more("192.168.21.9/library/none:v1"), says: []string{"library/none"}},
		{name: "registry away", spec: more(image), down: true, says: []string{"refused"}},
		{name: "authority not known", spec: spec(harbor+wired(tlsHost, "robot$nodes", "HARBOR_PASSWORD", "{url: https://"+tlsHost+"}"), tlsHost+"/library/test-image:latest"),
			says: []string{"certificate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, was := newOperator(t, l), calmly(t, l)
			if c.env != "" {
				o.env["HARBOR_PASSWORD"] = c.env
			}
			if c.down {
				if err := r.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := r.Start(t.Context()); err != nil {
						t.Fatal(err)
					}
				}()
			}
			got := o.must(1, "apply", "-f", o.file("spec.yaml", c.spec), "--yes", "--no-preflight")
			says(t, got, c.says...)
			says(t, got, "the proof failed, not changed")
			says(t, got, "Failed, and nothing was changed.")
			was.untouched()
		})
	}
	t.Run("killed", func(t *testing.T) {
		for _, n := range l.Nodes() {
			o, was := newOperator(t, l), etc(t, n)
			file := o.file("spec.yaml", more(image))
			wait := o.upTo("pulling through the new endpoints", n.Name, file)
			signal(t, n, "KILL")
			code, now := wait(), etc(t, n)
			_, changed := now["certs.d/docker.io/hosts.toml"]
			switch {
			case changed || code == 0:
				t.Logf("%s: the kill came when the change was made, exit code %d", n.Name, code)
				o.rollback(0, "last", "--limit", n.Name)
			case code == 4:
				t.Logf("%s: the kill came in the change, which was put back", n.Name)
			case code != 1:
				t.Errorf("%s: exit code %d, and nothing was changed", n.Name, code)
			}
			unchanged(t, n.Name+" after the kill", was, etc(t, n))
			clean(t, n)
			healthy(t, n)
			if left := sh(t, n, "ctr --namespace k8s.io images ls -q | grep -F pullway-probe; true"); left != "" {
				t.Errorf("%s: images of the probe are left: %s", n.Name, left)
			}
		}
	})
	// The file names the directory, and the running containerd never read that file.
	for _, n := range l.Nodes() {
		sh(t, n, "cp -p "+configFile+" /root/wired.toml")
	}
	o.rollback(0, "last")
	for _, n := range l.Nodes() {
		sh(t, n, "cp /root/wired.toml "+configFile+" && touch -d 2020-01-01 "+configFile+" && mkdir -p /etc/containerd/certs.d")
	}
	t.Run("hosts directory not read", func(t *testing.T) {
		for _, n := range l.Nodes() {
			o, was := newOperator(t, l), calmly(t, l)
			apply := []string{"-f", o.file("spec.yaml", spec(harbor, image)), "--yes", "--limit", n.Name}
			if strings.HasPrefix(n.Spec.Containerd, "1.") { // CRI tells what it runs on, so the plan restarts it
				if got := o.must(0, "apply", apply...); !strings.Contains(got.out, `CRI runs on config_path ""`) {
					t.Errorf("the plan does not tell why it restarts: %s", got)
				}
				continue
			}
			got := o.must(1, "apply", apply...)
			says(t, got, "containerd does not read the hosts directory that its configuration names")
			was.untouched()
		}
	})
}
