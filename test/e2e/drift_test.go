//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/fleet"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/report"
	"github.com/pullway/pullway/test/lab"
)

const hostsToml = harborDir + "/hosts.toml"

// spegelMoves does what Spegel does when its pod starts (pkg/oci/containerd.go,
// AddMirrorConfiguration, v0.7.4): it moves what it finds to _backup once, clears
// the rest, and writes a hosts.toml for each registry that it mirrors.
func spegelMoves(server, name string) string {
	return fmt.Sprintf(`set -e; cd /etc/containerd/certs.d
[ -d _backup ] || { mkdir _backup; for e in *; do [ "$e" = _backup ] || mv "$e" _backup/; done; }
for e in *; do [ "$e" = _backup ] || rm -rf "$e"; done
mkdir -p %[2]s; printf "server = '%[1]s'\n\n[host.'http://127.0.0.1:30020']\ncapabilities = ['pull', 'resolve']\ndial_timeout = '200ms'" > %[2]s/hosts.toml`, server, name)
}

// kubesprayHosts is what Kubespray's hosts.toml.j2 (2.24 to 2.31) makes of a list
// with this registry.
const kubesprayHosts = `printf 'server = "http://192.168.21.9"\n[host."http://192.168.21.9"]\n  capabilities = ["pull","resolve"]\n  skip_verify = false\n  override_path = false\n' > ` + hostsToml + ` && chmod 640 ` + hostsToml

// kubesprayConfig is what the config.toml templates of Kubespray make: 2.26 with
// its mirrors for containerd 1.x, and 2.31 for 2.x with nothing but the default
// path taken away, as by containerd_extra_args.
func kubesprayConfig(release string) string {
	grpc := "\n[grpc]\n  max_recv_message_size = 16777216\n  max_send_message_size = 16777216\n\n[debug]\n  level = \"info\"\n\n[metrics]\n  address = \"\"\n  grpc_histogram = false\n\n"
	top := "root = \"/var/lib/containerd\"\nstate = \"/run/containerd\"\noom_score = 0\n" + grpc + "[plugins]\n"
	keys := "    max_container_log_line_size = 16384\n    enable_unprivileged_ports = false\n    enable_unprivileged_icmp = false\n"
	if strings.HasPrefix(release, "2.") {
		runtime := `[plugins."io.containerd.cri.v1.runtime"`
		return "version = 3\n\n" + top + "  " + runtime + "]\n" + keys + "   " + runtime + ".containerd]\n     default_runtime_name = \"runc\"\n       " +
			runtime + ".containerd.runtimes.runc]\n         runtime_type = \"io.containerd.runc.v2\"\n         base_runtime_spec = \"/etc/containerd/cri-base.json\"\n" +
			"  [plugins.\"io.containerd.cri.v1.images\".registry]\n    config_path = \"/etc/containerd/hosts.d\"\n"
	}
	cri := `[plugins."io.containerd.grpc.v1.cri"`
	return "version = 2\n" + top + "  " + cri + "]\n    sandbox_image = \"registry.k8s.io/pause:3.9\"\n" + keys + "    " + cri + ".containerd]\n      default_runtime_name = \"runc\"\n" +
		"        " + cri + ".containerd.runtimes.runc]\n          runtime_type = \"io.containerd.runc.v2\"\n          base_runtime_spec = \"/etc/containerd/cri-base.json\"\n" +
		"    " + cri + ".registry]\n      " + cri + ".registry.mirrors]\n        " + cri + ".registry.mirrors.\"docker.io\"]\n          endpoint = [\"https://registry-1.docker.io\"]\n"
}

// driftOf is one thing that somebody does to a wired node, and what is to be seen.
type driftOf struct {
	name string
	does func(t *testing.T, n *lab.Node)
	// path whose state is looked at, with the state, the writer and words of the
	// human view.
	path, state, by, says string
	// unasked: plan and apply put it right without a flag.
	unasked bool
	// back is what a rollback of the first run says without a flag: its exit code.
	back int
}

func does(command string) func(*testing.T, *lab.Node) {
	return func(t *testing.T, n *lab.Node) { sh(t, n, command) }
}

