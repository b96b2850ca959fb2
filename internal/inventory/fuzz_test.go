package inventory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seed adds every inventory below testdata.
func seed(f *testing.F) {
	f.Helper()
	for _, glob := range []string{"testdata/*", "testdata/*/*", "testdata/*/group_vars/*/*"} {
		files, _ := filepath.Glob(glob)
		for _, name := range files {
			if b, err := os.ReadFile(name); err == nil {
				f.Add(b)
			}
		}
	}
}

// check asks of every outcome: no panic, a typed error of one line or a sound tree.
func check(t *testing.T, tr *tree, err error) {
	t.Helper()
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || e.Line < 0 {
			t.Fatalf("%T %v", err, err)
		}
		return
	}
	_ = tr.groupsOf()
	if len(tr.order) != len(tr.hosts) || len(tr.hosts) > maxHosts {
		t.Fatalf("%d hosts in order, %d hosts", len(tr.order), len(tr.hosts))
	}
	for _, h := range tr.order {
		_, _ = nodeOf(scope{host: h, vars: layers{tr.hosts[h].vars}, env: strings.ToUpper}, "/home/ops")
	}
}

func FuzzINI(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		tr := newTree()
		check(t, tr, readINI(tr, "h.ini", b))
	})
}

func FuzzYAML(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		tr := newTree()
		_, err := readYAML(tr, "h.yaml", b)
		check(t, tr, err)
	})
}

func FuzzFromNames(f *testing.F) {
	for _, s := range []string{"a,b", "u@c:22", "n[01:20]", "[fd00::1]:22", "n[a:f:2]x[1:2]", "[1:2]:22"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		nodes, err := FromNames(s)
		if (err == nil) == (len(nodes) == 0) || len(nodes) > maxHosts {
			t.Fatalf("%d nodes, error %v", len(nodes), err)
		}
		for _, n := range nodes {
			if !plainHost(n.Host) || !plainWord(n.User) || n.Port < 0 || n.Port > 65535 {
				t.Fatalf("%+v", n)
			}
		}
	})
}

func FuzzLimit(f *testing.F) {
	for _, s := range []string{"all", "n*", "g1:&g2:!n1", "n[1:2]", "g1[0]", "~n.", "a,b"} {
		f.Add(s)
	}
	nodes := []Node{{Name: "n1", Groups: []string{"g1"}}, {Name: "n2", Groups: []string{"g1", "g2"}}}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Limit(nodes, s)
		if (err == nil) == (len(got) == 0) {
			t.Fatalf("%d nodes, error %v", len(got), err)
		}
	})
}

func FuzzList(f *testing.F) {
	f.Add([]byte(`{"_meta":{"hostvars":{"a":{"ansible_port":22,"p":{"__ansible_vault":"x"}}}},"all":{"children":["g"]},"g":{"hosts":["a"]}}`))
	f.Add([]byte(`a | SUCCESS => {"msg": {"ansible_host": "x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, _, err := parseList("h", b)
		check(t, tr, err)
		_ = parseAdHoc(b)
	})
}
