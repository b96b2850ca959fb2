//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/pullway/pullway/test/lab"
)

// maySayIt are the files of a node that hold the password because containerd has
// to read it, and the backups of them. They are root's and 0600.
var maySayIt = regexp.MustCompile(`^(/etc/containerd/certs\.d/[^/]+/hosts\.toml|/etc/containerd/config\.toml|` +
	`/etc/containerd/certs\.d/pullway-probe\.invalid/hosts\.toml|/var/lib/pullway/transactions/[^/]+/backup/[0-9/]+)$`)

// secrets is a password and where it must not be.
type secrets struct {
	t     *testing.T
	o     *operator
	forms []string
}

func (s secrets) tells(where, text string) {
	s.t.Helper()
	for _, f := range s.forms {
		if strings.Contains(text, f) {
			s.t.Errorf("%s holds the password (%.4s…)", where, f)
			return
		}
	}
}

// node looks at everything that a node keeps. It returns how many files hold the
// password that may.
func (s secrets) node(n *lab.Node, when string) (holders int) {
	s.t.Helper()
	journal, err := n.Journal(s.t.Context(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	s.tells(n.Name+", "+when+": journal", journal)
	// The content of images lies in /var/lib/containerd; its metadata is looked at.
	// What to look for goes by standard input: others look at argument lists.
	found, err := n.ExecInput(s.t.Context(), "grep -rlF -s -f - /etc /root /tmp /run /var /home /opt /srv /usr/local /dev/shm"+
		" --exclude-dir=io.containerd.content.v1.content --exclude-dir=io.containerd.snapshotter.v1.overlayfs --exclude-dir=rootfs; true",
		strings.NewReader(strings.Join(s.forms, "\n")+"\n"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range strings.Fields(found) {
		if !maySayIt.MatchString(path) {
			s.t.Errorf("%s, %s: the password is in %s", n.Name, when, path)
			continue
		}
		holders++
		if got := strings.TrimSpace(sh(s.t, n, "stat -c '%a %u:%g' "+path)); got != "600 0:0" {
			s.t.Errorf("%s, %s: %s holds the password and is %s", n.Name, when, path, got)
		}
	}
	if open := sh(s.t, n, `find /var/lib/pullway \( -perm /077 -o ! -user 0 \) ! -path '*/engine/*' ! -type l | xargs -r ls -ld; true`); open != "" {
		s.t.Errorf("%s, %s: open to others: %s", n.Name, when, open)
	}
	return holders
}

// operator looks at everything below the operator's home but the two files that
// the password comes from.
func (s secrets) operator() {
	s.t.Helper()
	state := filepath.Join(s.o.dir, "state")
	err := filepath.WalkDir(s.o.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if strings.HasPrefix(path, state) && (st.Mode().Perm()&0o077 != 0 || int(st.Sys().(*syscall.Stat_t).Uid) != os.Geteuid()) {
			s.t.Errorf("%s is %s", path, st.Mode())
		}
		if !st.Mode().IsRegular() || path == filepath.Join(s.o.dir, "docker.json") {
			return nil
		}
		b, err := os.ReadFile(path)
		s.tells(path, string(b))
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
	for _, path := range []string{s.o.lab.KnownHosts(), s.o.lab.Inventory()} {
		b, err := os.ReadFile(path)
		if err != nil {
			s.t.Error(err)
		}
		s.tells(path, string(b))
	}
	if left, _ := os.ReadDir(filepath.Join(s.o.dir, "tmp")); len(left) > 0 {
		s.t.Errorf("left in the folder for temporary files: %v", left)
	}
}

// TestSecrets: after everything that handles the password — both ways of delivery,
// every source, a failed apply, a crash, an import, a rollback — it is nowhere but
// in the files that need it, which only root reads, and nobody saw it in an
// argument list or in an environment on a node.
func TestSecrets(t *testing.T) {
	t.Parallel()
	l := up(t, oneOfEach()...)
	o := newOperator(t, l)
	const password = "zQ7/unmistakable+Xy2"
	s := secrets{t, o, formsOf(robot, password)}
	o.env["HARBOR_PASSWORD"], o.env["TMPDIR"] = password, filepath.Join(o.dir, "tmp")
	if err := os.Mkdir(o.env["TMPDIR"], 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{lab.Harbor, lab.TokenOnly} {
		if err := l.Registry(name).SetPassword(robot, password); err != nil {
			t.Fatal(err)
		}
	}
	stop := watch(s.forms)
	var said []result
	do := func(code int, args ...string) {
		t.Helper()
		said = append(said, o.must(code, args[0], args[1:]...))
	}

	// A failing one, put back by nodes that read no hosts directory yet.
	missing := o.file("missing.yaml", spec(harbor+tokens("auto")+"    - host: docker.io\n      endpoints: [{url: http://192.168.21.9}]\n", "192.168.21.9/none/none:v1"))
	do(4, "apply", "-f", missing, "--yes", "-v", "--no-preflight")

	// By header and by config.toml: 1.x takes a token registry's credential in no other way.
	both := o.file("spec.yaml", spec(harbor+tokens("auto"), image, tokenImage))
	do(0, "plan", "-f", both)
	do(0, "plan", "-f", both, "-o", "json", "-v")
	o.file("plan.json", said[len(said)-1].out)
	do(0, "apply", "-f", both, "--yes", "-v", "--plan", filepath.Join(o.dir, "plan.json"))
	do(0, "apply", "-f", both, "--yes", "-v", "-o", "json")
	do(0, "verify", "-f", both, "-v")
	do(0, "status", "-v", "-o", "json")
	do(0, "import", "--from", "node", "--limit", "node1", "--files", filepath.Join(o.dir, "imported"))
	byConfig := 0
	for _, n := range l.Nodes() {
		if held := s.node(n, "applied"); held < 2 {
			t.Errorf("%s: %d files hold the password; the test looks in vain", n.Name, held)
		}
		if strings.Contains(sh(t, n, "cat /etc/containerd/config.toml"), password) {
			byConfig++
		}
	}
	if byConfig == 0 {
		t.Error("no node has the credential in config.toml; the test has lost its point")
	}

	// Now its proof fails before anything changes.
	do(1, "apply", "-f", missing, "--yes", "-v", "--no-preflight")
	do(0, "rollback", "last", "--yes", "-v")
	for _, n := range l.Nodes() {
		s.node(n, "rolled back")
	}

	// A crash in the middle, and what settles it.
	n := l.Node("node2")
	wait := o.upTo("prove", n.Name, both)
	signal(t, n, "KILL")
	wait()
	s.node(n, "after a crash")
	do(0, "apply", "-f", both, "--yes", "-v", "--limit", n.Name)
	s.node(n, "after the crash was settled")
	do(0, "rollback", "last", "--yes", "-v", "-o", "json", "--limit", n.Name)

	// The other sources. The environment has no password now.
	delete(o.env, "HARBOR_PASSWORD")
	o.file("docker.json", fmt.Sprintf(`{"auths":{"192.168.21.9":{"auth":%q}}}`, base64.StdEncoding.EncodeToString([]byte(robot+":"+password))))
	o.file("vault-password", "the vault's own\n")
	vault := exec.CommandContext(t.Context(), "ansible-vault", "encrypt", "--vault-password-file", filepath.Join(o.dir, "vault-password"), "--output", filepath.Join(o.dir, "vault.yml"), "-")
	vault.Stdin = strings.NewReader("harbor_password: " + password + "\n")
	if out, err := vault.CombinedOutput(); err != nil {
		t.Fatalf("ansible-vault: %v: %s", err, out)
	}
	for _, source := range []string{"{dockerConfig: docker.json}", "{ansibleVault: {file: vault.yml, key: harbor_password, passwordFile: vault-password}}"} {
		file := o.file("source.yaml", spec(strings.Replace(harbor, "{env: HARBOR_PASSWORD}", source, 1), image))
		do(0, "plan", "-f", file, "-v", "-o", "json")
		do(0, "apply", "-f", file, "--yes", "-v", "--limit", "node1")
		if s.node(l.Node("node1"), source) == 0 {
			t.Errorf("%s: no file holds the password; the test looks in vain", source)
		}
		do(0, "rollback", "last", "--yes", "--limit", "node1")
	}
	said = append(said, o.run("history", "last"), o.run("history", "last", "-o", "json"))

	found, looks, engines := stop()
	for _, f := range found {
		t.Error(f)
	}
	if looks < 100 || engines < 20 {
		t.Errorf("only %d looks at the processes, %d at engines", looks, engines)
	}
	t.Logf("%d looks at every process, engines among them %d times; %d command lines", looks, engines, len(said))
	for _, r := range said {
		s.tells("pullway "+strings.Join(r.args, " "), r.out+r.err)
	}
	s.operator()
	for _, n := range l.Nodes() {
		s.node(n, "in the end")
	}
}