// TestDrift: on real nodes, what others do to our files is seen, named, refused,
// and overwritten when asked, and every byte of it comes back with a rollback.
func TestDrift(t *testing.T) {
	t.Parallel()
	l := up(t, lab.Cycle(2, "1.7.35", "2.4.2")...)
	cases := []driftOf{
		{"Spegel in front of the same registry", does(spegelMoves("http://192.168.21.9", "192.168.21.9")), hostsToml, plan.Changed, "spegel", "written by spegel", false, 1},
		{"Spegel in front of another one", does(spegelMoves("https://registry-1.docker.io", "docker.io")), hostsToml, plan.Gone, "spegel", "it stands in _backup now", false, 0},
		{"Kubespray's hosts.toml", does(kubesprayHosts), hostsToml, plan.Changed, "kubespray", "written by kubespray", false, 1},
		{"Kubespray's config.toml", func(t *testing.T, n *lab.Node) {
			startedAWhileAgo(t, n)
			sh(t, n, "/usr/bin/ctr oci spec > /etc/containerd/cri-base.json")
			if err := n.WriteFile(t.Context(), configFile, []byte(kubesprayConfig(n.Spec.Containerd)), 0o640); err != nil {
				t.Fatal(err)
			}
		}, configFile, plan.SettingsLost, "kubespray", "not in force until a restart", false, 1},
		{"an Ansible block", does("printf '# BEGIN ANSIBLE MANAGED BLOCK\\nserver = \"http://192.168.21.9\"\\n# END ANSIBLE MANAGED BLOCK\\n' > " + hostsToml), hostsToml, plan.Changed, "ansible", "written by ansible", false, 1},
		{"a hand edit", does("printf '# tried something\\n' >> " + hostsToml), hostsToml, plan.Changed, "", "edited in place", false, 1},
		{"sed -i", does("sed -i 's/\"pull\", //' " + hostsToml), hostsToml, plan.Changed, "", "edited in place", false, 1},
		{"sed -i on config.toml", does("sed -i 's#\"/etc/containerd/certs.d\"#\"/srv/hosts\"#' " + configFile), configFile, plan.SettingsLost, "", "config_path is now /srv/hosts", false, 1},
		{"the directory deleted", does("rm -r " + harborDir), hostsToml, plan.Gone, "", "gone", false, 0},
		{"readable to all", does("chmod 644 " + hostsToml), hostsToml, plan.Changed, "", "mode 0644, written as 0600", true, 0},
		{"given to another user", does("chown 1000:1000 " + hostsToml), hostsToml, plan.Changed, "", "uid 1000", true, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, l) })
	}
	t.Run("NVIDIA's drop-in", func(t *testing.T) { nvidiaDropIn(t, l) })
	t.Run("a link in place of the directory", func(t *testing.T) { linkedDirectory(t, l) })
	t.Run("theirs beside ours", func(t *testing.T) { besideOurs(t, l) })
}

// reset brings the lab's nodes back to a node that nobody has touched.
func reset(t *testing.T, l *lab.Lab) {
	t.Helper()
	for _, n := range l.Nodes() {
		sh(t, n, "rm -rf /etc/containerd/certs.d /etc/containerd/conf.d /etc/containerd/cri-base.json /var/lib/pullway/manifest.json /var/lib/pullway/transactions /srv/hosts")
		if err := n.WriteFile(t.Context(), configFile, []byte(lab.DefaultContainerdConfig(n.Spec.Containerd)), 0o644); err != nil {
			t.Fatal(err)
		}
		sh(t, n, "systemctl restart containerd")
	}
}

// startedAWhileAgo waits until a file that is written now is seen to be newer than
// containerd's start, which is known to a second.
func startedAWhileAgo(t *testing.T, n *lab.Node) {
	t.Helper()
	sh(t, n, `until [ $(date +%s) -ge $(( $(systemctl show containerd -p ExecMainStartTimestamp --value --timestamp=unix | tr -d @) + 3 )) ]; do sleep 0.1; done`)
}

// wire applies the guide's spec to all nodes.
func wire(t *testing.T, l *lab.Lab) (o *operator, file string, first fleet.Run) {
	t.Helper()
	reset(t, l)
	o = newOperator(t, l)
	file = o.file("spec.yaml", spec(harbor, image))
	return o, file, o.apply(0, file)
}

