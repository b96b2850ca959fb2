package trace

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/containerd"
)

const (
	old     = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n"
	current = "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\n"
	withDir = "config_path = \"/etc/containerd/certs.d\"\n"
)

// table is a sub-table of the registry table of a version 2 file.
func table(name string) string {
	return "[plugins.\"io.containerd.grpc.v1.cri\".registry." + name + "]\n"
}

// orderOf is what Order says of an image, and the ways.
func orderOf(t *testing.T, release, image string, files map[string]string) (*Trace, []Way) {
	t.Helper()
	rel, err := containerd.ParseRelease(release)
	if err != nil {
		t.Fatal(err)
	}
	im, err := config.ParseImage(image)
	if err != nil {
		t.Fatal(err)
	}
	m := fstest.MapFS{}
	for name, text := range files {
		m["etc/containerd/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := Load(m, "/etc/containerd/config.toml", rel)
	if err != nil {
		t.Fatal(err)
	}
	return Order(m, tree, im)
}

// short is a trace in a line.
func short(tr *Trace) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s:", tr.Decided, tr.Source)
	for _, h := range tr.Hosts {
		fmt.Fprintf(&b, " %s", h.URL)
		if h.Skipped != "" {
			b.WriteString("(skipped)")
		}
		if h.Namespace != "" {
			fmt.Fprintf(&b, "?ns=%s", h.Namespace)
		}
	}
	if tr.Broken != nil {
		b.WriteString(" BROKEN " + tr.Broken.Text)
	}
	return b.String()
}

func TestOrder(t *testing.T) {
	const mirror = "[host.\"http://m.lan:5000\"]\n"
	for _, tc := range []struct {
		name, release, image string
		files                map[string]string
		want                 string
	}{
		{"nothing at all", "1.7.35", "nginx", nil, "nothing : https://registry-1.docker.io/v2"},
		{"mirror, then the upstream", "1.7.35", "nginx", map[string]string{"config.toml": old + withDir, "certs.d/docker.io/hosts.toml": mirror},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: http://m.lan:5000/v2?ns=docker.io https://registry-1.docker.io/v2"},
		{"the mirror as server", "2.4.2", "nginx", map[string]string{"config.toml": current + withDir, "certs.d/docker.io/hosts.toml": "server = \"http://m.lan:5000\"\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: http://m.lan:5000/v2?ns=docker.io"},
		{"no host table on 1.6: discarded", "1.6.20", "nginx", map[string]string{"config.toml": old + withDir, "certs.d/docker.io/hosts.toml": "server = \"http://m.lan:5000\"\n"},
			"empty-directory /etc/containerd/certs.d/docker.io: https://registry-1.docker.io/v2"},
		{"_default", "1.6.20", "quay.io/a/b", map[string]string{"config.toml": old + withDir, "certs.d/_default/hosts.toml": mirror},
			"hosts-file /etc/containerd/certs.d/_default/hosts.toml: http://m.lan:5000/v2?ns=quay.io https://quay.io/v2"},
		{"no _default before 1.6.17", "1.6.16", "quay.io/a/b", map[string]string{"config.toml": old + withDir, "certs.d/_default/hosts.toml": mirror},
			"nothing : https://quay.io/v2"},
		{"an empty directory hides _default", "2.4.2", "quay.io/a/b", map[string]string{"config.toml": current + withDir, "certs.d/_default/hosts.toml": mirror, "certs.d/quay.io/readme": "x"},
			"empty-directory /etc/containerd/certs.d/quay.io: https://quay.io/v2"},
		{"underscored port first", "2.4.2", "h.lan:5000/a", map[string]string{"config.toml": current + withDir, "certs.d/h.lan_5000_/hosts.toml": mirror, "certs.d/h.lan:5000/hosts.toml": "server = \"http://other.lan\"\n"},
			"hosts-file /etc/containerd/certs.d/h.lan_5000_/hosts.toml: http://m.lan:5000/v2?ns=h.lan:5000 https://h.lan:5000/v2"},
		{"a path with override_path", "2.4.2", "nginx", map[string]string{"config.toml": current + withDir, "certs.d/docker.io/hosts.toml": "server = \"https://h.lan/v2/hub\"\noverride_path = true\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: https://h.lan/v2/hub?ns=docker.io"},
		{"a mirror without resolve is skipped for a tag", "2.4.2", "nginx", map[string]string{"config.toml": current + withDir, "certs.d/docker.io/hosts.toml": mirror + "capabilities = [\"pull\"]\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: http://m.lan:5000/v2(skipped)?ns=docker.io https://registry-1.docker.io/v2"},
		{"and asked for a digest", "2.4.2", "nginx@sha256:" + strings.Repeat("a", 64), map[string]string{"config.toml": current + withDir, "certs.d/docker.io/hosts.toml": mirror + "capabilities = [\"pull\"]\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: http://m.lan:5000/v2?ns=docker.io https://registry-1.docker.io/v2"},
		{"http with TLS keys: https first", "2.4.2", "nginx", map[string]string{"config.toml": current + withDir, "certs.d/docker.io/hosts.toml": "server = \"http://m.lan:5000\"\nskip_verify = true\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: https://m.lan:5000/v2?ns=docker.io"},
		{"http with TLS keys: plain on 1.6.20", "1.6.20", "nginx", map[string]string{"config.toml": old + withDir, "certs.d/docker.io/hosts.toml": "server = \"http://m.lan:5000\"\nskip_verify = true\n[host]\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: http://m.lan:5000/v2?ns=docker.io"},
		{"a pair of directories on 2.1: none is read", "2.1.0", "nginx", map[string]string{"config.toml": current + "config_path = \"/etc/containerd/certs.d:/etc/docker/certs.d\"\n", "certs.d/docker.io/hosts.toml": mirror},
			"nothing : https://registry-1.docker.io/v2"},
		{"a pair of directories on 1.7: both are", "1.7.35", "nginx", map[string]string{"config.toml": old + "config_path = \"/etc/containerd/none.d:/etc/containerd/certs.d\"\n", "certs.d/docker.io/hosts.toml": mirror},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: http://m.lan:5000/v2?ns=docker.io https://registry-1.docker.io/v2"},
		{"mirrors, then the upstream", "1.7.35", "nginx", map[string]string{"config.toml": old + table("mirrors.\"docker.io\"") + "endpoint = [\"http://m.lan:5000\", \"https://n.lan/x\"]\n"},
			"tables /etc/containerd/config.toml:3: http://m.lan:5000/v2?ns=docker.io https://n.lan/x?ns=docker.io https://registry-1.docker.io/v2"},
		{"mirrors of all", "1.7.35", "quay.io/a/b", map[string]string{"config.toml": old + table("mirrors.\"*\"") + "endpoint = [\"http://m.lan:5000\"]\n"},
			"tables /etc/containerd/config.toml:3: http://m.lan:5000/v2?ns=quay.io https://quay.io/v2"},
		{"a mirror of the very host has no upstream after it", "1.7.35", "h.lan/a", map[string]string{"config.toml": old + table("mirrors.\"h.lan\"") + "endpoint = [\"http://h.lan\"]\n"},
			"tables /etc/containerd/config.toml:3: http://h.lan/v2"},
		{"this machine without tables", "1.7.35", "localhost:5000/a", map[string]string{"config.toml": old}, "nothing : http://localhost:5000/v2"},
		{"this machine with a hosts directory", "1.7.35", "localhost:5000/a", map[string]string{"config.toml": old + withDir, "certs.d/x/hosts.toml": mirror}, "nothing : https://localhost:5000/v2"},
		{"an authority that is not there", "2.4.2", "nginx", map[string]string{"config.toml": current + withDir, "certs.d/docker.io/hosts.toml": "server = \"https://m.lan\"\nca = \"gone.pem\"\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: BROKEN the CA file /etc/containerd/certs.d/docker.io/gone.pem cannot be read"},
		{"an authority of a plain host that is not there", "2.4.2", "nginx", map[string]string{"config.toml": current + withDir, "certs.d/docker.io/hosts.toml": "server = \"http://m.lan:80\"\nca = \"gone.pem\"\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: BROKEN the CA file /etc/containerd/certs.d/docker.io/gone.pem cannot be read"},
		{"dial_timeout on 2.0: https first", "2.0.14", "nginx", map[string]string{"config.toml": current + withDir, "certs.d/docker.io/hosts.toml": mirror + "dial_timeout = \"1s\"\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: https://m.lan:5000/v2?ns=docker.io https://registry-1.docker.io/v2"},
		{"dial_timeout since 2.1", "2.1.0", "nginx", map[string]string{"config.toml": current + withDir, "certs.d/docker.io/hosts.toml": mirror + "dial_timeout = \"1s\"\n"},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: http://m.lan:5000/v2?ns=docker.io https://registry-1.docker.io/v2"},
		{"an IPv6 reference", "1.7.35", "[fd00::1]:5000/a", map[string]string{"config.toml": old}, "nothing : https://[fd00::1]:5000/v2"},
		{"an IPv6 reference on 1.6", "1.6.20", "[fd00::1]:5000/a", map[string]string{"config.toml": old}, "nothing : BROKEN containerd 1.6.20 takes no image reference with an IPv6 address"},
		{"this machine on an old release", "1.6.20", "localhost/a", map[string]string{"config.toml": old + withDir, "certs.d/x/hosts.toml": mirror}, "nothing : http://localhost/v2"},
		{"this machine on a newer release", "1.7.35", "localhost/a", map[string]string{"config.toml": old + withDir, "certs.d/x/hosts.toml": mirror}, "nothing : https://localhost/v2"},
		{"config_path is a file", "2.4.2", "nginx", map[string]string{"config.toml": current + withDir, "certs.d": "x"},
			"nothing /etc/containerd/certs.d: BROKEN /etc/containerd/certs.d is not a directory that can be read, so every pull on this node fails"},
		{"a file in place of the directory", "2.4.2", "nginx", map[string]string{"config.toml": current + withDir, "certs.d/docker.io": "x"},
			"empty-directory /etc/containerd/certs.d/docker.io: BROKEN /etc/containerd/certs.d/docker.io is not a directory that can be read"},
		{"crashes", "1.7.35", "nginx", map[string]string{"config.toml": old + withDir, "certs.d/docker.io/hosts.toml": "[host]\nskip_verify = true\n" + mirror},
			"hosts-file /etc/containerd/certs.d/docker.io/hosts.toml: BROKEN containerd 1.7.35 crashes while it reads /etc/containerd/certs.d/docker.io/hosts.toml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr, ways := orderOf(t, tc.release, tc.image, tc.files)
			if got := short(tr); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
			if len(ways) != len(tr.Hosts) {
				t.Errorf("%d ways for %d hosts", len(ways), len(tr.Hosts))
			}
			if (tr.Broken == nil) != (tr.Verdict == nil) {
				t.Errorf("verdict %v, broken %v", tr.Verdict, tr.Broken)
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	files := map[string]string{
		"config.toml": old + withDir + table("configs.\"m.lan:5000\".auth") + "username = \"robot\"\npassword = \"secret-text\"\n" +
			table("configs.\"quay.io\".auth") + "auth = \"YTpi\"\n",
		"certs.d/quay.io/hosts.toml": "[host.\"http://m.lan:5000\"]\n[host.\"http://m.lan:5000\".header]\nX-Key = \"header-text\"\n",
	}
	tr, ways := orderOf(t, "1.7.35", "quay.io/a/b", files)
	if len(ways) != 2 || ways[0].Auth == nil || ways[0].Auth.Username != "robot" || ways[1].Auth == nil || ways[1].Auth.Username != "a" || ways[1].Auth.Password.Reveal() != "b" {
		t.Fatalf("%+v", ways)
	}
	if h := tr.Hosts[0]; h.Login != "user robot of /etc/containerd/config.toml:4" || fmt.Sprint(h.Headers) != "[X-Key]" {
		t.Errorf("%+v", h)
	}
	if text := fmt.Sprintf("%+v %+v", tr, tr.Hosts); strings.Contains(text, "secret-text") || strings.Contains(text, "header-text") {
		t.Error("a secret is shown")
	}
	// 2.0.0 forgot them beside a hosts directory.
	if _, ways := orderOf(t, "2.0.0", "quay.io/a/b", files); ways[0].Auth != nil {
		t.Error("2.0.0 uses configs.auth")
	}
	if _, ways := orderOf(t, "2.0.1", "quay.io/a/b", files); ways[0].Auth == nil {
		t.Error("2.0.1 does not use configs.auth")
	}
}
