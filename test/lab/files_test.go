package lab

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh"
)

func testNodes() []*Node {
	var nodes []*Node
	for i, spec := range []NodeSpec{
		{Name: "node1", User: "root"}, {Name: "node2", User: "ops"}, {Name: "node3", User: "ops", SudoPassword: `p"w \ x`},
	} {
		nodes = append(nodes, &Node{Name: spec.Name, Addr: nodeAddr(i), SSHPort: 22, Spec: spec})
	}
	return nodes
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

func TestInventory(t *testing.T) {
	text := inventory(testNodes(), "/lab/id", "/lab/known_hosts")
	golden(t, "hosts.yaml", text)
	var doc struct {
		All struct {
			Hosts    map[string]map[string]any
			Children map[string]any
		}
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if got := doc.All.Hosts["node3"]["ansible_become_password"]; got != `p"w \ x` {
		t.Errorf("the password came out as %q", got)
	}
}

func TestHostsFile(t *testing.T) { golden(t, "hosts", hostsFile(testNodes(), DefaultRegistries())) }

func TestDefaultContainerdConfig(t *testing.T) {
	for release, want := range map[string]int64{"1.6.20": 2, "1.7.35": 2, "2.0.5": 3, "2.4.2": 3} {
		text := DefaultContainerdConfig(release)
		var doc map[string]any
		if err := toml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		if doc["version"] != want || strings.Contains(text, "registry]") || strings.Contains(text, "config_path") {
			t.Errorf("%s: version %v, or something about registries", release, doc["version"])
		}
	}
}

func TestContainerdModule(t *testing.T) {
	for release, want := range map[string]string{"1.7.35": "github.com/containerd/containerd", "2.0.5": "github.com/containerd/containerd/v2"} {
		if got := containerdModule(release); got != want {
			t.Errorf("%s: got %s", release, got)
		}
	}
}

func TestNames(t *testing.T) {
	a, b := labID("/tmp/a"), labID("/tmp/b")
	if a == b || len(a) != 6 || a != labID("/tmp/a") {
		t.Errorf("ids %q and %q", a, b)
	}
	if got := hostInterface(a, "node1"); len(got) > 15 {
		t.Errorf("%q is too long for an interface", got)
	}
	if got := nodeAddr(MaxNodes - 1); got != netip.MustParseAddr("192.168.21.254") {
		t.Errorf("the last node is at %s", got)
	}
}

func TestKeys(t *testing.T) {
	private, public, err := newKey("lab")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	line := knownHostsLine(testNodes()[0], public)
	_, hosts, key, _, _, err := ssh.ParseKnownHosts([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	want := base64.StdEncoding.EncodeToString(signer.PublicKey().Marshal())
	if got := base64.StdEncoding.EncodeToString(key.Marshal()); got != want || !cmp.Equal(hosts, []string{"192.168.21.11", "node1"}) {
		t.Errorf("hosts %v, key %s, want %s", hosts, got, want)
	}
}

func TestAuthority(t *testing.T) {
	ca, err := newAuthority("Lab CA")
	if err != nil {
		t.Fatal(err)
	}
	spec := DefaultRegistries()[1]
	cert, key, err := ca.issueServer(spec.Reference(), netip.MustParseAddrPort(spec.Addr).Addr(), spec.Host)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.pem) {
		t.Fatal("the authority's file holds no certificate")
	}
	for _, name := range []string{"harbor.example.com", "192.168.21.8"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
			t.Error(err)
		}
	}
}

func TestImage(t *testing.T) {
	app := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(app, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	layers := map[string]bool{}
	for _, img := range []Image{{Repo: "library/test-image", Tag: "latest"}, {Repo: "team/app", Tag: "v1", Layers: 4, LayerSize: 10}} {
		first, err := img.build(app)
		if err != nil {
			t.Fatal(err)
		}
		again, err := img.build(app)
		if err != nil {
			t.Fatal(err)
		}
		d1, _ := first.Digest()
		d2, _ := again.Digest()
		if d1 != d2 {
			t.Errorf("%s: %s, then %s", img.Repo, d1, d2)
		}
		m, err := first.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range m.Layers {
			if layers[l.Digest.String()] {
				t.Errorf("%s shares layer %s", img.Repo, l.Digest)
			}
			layers[l.Digest.String()] = true
		}
	}
	if len(layers) != 3+5 {
		t.Errorf("%d layers", len(layers))
	}
}

// TestQuote asks a shell what it makes of a quoted word.
func TestQuote(t *testing.T) {
	for _, word := range []string{"", "plain", "two words", "it's", `$(reboot) "x" \ `, "a\nb"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q came out as %q, %v", word, out, err)
		}
	}
}

func TestTrim(t *testing.T) {
	root := t.TempDir()
	for _, f := range []string{"etc/ssh/ssh_host_rsa_key", "etc/ssh/sshd_config", "etc/systemd/system/timers.target.wants/apt.timer", "etc/systemd/system/multi-user.target.wants/ssh.service", "etc/systemd/system/multi-user.target.wants/containerd.service"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := trim(root); err != nil {
		t.Fatal(err)
	}
	for f, want := range map[string]bool{
		"etc/ssh/ssh_host_rsa_key": false, "etc/ssh/sshd_config": true,
		"etc/systemd/system/timers.target.wants/apt.timer":                    false,
		"etc/systemd/system/multi-user.target.wants/ssh.service":              true,
		"etc/systemd/system/multi-user.target.wants/containerd.service":       false,
		"etc/systemd/system/multi-user.target.wants/systemd-networkd.service": true,
	} {
		if got := exists(filepath.Join(root, f)); got != want {
			t.Errorf("%s: there is %v, want %v", f, got, want)
		}
	}
}
