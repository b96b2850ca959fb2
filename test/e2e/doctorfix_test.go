//go:build e2e

package e2e

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/test/lab"
)

// keyed is a hosts.toml of the lab's registry with its credential. end is what has to
// follow a file without hosts up to containerd 1.7.31.
func keyed(end string) string {
	return "server = \"http://192.168.21.9\"\n[header]\nAuthorization = [\"Basic " + base64.StdEncoding.EncodeToString([]byte(robot+":"+secret1)) + "\"]\n" + end
}

func writeHosts(t *testing.T, n *lab.Node, text string) {
	t.Helper()
	sh(t, n, "mkdir -p "+certsDir+"/192.168.21.9 && cat > "+certsDir+"/192.168.21.9/hosts.toml <<'X'\n"+text+"X")
}

// wiredWrong are nodes that cannot pull, each for another reason.
func wiredWrong(t *testing.T) *lab.Lab {
	t.Helper()
	both := strings.Replace(legacy("1.7.35"), "\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors",
		"\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \""+certsDir+"\"\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors", 1)
	l := up(t,
		lab.NodeSpec{Name: "node1", Containerd: "1.7.35", Config: both, CRIDown: true}, // mirrors beside config_path: no CRI
		lab.NodeSpec{Name: "node2", Containerd: "2.4.2"},                               // no config_path: hosts.toml is not read
		lab.NodeSpec{Name: "node3", Containerd: "1.6.20", Config: withHostsDir("1.6.20")},
	)
	writeHosts(t, l.Nodes()[1], keyed("[host]\n"))
	writeHosts(t, l.Nodes()[2], keyed("")) // no host table: the file is discarded
	sh(t, l.Nodes()[2], "chown 1000:1000 "+certsDir+"/192.168.21.9/hosts.toml && chmod 0640 "+certsDir+"/192.168.21.9/hosts.toml")
	return l
}

// TestDoctorFix: what is mechanical is mended on nodes as apply changes them: shown
// first, proven by a pull, restarted only where it has to be, once, and undone by
// rollback, to the byte.
func TestDoctorFix(t *testing.T) {
	t.Parallel()
	l := wiredWrong(t)
	o := newOperator(t, l)
	was := calmly(t, l)
	for _, n := range l.Nodes() {
		if err := pullOnly(t, n, image); err == nil {
			t.Errorf("%s can pull before", n.Name)
		}
	}

	shown := o.must(3, "doctor")
	says := []string{"node1: " + certsDir + "/192.168.21.9/hosts.toml (CFG001", "node1: " + configFile + " (CFG001", "node2: " + configFile + " (CFG01", "node3: " + certsDir + "/192.168.21.9/hosts.toml (HST003)"}
	for _, want := range says {
		if !strings.Contains(shown.out, "--fix would write "+want) {
			t.Errorf("%q is not said: %s", want, shown)
		}
	}
	dry := o.must(3, "doctor", "--fix", "--dry-run")
	for _, want := range []string{"+[host]", "-  endpoint = ", "+  config_path = ", "containerd restarts, because", "no restart", "3 nodes to change (2 restarts"} {
		if !strings.Contains(strings.ReplaceAll(dry.out, "      ", ""), want) {
			t.Errorf("%q is not shown: %s", want, dry)
		}
	}
	for _, r := range []result{shown, dry} {
		if strings.Contains(r.out+r.err, "Harbor12345") || strings.Contains(r.out+r.err, secret1) || strings.Contains(r.out+r.err, "cm9ib3Q") {
			t.Errorf("a password is shown: %s", r)
		}
	}
	if r := o.on("doctor", "--fix"); r.code != 2 || !strings.Contains(r.err, "no terminal") {
		t.Errorf("without a terminal and --yes: %s", r)
	}
	was.untouched()

	run := o.record(o.must(0, "doctor", "--fix", "--yes", "--verify", image, "-o", "json"))
	if got := phases(run); got != "node1=applied node2=applied node3=applied" || run.Command != protocol.MendName || run.Policy.Canary != 1 {
		t.Errorf("run: %s %s %+v", run.Command, got, run.Policy)
	}
	for i, n := range l.Nodes() {
		healthy(t, n)
		clean(t, n)
		if err := pull(t, n, image); err != nil {
			t.Errorf("%s cannot pull: %v", n.Name, err)
		}
		r := node(t, run, n.Name).Result
		if r.Restarted != (i < 2) || len(r.Proofs) != 1 || !r.Proofs[0].OK || r.Proofs[0].ByName != "pulled" {
			t.Errorf("%s: %+v", n.Name, r)
		}
	}
	if got := sh(t, l.Nodes()[2], "stat -c '%u:%g %a' "+certsDir+"/192.168.21.9/hosts.toml"); got != "1000:1000 640\n" {
		t.Errorf("node3: owner and mode of the file are %q", got)
	}
	if out := sh(t, l.Nodes()[0], "grep -c Harbor12345 "+configFile+"; grep -c registry.mirrors "+configFile+"; grep -c '# kept' "+configFile+"; true"); out != "2\n0\n1\n" {
		t.Errorf("node1: credentials, mirrors and comments in config.toml: %q", out)
	}

	// A second time there is nothing to do, and nothing is done.
	after := calmly(t, l)
	again := o.record(o.must(0, "doctor", "--fix", "--yes", "-o", "json"))
	if got := phases(again); got != "node1=unchanged node2=unchanged node3=unchanged" {
		t.Errorf("again: %s", got)
	}
	o.must(0, "doctor", "--fix", "--dry-run")
	after.untouched()

	for name, r := range map[string]result{"this machine": o.run("history"), "the nodes": o.on("history")} {
		if !strings.Contains(r.out, run.ID) || !strings.Contains(r.out, "doctor --fix") {
			t.Errorf("history of %s: %s", name, r)
		}
	}
	// It would bring back a node without CRI: only when that is wanted.
	if r := o.on("rollback", run.ID, "--yes", "--limit", "node1"); r.code == 0 || !strings.Contains(r.out+r.err, "--force") {
		t.Errorf("rollback of node1: %s", r)
	}
	o.rollback(0, run.ID, "--force")
	was.asBefore()
}

