package lab

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/tools/clientcmd"
)

func TestKubeSpec(t *testing.T) {
	spec := &KubeSpec{Kubelets: []string{"node2"}}
	good := Config{Dir: "/d", Cache: "/c", Nodes: Cycle(2), Kubernetes: spec}.complete(func(string) string { return "" })
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	if good.Nodes[0].Pods || !good.Nodes[1].Pods {
		t.Errorf("nodes for pods: %v, %v; want the one with the kubelet", good.Nodes[0].Pods, good.Nodes[1].Pods)
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"kubelet nowhere", func(c *Config) { c.Kubernetes.Kubelets = []string{"node9"} }, `"node9", which is no node`},
		{"scheduler alone", func(c *Config) { c.Kubernetes.Scheduler = true }, "needs the controllers"},
		{"address taken", func(c *Config) { c.Registries = DefaultRegistries(); c.Registries[0].Addr = "192.168.21.6:6443" }, "of the API server"},
		{"kubelet without containerd", func(c *Config) { c.Nodes[1].Containerd = "" }, "runs no pods"},
	} {
		c := Config{Dir: "/d", Cache: "/c", Nodes: Cycle(2), Kubernetes: &KubeSpec{Kubelets: []string{"node2"}}}
		tc.change(&c)
		err := c.complete(func(string) string { return "" }).check()
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q in it", tc.name, err, tc.want)
		}
	}
	for _, tc := range []struct {
		spec KubeSpec
		want []string
	}{
		{KubeSpec{Kubelets: []string{"a"}}, []string{"etcd", "kube-apiserver"}},
		{KubeSpec{Controllers: true}, []string{"etcd", "kube-apiserver", "kube-controller-manager"}},
		{KubeSpec{Controllers: true, Scheduler: true}, []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}},
	} {
		if d := cmp.Diff(tc.want, tc.spec.programs()); d != "" {
			t.Error(d)
		}
	}
}

func TestOutsideGoMod(t *testing.T) {
	own := "module k8s.io/kubernetes\n\ngo 1.26.0\n\nrequire k8s.io/api v0.0.0\n\nreplace k8s.io/api => ./staging/src/k8s.io/api\n"
	got, err := outsideGoMod([]byte(own), "v1.37.2")
	if want := "module lab.invalid/tool\n\ngo 1.26.0\n\nreplace k8s.io/api => k8s.io/api v0.37.2\n"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for name, tc := range map[string]struct{ own, version string }{
		"another line of releases": {own, "v2.0.0"},
		"no go line":               {"module k8s.io/kubernetes\n", "v1.37.2"},
		"another kind of replace":  {"module m\n\ngo 1.26\n\nreplace a => ./b\n", "v1.37.2"},
		"no go.mod":                {"{", "v1.37.2"},
	} {
		if got, err := outsideGoMod([]byte(tc.own), tc.version); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestKubeFolder: what makeFolder writes is read as kubectl and client-go read it.
func TestKubeFolder(t *testing.T) {
	dir := t.TempDir()
	l := assemble(dir, state{ID: "x", Nodes: Cycle(1, "2.4.2"), Layers: make([][]string, 1), Kubernetes: &KubeSpec{Kubelets: []string{"node1"}}}, slog.New(slog.DiscardHandler))
	ca, err := newAuthority("Lab CA")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.CAFile(), ca.pem, 0o644); err != nil {
		t.Fatal(err)
	}
	k := l.Kube()
	if err := k.makeFolder(ca); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "kube", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is for others, too: %v, %v", f, info.Mode(), err)
		}
	}
	forged, err := k.Kubeconfig(KubeUser{Name: "forged", Token: `w"rong`})
	if err != nil {
		t.Fatal(err)
	}
	for path, user := range map[string]string{
		k.AdminKubeconfig(): "admin", k.kubeconfigPath("system:node:node1"): "system:node:node1", forged: "forged",
	} {
		cfg, err := clientcmd.LoadFromFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := clientcmd.NewDefaultClientConfig(*cfg, nil).ClientConfig()
		if err != nil || cfg.CurrentContext != user || rest.Host != "https://192.168.21.6:6443" || len(rest.CAData) == 0 {
			t.Errorf("%s: %v, context %q, host %q", path, err, cfg.CurrentContext, rest.Host)
		}
		if user == "forged" && rest.BearerToken != `w"rong` || user != "forged" && len(rest.CertData) == 0 {
			t.Errorf("%s: token %q, certificate of %d bytes", path, rest.BearerToken, len(rest.CertData))
		}
	}
	for _, bad := range []string{"", "../x", "A", "a b", "a\"b"} {
		if path, err := k.Kubeconfig(KubeUser{Name: bad}); err == nil {
			t.Errorf("user %q: wrote %s", bad, path)
		}
	}
	kubelet, err := k.kubeletFiles(l.Node("node1"))
	if err != nil || len(kubelet) != 4 {
		t.Fatalf("%d files, %v", len(kubelet), err)
	}
}

func TestPodsConfig(t *testing.T) {
	for release, table := range map[string]string{"1.7.35": "io.containerd.grpc.v1.cri", "2.4.2": "io.containerd.cri.v1.runtime"} {
		text := NodeSpec{Containerd: release, Pods: true}.containerdConfig()
		var doc struct {
			Plugins map[string]map[string]any
		}
		if err := toml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Plugins[table]["restrict_oom_score_adj"] != true || strings.Contains(text, "SystemdCgroup = true") {
			t.Errorf("%s: %s", release, text)
		}
		if !strings.Contains(text, `"`+sandboxImage(release)+`"`) {
			t.Errorf("%s: the sandbox image is not %s", release, sandboxImage(release))
		}
	}
	if got := (NodeSpec{Pods: true, Config: "mine"}).containerdConfig(); got != "mine" {
		t.Errorf("a given configuration became %q", got)
	}
	var kubelet map[string]any
	if err := yaml.Unmarshal([]byte(kubeletConfig), &kubelet); err != nil || kubelet["failCgroupV1"] != false {
		t.Errorf("kubelet's configuration: %v, %v", kubelet, err)
	}
	var network struct {
		Plugins []struct {
			IPAM struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal([]byte(podNetwork(nodeAddr(4))), &network); err != nil || network.Plugins[0].IPAM.Ranges[0][0].Subnet != "10.88.15.0/24" {
		t.Errorf("%+v, %v", network, err)
	}
}

func TestControllersOf(t *testing.T) {
	got := controllers("4:memory:/job/7\n3:cpu,cpuacct:/\n2:name=systemd:/x\n0::/y\n")
	if d := cmp.Diff([]string{"/sys/fs/cgroup/memory/job/7", "/sys/fs/cgroup/cpu,cpuacct"}, got); d != "" {
		t.Error(d)
	}
}

func TestNodeIsReady(t *testing.T) {
	for body, want := range map[string]string{
		`{"status":{"conditions":[{"type":"DiskPressure","status":"False"},{"type":"Ready","status":"True"}]}}`: "",
		`{"status":{"conditions":[{"type":"Ready","status":"False","message":"no network"}]}}`:                  "no network",
		`{}`: "no such condition",
		`<`:  "invalid",
	} {
		if err := nodeIsReady([]byte(body)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
}
