//go:build e2e

package e2e

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pullway/pullway/test/lab"
)

const (
	configFile = "/etc/containerd/config.toml"
	harborDir  = "/etc/containerd/certs.d/192.168.21.9"
)

func sh(t *testing.T, n *lab.Node, command string) string {
	t.Helper()
	out, err := n.Exec(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNodeFailures: what is wrong on a node stops it, in one line, untouched.
func TestNodeFailures(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	cases := []struct {
		name      string
		make, end string
		code      int
		says      []string
	}{
		{"syntax error", "cp -p $F $F.keep; printf 'version = = 2\\n' >> $F", "mv $F.keep $F", 1, []string{"config.toml:"}},
		{"foreign host directory", "mkdir -p $H; printf 'server = \"http://192.168.21.9\"\\n' > $H/hosts.toml", "rm -r /etc/containerd/certs.d", 1, []string{"192.168.21.9", "written by somebody else"}},
		{"symlinked config.toml", "mv $F /root/config.toml; ln -s /root/config.toml $F", "mv /root/config.toml $F", 1, []string{"symbolic link", "/root/config.toml"}},
		{"config.toml is a folder", "mv $F /root/config.toml; mkdir $F", "rmdir $F; mv /root/config.toml $F", 1, []string{"config.toml"}},
		{"certs.d is a file", "touch /etc/containerd/certs.d", "rm /etc/containerd/certs.d", 1, []string{"certs.d"}},
		{"hosts directory is a link", "mkdir -p /root/x $H/..; rmdir $H 2>/dev/null; ln -s /root/x $H", "rm -r /etc/containerd/certs.d", 1, []string{"192.168.21.9"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			vars := "F=" + configFile + " H=" + harborDir + "; "
			for _, n := range l.Nodes() {
				sh(t, n, vars+c.make)
				defer sh(t, n, vars+""+c.end)
			}
			o, was := newOperator(t, l), calmly(t, l)
			file := o.file("spec.yaml", spec(harbor, image))
			says(t, o.must(1, "plan", "-f", file), c.says...)
			says(t, o.must(c.code, "apply", "-f", file, "--yes"), c.says...)
			was.untouched()
		})
	}
	t.Run("read-only etc", func(t *testing.T) {
		for _, n := range l.Nodes() {
			if err := n.ReadOnly(t.Context(), "/etc"); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := n.Writable(t.Context(), "/etc"); err != nil {
					t.Fatal(err)
				}
			}()
		}
		o, was := newOperator(t, l), calmly(t, l)
		says(t, o.must(1, "apply", "-f", o.file("spec.yaml", spec(harbor, image)), "--yes"), "read-only")
		was.untouched()
	})
	t.Run("no room", func(t *testing.T) {
		for _, n := range l.Nodes() {
			if err := n.FillDisk(t.Context(), "/etc/containerd", 0); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := n.UnmountDisk(t.Context(), "/etc/containerd"); err != nil {
					t.Fatal(err)
				}
			}()
		}
		o, was := newOperator(t, l), calmly(t, l)
		r := o.must(1, "apply", "-f", o.file("spec.yaml", spec(harbor, image)), "--yes")
		says(t, r, "no space left")
		was.untouched()
	})
	t.Run("adopted host directory", func(t *testing.T) {
		for _, n := range l.Nodes() {
			sh(t, n, "mkdir -p "+harborDir+" && printf '# mine\\nserver = \"http://192.168.21.9\"\\n' > "+harborDir+"/hosts.toml && chmod 640 "+harborDir+"/hosts.toml && touch "+harborDir+"/notes")
		}
		o, was := newOperator(t, l), calmly(t, l)
		file := o.file("spec.yaml", spec(harbor, image))
		o.apply(0, file, "--adopt")
		o.rollback(0, "last")
		was.asBefore()
		for _, n := range l.Nodes() {
			sh(t, n, "rm -r /etc/containerd/certs.d")
		}
	})
}