// states gives, by node, what status says of one file; nil where it says nothing.
func (o *operator) states(path string) map[string]*plan.FileState {
	o.t.Helper()
	s := decode[report.Status](o.t, o.must(0, "status", "-o", "json"))
	all := map[string]*plan.FileState{}
	for _, n := range s.Nodes {
		if n.Status == nil {
			o.t.Fatalf("%s: %+v", n.Name, n.Error)
		}
		for _, f := range n.Status.Files {
			if f.Path == path {
				all[n.Name] = &f
			}
		}
	}
	return all
}

func (c driftOf) run(t *testing.T, l *lab.Lab) {
	o, file, first := wire(t, l)
	for _, n := range l.Nodes() {
		c.does(t, n)
	}
	was := calmly(t, l)

	for node, s := range o.states(c.path) {
		if s.State != c.state || s.By != c.by || (s.Evidence == "") != (c.by == "") {
			t.Errorf("%s: %+v", node, *s)
		}
	}
	if r := o.must(0, "status"); !strings.Contains(r.out, c.says) || !strings.Contains(r.out, c.path) || !strings.Contains(r.out, "0 nodes as written, 2 drifted") {
		t.Errorf("%s", r)
	}
	o.must(3, "status", "--exit-code")
	since := "since Pullway wrote it"
	if c.state == plan.SettingsLost {
		since = "does not have Pullway's settings any more"
	}
	if !c.unasked {
		p := o.plan(1, file)
		if p.Summary.Refused != len(l.Nodes()) || !slices.ContainsFunc(p.Nodes[0].Plan.Problems, func(n plan.Notice) bool { return n.ID == "drift" }) {
			t.Errorf("plan: %+v, %+v", p.Summary, p.Nodes[0].Plan.Problems)
		}
		says(t, o.must(1, "plan", "-f", file), "refused:", since)
		says(t, o.must(1, "apply", "-f", file, "--yes"), "--overwrite")
		was.untouched()
	}

	flags := []string{"--overwrite"}
	if c.unasked {
		flags = nil
	}
	run := o.apply(0, file, flags...)
	for _, n := range l.Nodes() {
		rec := node(t, run, n.Name)
		if rec.Phase != fleet.Applied || len(rec.Result.Proofs) != 1 || !rec.Result.Proofs[0].OK {
			t.Errorf("%s: %s %+v", n.Name, rec.Phase, rec.Result)
		}
		if err := pull(t, n, image); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
	for node, s := range o.states(c.path) {
		if s.State != plan.AsWritten || s.NotInForce != "" {
			t.Errorf("%s: after the overwrite: %+v", node, *s)
		}
	}
	o.must(0, "status", "--exit-code")

	o.rollback(0, run.ID)
	was.asBefore()
	if c.back != 0 {
		r := o.must(c.back, "rollback", first.ID, "--yes")
		says(t, r, "changed by somebody else after run "+first.ID)
		was.asBefore()
		o.rollback(0, first.ID, "--overwrite")
	} else {
		o.rollback(0, first.ID)
	}
	for _, n := range l.Nodes() {
		if text := sh(t, n, "cat "+configFile); text != strings.TrimSpace(lab.DefaultContainerdConfig(n.Spec.Containerd)) && text != lab.DefaultContainerdConfig(n.Spec.Containerd) {
			t.Errorf("%s: config.toml after both rollbacks:\n%s", n.Name, text)
		}
		sh(t, n, "test ! -e "+harborDir)
		clean(t, n)
		healthy(t, n)
	}
}

// nvidiaDropIn does what the NVIDIA toolkit does (1.18, nvidia-ctk runtime
// configure): it writes its drop-in, on containerd 1.x with a copy of the whole CRI
// table, and adds its folder to the imports. Our settings stay; nothing is refused.
func nvidiaDropIn(t *testing.T, l *lab.Lab) {
	o, file, first := wire(t, l)
	const dropIn = "/etc/containerd/conf.d/99-nvidia.toml"
	for _, n := range l.Nodes() {
		startedAWhileAgo(t, n)
		text := "version = 3\n\n[plugins]\n\n  [plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.nvidia]\n    runtime_type = \"io.containerd.runc.v2\"\n" +
			"    [plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.nvidia.options]\n      BinaryName = \"/usr/bin/nvidia-container-runtime\"\n"
		if strings.HasPrefix(n.Spec.Containerd, "1.") {
			whole := sh(t, n, "cat "+configFile)
			text = "version = 2\n" + whole[strings.Index(whole, "[plugins"):] + "\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]\n  runtime_type = \"io.containerd.runc.v2\"\n"
		}
		sh(t, n, "mkdir -p /etc/containerd/conf.d && sed -i '0,/^version/s//imports = [\"\\/etc\\/containerd\\/conf.d\\/*.toml\"]\\nversion/' "+configFile)
		if err := n.WriteFile(t.Context(), dropIn, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for node, s := range o.states(configFile) {
		if s.State != plan.SettingsIntact || s.By != "nvidia-container-toolkit" || s.NotInForce == "" {
			t.Errorf("%s: %+v", node, *s)
		}
	}
	r := o.must(3, "status", "--exit-code")
	says(t, r, "kept: "+dropIn, "written by nvidia-container-toolkit")
	says(t, r, "not in force until a restart")
	// The restart is due, and nothing has to be overwritten for it.
	o.plan(0, file)
	restart := o.apply(0, file)
	for node, s := range o.states(configFile) {
		if s.State != plan.SettingsIntact || s.NotInForce != "" {
			t.Errorf("%s: after the restart: %+v", node, *s)
		}
	}
	o.must(0, "status", "--exit-code")
	for _, n := range l.Nodes() {
		if err := pull(t, n, image); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
	o.rollback(0, restart.ID)
	was := calmly(t, l)
	says(t, o.must(1, "rollback", first.ID, "--yes"), "config.toml was changed by somebody else")
	was.untouched()
}

// linkedDirectory: no flag replaces a link; once it is gone, --overwrite does.
func linkedDirectory(t *testing.T, l *lab.Lab) {
	o, file, _ := wire(t, l)
	for _, n := range l.Nodes() {
		sh(t, n, "mv "+harborDir+" /srv/hosts && ln -s /srv/hosts "+harborDir)
	}
	was := calmly(t, l)
	for node, s := range o.states(hostsToml) {
		if s.State != plan.Changed || !strings.Contains(s.Detail, "symbolic link to /srv/hosts") {
			t.Errorf("%s: %+v", node, *s)
		}
	}
	for _, flag := range []string{"--overwrite", "--adopt"} {
		says(t, o.must(1, "apply", "-f", file, "--yes", flag), "not a directory")
	}
	was.untouched()
	for _, n := range l.Nodes() {
		sh(t, n, "rm "+harborDir)
	}
	o.apply(0, file, "--overwrite")
	for _, n := range l.Nodes() {
		if err := pull(t, n, image); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
}

// besideOurs: what others put beside our files is shown and kept; what they put in
// a directory that they wrote is overwritten by --adopt alone.
func besideOurs(t *testing.T, l *lab.Lab) {
	o, file, first := wire(t, l)
	for _, n := range l.Nodes() {
		sh(t, n, "cd /etc/containerd/certs.d && touch 192.168.21.9/notes.txt && mkdir _default 192.168.21.9:80 && printf \"[host.'http://127.0.0.1:30020']\\ncapabilities = ['pull', 'resolve']\\ndial_timeout = '200ms'\" > _default/hosts.toml")
	}
	was := calmly(t, l)
	r := o.must(0, "status", "--exit-code")
	for _, want := range []string{
		"kept: " + harborDir + "/notes.txt (written by somebody else)",
		"kept: /etc/containerd/certs.d/_default (written by spegel: the shape of its template, with dial_timeout = '200ms'): answers for every registry that has no host directory of its own",
		"kept: /etc/containerd/certs.d/192.168.21.9:80 (written by somebody else): the same name as our 192.168.21.9 with another port: another registry",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in %s", want, r)
		}
	}
	o.apply(0, file)
	was.untouched()

	// Pullway is to have _default too: that one is Spegel's.
	both := o.file("both.yaml", spec(harbor+"    - host: \"*\"\n      endpoints:\n        - url: http://192.168.21.9\n", image))
	for _, flag := range [][]string{nil, {"--overwrite"}} {
		says(t, o.must(1, "apply", append([]string{"-f", both, "--yes"}, flag...)...), "_default was written by spegel")
	}
	was.untouched()
	run := o.apply(0, both, "--adopt")
	o.rollback(0, run.ID)
	was.asBefore()
	says(t, o.must(1, "rollback", first.ID, "--yes"), harborDir+" was changed by somebody else")
	was.untouched()
}
