//go:build e2e

package lab_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/lab/cluster"
)

const image = "192.168.21.9/library/test-image:latest"

func up(t *testing.T, nodes []lab.NodeSpec) *lab.Lab {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	l, err := lab.Up(t.Context(), lab.Config{Dir: filepath.Join(t.TempDir(), "lab"), Nodes: nodes}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// registryTable is the config.toml addition that sets config_path.
func registryTable(release string) string {
	table := `io.containerd.grpc.v1.cri`
	if strings.HasPrefix(release, "2.") {
		table = `io.containerd.cri.v1.images`
	}
	return lab.DefaultContainerdConfig(release) + fmt.Sprintf("\n[plugins.%q.registry]\nconfig_path = \"/etc/containerd/certs.d\"\n", table)
}

func hostsTOML(url, user, password string) []byte {
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return fmt.Appendf(nil, "server = %q\n\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n  [host.%q.header]\n    Authorization = \"Basic %s\"\n", url, url, url, basic)
}

// wire does by hand what the tool is for.
func wire(t *testing.T, n *lab.Node, hosts []byte) {
	t.Helper()
	ctx := t.Context()
	if err := n.WriteFile(ctx, "/etc/containerd/certs.d/192.168.21.9/hosts.toml", hosts, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.WriteFile(ctx, "/etc/containerd/config.toml", []byte(registryTable(n.Spec.Containerd)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := n.RestartContainerd(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestGuide: no node can pull from the password-protected plain-HTTP registry
// before it is wired, and every node can after.
func TestGuide(t *testing.T) {
	l := up(t, lab.Cycle(4, append(lab.Releases(), "2.2.3")...))
	harbor := l.Registry(lab.Harbor)
	for _, n := range l.Nodes() {
		t.Run(n.Spec.Containerd, func(t *testing.T) {
			ctx := t.Context()
			v, err := n.CRIVersion(ctx)
			if err != nil || !strings.HasPrefix(strings.TrimPrefix(v, "v"), n.Spec.Containerd) {
				t.Fatalf("CRI says version %q, %v; want %s", v, err, n.Spec.Containerd)
			}
			if _, err := n.CRIPull(ctx, image); err == nil {
				t.Fatal("pulled without any configuration")
			} else {
				t.Log("before:", err)
			}
			if err := harbor.ClearLog(); err != nil {
				t.Fatal(err)
			}
			wire(t, n, hostsTOML("http://192.168.21.9", "admin", "Harbor12345"))
			start := time.Now()
			if _, err := n.CRIPull(ctx, image); err != nil {
				t.Fatal(err)
			}
			t.Log("after: pulled in", time.Since(start).Round(time.Millisecond))
			entries, err := harbor.Log()
			if err != nil {
				t.Fatal(err)
			}
			served := 0
			for _, e := range entries {
				if e.Remote == n.Addr.String() && e.Status == 200 && e.Auth == "basic" && e.User == "admin" && strings.HasPrefix(e.UserAgent, "containerd/") {
					served++
				}
			}
			if served < 4 { // manifest, config, layers
				t.Errorf("the registry saw %d good requests of the node in %v", served, entries)
			}
		})
	}
}

// TestRotation: a changed password is refused at once, and the new one serves.
func TestRotation(t *testing.T) {
	l := up(t, lab.Cycle(1, "1.7.35"))
	ctx, n, r := t.Context(), l.Nodes()[0], l.Registry(lab.Harbor)
	wire(t, n, hostsTOML("http://192.168.21.9", "robot$nodes", "robot-secret-1"))
	pull := func() error {
		_ = n.CRIRemove(ctx, image)
		_, err := n.CRIPull(ctx, image)
		return err
	}
	if err := pull(); err != nil {
		t.Fatal(err)
	}
	if err := r.SetPassword("robot$nodes", "robot-secret-2"); err != nil {
		t.Fatal(err)
	}
	if err := pull(); err == nil {
		t.Fatal("the old password still pulls")
	}
	if err := n.WriteFile(ctx, "/etc/containerd/certs.d/192.168.21.9/hosts.toml", hostsTOML("http://192.168.21.9", "robot$nodes", "robot-secret-2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pull(); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := pull(); err == nil {
		t.Fatal("pulled from a stopped registry")
	}
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := pull(); err != nil {
		t.Fatal(err)
	}
}

// TestOtherRegistries: TLS with the private authority by name, and tokens only.
func TestOtherRegistries(t *testing.T) {
	l := up(t, lab.Cycle(1, "2.4.2"))
	ctx, n := t.Context(), l.Nodes()[0]
	ca, err := os.ReadFile(l.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	wire(t, n, nil)
	if err := n.WriteFile(ctx, "/etc/containerd/certs.d/harbor.example.com/ca.pem", ca, 0o644); err != nil {
		t.Fatal(err)
	}
	hosts := fmt.Appendf(nil, "%s  \n", strings.Replace(string(hostsTOML("https://harbor.example.com", "admin", "Harbor12345")), "  [host", "  ca = \"/etc/containerd/certs.d/harbor.example.com/ca.pem\"\n  [host", 1))
	if err := n.WriteFile(ctx, "/etc/containerd/certs.d/harbor.example.com/hosts.toml", hosts, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := n.CRIPull(ctx, l.Registry(lab.HarborTLS).Image("team/app", "v1")); err != nil {
		t.Error(err)
	}
	token := l.Registry(lab.TokenOnly)
	if err := n.WriteFile(ctx, "/etc/containerd/certs.d/192.168.21.7:5000/hosts.toml", []byte("[host.\"http://192.168.21.7:5000\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := n.CRIPull(ctx, token.Image("team/app", "v1")); err == nil {
		t.Error("token registry: pulled without a password")
	}
	if _, err := n.CRIPullAs(ctx, token.Image("team/app", "v1"), &lab.Auth{Username: "admin", Password: "Harbor12345"}); err != nil {
		t.Error(err)
	}
}

// TestFaults: each lever does what it says, and its undo undoes it.
func TestFaults(t *testing.T) {
	l := up(t, lab.Cycle(1, "1.6.20"))
	ctx, n := t.Context(), l.Nodes()[0]
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fails := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Fatal(what)
		}
	}
	write := func(size int) error {
		return n.WriteFile(ctx, "/etc/containerd/certs.d/x/hosts.toml", make([]byte, size), 0o600)
	}
	before, err := n.Tree("/etc/containerd")
	must(err)
	if before["config.toml"].SHA256 == "" {
		t.Fatalf("tree lacks config.toml: %v", before)
	}

	hostname, err := n.Exec(ctx, "cat etc/hostname")
	must(err)
	if hostname != "node1\n" {
		t.Fatalf("a relative path leads to the hostname %q: not into the node", hostname)
	}

	must(n.ReadOnly(ctx, "/etc"))
	fails("wrote to a read-only /etc", write(1))
	must(n.Writable(ctx, "/etc"))
	must(write(1))
	after, err := n.Tree("/etc/containerd")
	must(err)
	if cmp.Equal(before, after) {
		t.Fatal("the tree does not show a new file")
	}
	_, err = n.Exec(ctx, "rm -r /etc/containerd/certs.d")
	must(err)

	must(n.FillDisk(ctx, "/etc/containerd", 16<<10))
	must(write(4 << 10))
	fails("wrote past the end of a full disk", write(64<<10))
	_, err = n.Exec(ctx, "rm -r /etc/containerd/certs.d")
	must(err)
	must(n.FreeDisk(ctx, "/etc/containerd"))
	must(write(64 << 10))
	must(n.UnmountDisk(ctx, "/etc/containerd"))
	after, err = n.Tree("/etc/containerd")
	must(err)
	if d := cmp.Diff(before, after); d != "" {
		t.Fatal(d)
	}

	must(n.CutLink(ctx))
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, err = l.DialContext(short, "tcp", "node1:22")
	fails("connected over a cut link", err)
	_, err = n.Exec(ctx, "true")
	must(err)
	must(n.RestoreLink(ctx))
	c, err := l.DialContext(ctx, "tcp", "node1:22")
	must(err)
	must(c.Close())

	old, err := n.ContainerdPID(ctx)
	must(err)
	must(n.KillContainerd(ctx))
	for { // systemd brings it back
		_, err := n.CRIVersion(ctx)
		now, perr := n.ContainerdPID(ctx)
		must(perr)
		if err == nil && now != old && now != 0 {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
		time.Sleep(50 * time.Millisecond)
	}
	journal, err := n.Journal(ctx, "containerd")
	must(err)
	if !strings.Contains(journal, "status=9/KILL") {
		t.Fatal("the journal knows nothing of the kill")
	}

	must(n.WriteFile(ctx, "/etc/containerd/kept", []byte("kept"), 0o600))
	must(n.Reboot(ctx))
	got, err := n.ReadFile(ctx, "/etc/containerd/kept")
	must(err)
	if string(got) != "kept" {
		t.Fatalf("after a reboot the file holds %q", got)
	}
}

// TestSudoUser: the inventory is enough for Ansible to become root everywhere.
func TestSudoUser(t *testing.T) {
	nodes := lab.Cycle(2, "1.6.20", "")
	nodes[0].Containerd, nodes[1].Containerd = "", ""
	nodes[0].User, nodes[1].User, nodes[1].SudoPassword = "ops", "ops", "sudo secret"
	l := up(t, nodes)
	out, err := l.Command(t.Context(), "ansible", "-i", l.Inventory(), "k8s_cluster", "--become", "-m", "command", "-a", "id -un").CombinedOutput()
	if err != nil || strings.Count(string(out), "\nroot\n") != 2 {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestEnds: a second lab does not meet the first, a killed owner's lab, with Kubernetes and a pod, is taken
// down by itself, and nothing of it is left.
func TestEnds(t *testing.T) {
	if dir := os.Getenv("LAB_E2E_OWNER"); dir != "" {
		_, err := lab.Up(t.Context(), lab.Config{
			Dir: dir, Nodes: lab.Cycle(1, "1.7.35"), Kubernetes: &lab.KubeSpec{Kubelets: []string{"node1"}},
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("owner is up")
		select {} // until killed
	}
	first := up(t, lab.Cycle(1, "1.6.20"))
	dir := filepath.Join(t.TempDir(), "lab")
	owner := exec.Command(os.Args[0], "-test.run=^TestEnds$", "-test.timeout=0")
	owner.Env = append(os.Environ(), "LAB_E2E_OWNER="+dir)
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	seen := ""
	for buf := make([]byte, 256); !strings.Contains(seen, "owner is up"); {
		n, err := out.Read(buf)
		seen += string(buf[:n])
		if err != nil {
			t.Fatalf("owner: %v after %q", err, seen)
		}
	}
	second, err := lab.Attach(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Nodes()[0].CRIVersion(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Connect(second, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddPod(t.Context(), cluster.Pod{Name: "app", Node: "node1", Image: "registry.k8s.io/pause:3.9", Policy: corev1.PullNever}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AwaitRunning(t.Context(), "", "app"); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Up(t.Context(), lab.Config{Dir: dir, Nodes: lab.Cycle(1)}, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("a lab in use was replaced")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	start := time.Now()
	for {
		_, statErr := os.Stat(dir)
		if os.IsNotExist(statErr) {
			break
		}
		if time.Since(start) > 30*time.Second {
			t.Fatal("the lab of a killed process is still there")
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Log("taken down", time.Since(start).Round(time.Millisecond), "after the kill")
	nothingLeft(t, second)
	if _, err := first.Nodes()[0].CRIVersion(t.Context()); err != nil {
		t.Error("the other lab:", err)
	}
}
