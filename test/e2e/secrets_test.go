//go:build e2e

package e2e

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullway/pullway/test/lab"
)

// TestSecrets: after everything that handles the password, it is nowhere but in
// the files that need it, and nobody saw it in an argument list.
func TestSecrets(t *testing.T) {
	l := up(t, oneOfEach()...)
	o := newOperator(t, l)
	const password = "zQ7-unmistakable-Xy2"
	o.env["HARBOR_PASSWORD"] = password
	for _, name := range []string{lab.Harbor, lab.TokenOnly} {
		if err := l.Registry(name).SetPassword(robot, password); err != nil {
			t.Fatal(err)
		}
	}
	forms := []string{password, base64.StdEncoding.EncodeToString([]byte(password)), base64.StdEncoding.EncodeToString([]byte(robot + ":" + password))}
	tells := func(where, text string) {
		t.Helper()
		for _, f := range forms {
			if strings.Contains(text, f) {
				t.Errorf("%s holds the password", where)
			}
		}
	}

	// Every argument list of this machine, the nodes' included, while it works.
	done, stopped := make(chan struct{}), sync.WaitGroup{}
	looks := 0
	stopped.Go(func() {
		tick := time.NewTicker(15 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			out, err := exec.Command("ps", "-eww", "-o", "args=").Output()
			if err == nil {
				looks++
				tells("an argument list", string(out))
			}
		}
	})
	file := o.file("spec.yaml", spec(harbor+tokens("auto"), image, tokenImage))
	var said []result
	for _, args := range [][]string{
		{"plan", "-f", file}, {"plan", "-f", file, "-o", "json"}, {"apply", "-f", file, "--yes", "-v"},
		{"apply", "-f", file, "--yes", "-v", "-o", "json"}, {"verify", "-f", file, "-v"}, {"verify", "-f", file, "-o", "json"},
		{"status", "-v"}, {"status", "-o", "json"}, {"import", "--from", "node", "--limit", "node1"},
	} {
		said = append(said, o.must(0, args[0], args[1:]...))
	}
	said = append(said, o.run("history", "last"), o.run("history", "last", "-o", "json"))
	// A failing one, with a rollback on the node.
	images := o.file("missing.yaml", spec(harbor+"    - host: docker.io\n      endpoints: [{url: http://192.168.21.9}]\n", "192.168.21.9/none/none:v1"))
	said = append(said, o.must(4, "apply", "-f", images, "--yes", "-v", "--no-preflight"))
	said = append(said, o.must(0, "rollback", "last", "--yes", "-v"))
	close(done)
	stopped.Wait()
	if looks < 20 {
		t.Errorf("only %d looks at the argument lists", looks)
	}
	for _, r := range said {
		tells("pullway "+strings.Join(r.args, " "), r.out+r.err)
	}

	// What is kept on this side.
	err := filepath.WalkDir(filepath.Join(o.dir, "state"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		tells(path, string(b))
		return err
	})
	if err != nil {
		t.Error(err)
	}

	// What is kept on the nodes, with nothing but root's own backups left out.
	for _, n := range l.Nodes() {
		journal, err := n.Journal(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		tells(n.Name+": journal", journal)
		found := sh(t, n, "grep -rlF -e '"+strings.Join(forms, "' -e '")+"' /etc /root /tmp /run /var/lib/pullway /var/log /var/tmp /home --exclude-dir=backup 2>/dev/null; true")
		if found != "" {
			t.Errorf("%s: the password is in %s", n.Name, found)
		}
		if open := sh(t, n, "find /var/lib/pullway \\( -type d -o -type f \\) -perm /077 ! -path '*/engine*' | xargs -r ls -ld; true"); open != "" {
			t.Errorf("%s: open to others: %s", n.Name, open)
		}
	}
}