// TestOddFiles: a config.toml that is unusual but right is edited as it is.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	ctx := t.Context()
	for _, c := range []struct {
		name string
		text func(string) string
		// only1x says that containerd 2.x itself refuses such a file.
		only1x bool
	}{
		{"CRLF", func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }, false},
		{"no newline at the end", func(s string) string { return strings.TrimRight(s, "\n") }, false},
		{"10 MB of comments", func(s string) string { return s + strings.Repeat("# "+strings.Repeat("x", 97)+"\n", 100_000) }, false},
		{"BOM", func(s string) string { return "\ufeff" + s }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOperator(t, l)
			file := o.file("spec.yaml", spec(harbor, image))
			for _, n := range l.Nodes() {
				text := c.text(lab.DefaultContainerdConfig(n.Spec.Containerd))
				if err := n.WriteFile(ctx, configFile, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			was := calmly(t, l)
			defer func() {
				for _, n := range l.Nodes() {
					text := lab.DefaultContainerdConfig(n.Spec.Containerd)
					if err := n.WriteFile(ctx, configFile, []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}()
			if c.only1x {
				says(t, o.must(1, "apply", "-f", file, "--yes", "--limit", "node3:node4"), "config.toml:1:1")
				was.untouched()
				o.nodes = append(o.nodes, "--limit", "node1:node2")
			}
			o.apply(0, file)
			for _, n := range l.Nodes() {
				if c.only1x && strings.HasPrefix(n.Spec.Containerd, "2.") {
					continue
				}
				now, err := n.ReadFile(ctx, configFile)
				if err != nil {
					t.Fatal(err)
				}
				first, _, _ := bytes.Cut([]byte(c.text(lab.DefaultContainerdConfig(n.Spec.Containerd))), []byte("[plugins]"))
				if !bytes.HasPrefix(now, first) {
					t.Errorf("%s: the beginning of the file was changed", n.Name)
				}
				if c.name == "CRLF" && bytes.Count(now, []byte("\n")) != bytes.Count(now, []byte("\r\n")) {
					t.Errorf("%s: mixed line ends", n.Name)
				}
				clean(t, n)
			}
			o.rollback(0, "last")
			was.asBefore()
		})
	}
}

// TestOddPasswords: a password is any text; it arrives as it is, or is refused.
func TestOddPasswords(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	r := l.Registry(lab.Harbor)
	for _, password := range []string{`"quoted" 'twice'`, `back\slash\n`, "$(touch /pwned) `id` $HOME", "pässwörd→π", "#{}[]%s:@/?&= \t."} {
		t.Run(password, func(t *testing.T) {
			o, was := newOperator(t, l), calmly(t, l)
			if err := r.SetPassword(robot, password); err != nil {
				t.Fatal(err)
			}
			o.env["HARBOR_PASSWORD"] = password
			run := o.apply(0, o.file("spec.yaml", spec(harbor, image)))
			for _, n := range l.Nodes() {
				if err := pull(t, n, appImage); err != nil {
					t.Errorf("%s: %v", n.Name, err)
				}
				sh(t, n, "! test -e /pwned")
			}
			o.rollback(0, run.ID)
			was.asBefore()
		})
	}
	t.Run("line break", func(t *testing.T) {
		o, was := newOperator(t, l), calmly(t, l)
		o.env["HARBOR_PASSWORD"] = "two\nlines"
		got := o.must(1, "apply", "-f", o.file("spec.yaml", spec(harbor, image)), "--yes")
		says(t, got, "http://192.168.21.9", "refuses the user name or password")
		if strings.Contains(got.err, "two\n") {
			t.Errorf("the password is in the message: %s", got)
		}
		was.untouched()
	})
}

// TestLogins: who may come in, and as whom.
func TestLogins(t *testing.T) {
	t.Parallel()
	l := up(t, lab.NodeSpec{Name: "node1", Containerd: "2.4.2", User: "ops", SudoPassword: "become-me"},
		lab.NodeSpec{Name: "node2", Containerd: "1.7.35", User: "ops"},
		lab.NodeSpec{Name: "node3"})
	key := []string{"--key", l.SSHKey(), "--user", "ops", "--ssh-config", "none"}
	names := func(o *operator, node string, flags ...string) *operator {
		o.nodes = append([]string{"--nodes", l.Node(node).Addr.String()}, append(key, flags...)...)
		return o
	}
	try := func(name, node string, code int, flags []string, parts ...string) {
		t.Run(name, func(t *testing.T) {
			o, was := names(newOperator(t, l), node, flags...), calmly(t, l)
			o.env["SUDO"], o.env["WRONG"] = "become-me", "no"
			r := o.must(code, "apply", "-f", o.file("spec.yaml", spec(harbor, image)), "--yes", "-o", "json")
			if code == 0 {
				o.rollback(0, "last")
				was.asBefore()
				return
			}
			if !strings.Contains(r.out, "\"hint\"") && !strings.Contains(r.err, "hint:") {
				t.Errorf("no hint: %s", r)
			}
			for _, p := range parts {
				if !strings.Contains(r.out+r.err, p) {
					t.Errorf("%q is not said: %s", p, r)
				}
			}
			if strings.Contains(r.out+r.err, "become-me") {
				t.Errorf("the sudo password is told: %s", r)
			}
			was.untouched()
		})
	}
	known := []string{"--known-hosts", l.KnownHosts()}
	try("unknown host key", "node2", 1, nil, "--accept-new-host-keys")
	try("new host keys accepted, sudo without password", "node2", 0, []string{"--accept-new-host-keys"})
	try("sudo asks and nobody answers", "node1", 1, known, "--become-password-env")
	try("sudo with its password", "node1", 0, append(known, "--become-password-env", "SUDO"))
	try("sudo with a wrong password", "node1", 1, append(known, "--become-password-env", "WRONG"), "sudo")
	key[3] = "root"
	try("node without containerd", "node3", 1, known, "containerd")

	t.Run("a node that is off", func(t *testing.T) {
		o := newOperator(t, l)
		if err := l.Node("node2").Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := o.must(1, "plan", "-f", o.file("spec.yaml", spec(harbor, image)), "--limit", "node2")
		says(t, r, "node2")
	})
}
