//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
)

// TestDoctor: nodes that were wired wrong say so themselves, also one without CRI,
// and one that is wired right has no problem. Nothing of them changes.
func TestDoctor(t *testing.T) {
	t.Parallel()
	mirrors := "\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n" +
		"[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\n  endpoint = [\"http://192.168.21.9\"]\n"
	l := up(t,
		lab.NodeSpec{Name: "node1", Containerd: "1.7.35", Config: lab.DefaultContainerdConfig("1.7.35") + mirrors, CRIDown: true},
		lab.NodeSpec{Name: "node2", Containerd: "2.2.3"},
		lab.NodeSpec{Name: "node3", Containerd: "2.4.2", Config: lab.DefaultContainerdConfig("2.4.2") + "\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"},
	)
	o := newOperator(t, l)
	for _, n := range l.Nodes() {
		sh(t, n, "mkdir -p /etc/containerd/certs.d/192.168.21.9 && printf 'server = \"http://192.168.21.9\"\\n\\n[host]\\n' > /etc/containerd/certs.d/192.168.21.9/hosts.toml")
	}
	before := allEtc(t, l)
	d := decode[report.Doctor](t, o.must(3, "doctor", "-o", "json"))
	tells := func(i int, rule string) bool {
		return slices.ContainsFunc(d.Nodes[i].Findings, func(f doctor.Finding) bool { return f.Rule == rule && f.Now() })
	}
	if !tells(0, "CFG001") || d.Nodes[0].Health == "" || d.Nodes[0].Release != "1.7.35" {
		t.Errorf("node1: %+v", d.Nodes[0])
	}
	if !tells(1, "CFG015") || d.Nodes[1].Health != "" {
		t.Errorf("node2: %+v", d.Nodes[1])
	}
	for _, f := range d.Nodes[2].Findings {
		if f.Problem() {
			t.Errorf("node3: %+v", f)
		}
	}
	unchanged(t, "doctor", before, allEtc(t, l))

	// A file that is newer than the daemon has not been read.
	sh(t, l.Nodes()[2], "touch -d '+1 minute' /etc/containerd/config.toml")
	human := o.must(3, "doctor", "--limit", "node3")
	if !strings.Contains(human.out, "CFG017") || !strings.Contains(human.out, "containerd 2.4.2") {
		t.Errorf("node3 after its file changed: %s", human)
	}
	o.must(0, "doctor", "--limit", "node3", "--ignore", "CFG017")
}
