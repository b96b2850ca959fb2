package lab

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/test/lab/registry"
)

func TestCheck(t *testing.T) {
	good := Config{Dir: "/d", Cache: "/c", Nodes: Cycle(3)}.complete(func(string) string { return "" })
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	node := func(change func(*NodeSpec)) func(*Config) {
		return func(c *Config) {
			c.Nodes = Cycle(1)
			change(&c.Nodes[0])
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string // part of the error
	}{
		{"no node", func(c *Config) { c.Nodes = nil }, "0 nodes"},
		{"more nodes than addresses", func(c *Config) { c.Nodes = Cycle(MaxNodes + 1) }, "245 nodes"},
		{"relative folder", func(c *Config) { c.Dir = "lab" }, `lab folder "lab"`},
		{"a colon would split the overlay's layers", func(c *Config) { c.Cache = "/a:b" }, `cache folder "/a:b"`},
		{"name twice", func(c *Config) { c.Nodes[1].Name = "node1" }, `"node1": used twice`},
		{"name with a slash", node(func(n *NodeSpec) { n.Name = "a/b" }), `node name "a/b"`},
		{"unknown release form", node(func(n *NodeSpec) { n.Containerd = "v2.4.2" }), `"v2.4.2" is not`},
		{"user with blanks", node(func(n *NodeSpec) { n.User = "a b" }), `user name "a b"`},
		{"root with sudo", node(func(n *NodeSpec) { n.User, n.SudoPassword = "root", "x" }), "root needs no"},
		{"password with newline", node(func(n *NodeSpec) { n.User, n.SudoPassword = "u", "a\nb" }), "neither colon"},
		{"registry without port", func(c *Config) { c.Registries[0].Addr = "192.168.21.9" }, "not ADDRESS:PORT"},
		{"registry address twice", func(c *Config) { c.Registries[1].Addr = c.Registries[0].Addr }, "used twice"},
		{"registry auth", func(c *Config) { c.Registries[0].Auth = "magic" }, `unknown auth "magic"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := good
			c.Nodes = Cycle(3)
			c.Registries = append([]registry.Spec(nil), DefaultRegistries()...)
			tc.change(&c)
			for i := range c.Nodes {
				c.Nodes[i].User = or(c.Nodes[i].User, "root")
			}
			err := c.check()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q in it", err, tc.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("one cause, several problems: %v", err)
			}
		})
	}
}

func TestComplete(t *testing.T) {
	env := map[string]string{"PULLWAY_LAB_DIR": "/lab", "XDG_CACHE_HOME": "/xdg"}
	got := Config{Nodes: []NodeSpec{{Name: "a"}, {Name: "b", User: "ops"}}}.complete(func(k string) string { return env[k] })
	if got.Dir != "/lab" || got.Cache != "/xdg/pullway-lab" || got.Nodes[0].User != "root" || got.Nodes[1].User != "ops" {
		t.Errorf("got %+v", got)
	}
	env["PULLWAY_LAB_CACHE"] = "/mine"
	if got := (Config{Dir: "/given"}).complete(func(k string) string { return env[k] }); got.Dir != "/given" || got.Cache != "/mine" {
		t.Errorf("got %q and %q", got.Dir, got.Cache)
	}
}

func TestParseReleases(t *testing.T) {
	got, err := ParseReleases("1.6.20, 2.4.2,none")
	want := []NodeSpec{{Name: "node1", Containerd: "1.6.20"}, {Name: "node2", Containerd: "2.4.2"}, {Name: "node3"}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Fatal(err, d)
	}
	for _, bad := range []string{"", "2.4", "2.4.2;rm", "3.0.0", "1.6.20,,"} {
		if got, err := ParseReleases(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestMissing(t *testing.T) {
	none := func(string) (string, error) { return "", nil }
	if got := missing(none); got != nil {
		t.Errorf("got %v", got)
	}
	got := missing(func(tool string) (string, error) {
		if tool == "ip" || tool == "debootstrap" {
			return "", exec.ErrNotFound
		}
		return "", nil
	})
	if d := cmp.Diff([]string{"debootstrap", "iproute2"}, got); d != "" {
		t.Error(d)
	}
}