// TestDoctorFixUndoes: a node that cannot pull afterwards puts itself back, and what
// comes after it is not touched.
func TestDoctorFixUndoes(t *testing.T) {
	t.Parallel()
	l := wiredWrong(t)
	o := newOperator(t, l)
	was := calmly(t, l)
	r := o.must(4, "doctor", "--limit", "node2,node3", "--fix", "--yes", "--verify", "192.168.21.9/library/nothing:v1", "-o", "json")
	if got := phases(o.record(r)); got != "node2=restored node3=pending" {
		t.Errorf("%s: %s", got, r)
	}
	was.asBefore()
	o.must(3, "doctor", "--limit", "node2", "--fix", "--dry-run")
}

// TestDoctorFixStale: what was shown is what is done, or nothing is.
func TestDoctorFixStale(t *testing.T) {
	t.Parallel()
	engine, err := buildStruckEngine(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := up(t, lab.NodeSpec{Name: "node1", Containerd: "1.6.20", Config: withHostsDir("1.6.20")})
	n := l.Nodes()[0]
	f, err := newFaultNode(n, engine)
	if err != nil {
		t.Fatal(err)
	}
	writeHosts(t, n, keyed(""))
	for name, change := range map[string]string{
		"the file itself":      "printf '# mine\\n' >> " + certsDir + "/192.168.21.9/hosts.toml",
		"a file beside it":     "mkdir " + certsDir + "/other.example.com && cp " + certsDir + "/192.168.21.9/hosts.toml " + certsDir + "/other.example.com/",
		"containerd's own":     "printf '# mine\\n' >> " + configFile,
		"the mode of the file": "chmod 0600 " + certsDir + "/192.168.21.9/hosts.toml",
	} {
		plan, err := f.do(t.Context(), protocol.Request{Version: protocol.Version, Op: protocol.OpPlan, Mend: &protocol.Mend{}})
		if err != nil {
			t.Fatal(err)
		}
		if !plan.Plan.CanApply() || plan.Plan.Restart.Needed {
			t.Fatalf("%s: plan %+v", name, plan.Plan)
		}
		again, err := f.do(t.Context(), protocol.Request{Version: protocol.Version, Op: protocol.OpPlan, Mend: &protocol.Mend{}})
		if err != nil || again.Plan.Fingerprint != plan.Plan.Fingerprint {
			t.Fatalf("%s: planned twice: %+v, %v", name, again.Plan, err)
		}
		sh(t, n, change)
		before := etc(t, n)
		reply, err := f.do(t.Context(), protocol.Request{Version: protocol.Version, Op: protocol.OpApply, Run: "fix", Mend: &protocol.Mend{}, NoProof: true, Fingerprint: plan.Plan.Fingerprint})
		var told *protocol.Error
		if !errors.As(err, &told) || told.Kind != protocol.ErrStale || reply.Result.Outcome != protocol.OutcomeRefused {
			t.Errorf("%s: %+v, %v", name, reply, err)
		}
		unchanged(t, name, before, etc(t, n))
	}
	// A rule that is left out is not mended.
	out, err := f.do(t.Context(), protocol.Request{Version: protocol.Version, Op: protocol.OpPlan, Mend: &protocol.Mend{Ignore: []string{"hst003"}}})
	if err != nil || !out.Plan.NothingToDo() {
		t.Errorf("with HST003 left out: %+v, %v", out.Plan, err)
	}
}

// pullOnly pulls without the look whether CRI has the image, for a node without CRI.
func pullOnly(t *testing.T, n *lab.Node, ref string) error {
	t.Helper()
	_, err := n.CRIPull(t.Context(), ref)
	return err
}
