package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMountsBelow(t *testing.T) {
	const info = `22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:39 / /tmp/lab/nodes/a/root rw - overlay overlay rw
31 30 0:40 / /tmp/lab/nodes/a/root/proc rw - proc proc rw
32 22 0:41 / /tmp/lab2/x rw - tmpfs tmpfs rw
33 22 0:42 / /tmp/lab/with\040blank rw - tmpfs tmpfs rw
`
	want := []string{"/tmp/lab/with blank", "/tmp/lab/nodes/a/root/proc", "/tmp/lab/nodes/a/root"}
	if d := cmp.Diff(want, mountsBelow(info, "/tmp/lab")); d != "" {
		t.Error(d)
	}
}

func TestStartTime(t *testing.T) {
	got, err := startTime("12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21")
	if err != nil || got != "4711" {
		t.Errorf("got %q, %v", got, err)
	}
	self, err := processOf(os.Getpid())
	if err != nil || !self.alive() {
		t.Errorf("this process %+v is said to be dead, %v", self, err)
	}
	self.Start += "0"
	if self.alive() {
		t.Error("a process with another start is taken for this one")
	}
}

func TestIsInit(t *testing.T) {
	for _, tc := range []struct {
		name, status string
		want         bool
	}{
		{"init of a node", "State:\tS (sleeping)\nNSpid:\t300\t1\n", true},
		{"process of this machine", "State:\tS (sleeping)\nNSpid:\t1\n", false},
		{"another process of a node", "State:\tS (sleeping)\nNSpid:\t301\t7\n", false},
		{"ended init", "State:\tZ (zombie)\nNSpid:\t300\t1\n", false},
	} {
		if got := isInit(tc.status); got != tc.want {
			t.Errorf("%s: got %v", tc.name, got)
		}
	}
}

func FuzzKernelFiles(f *testing.F) {
	f.Add("1 2 0:1 / /tmp/lab/x rw")
	f.Add("1 (a) S 1")
	f.Add("NSpid:\t3\t1\nState:\tZ")
	f.Fuzz(func(t *testing.T, s string) {
		for _, m := range mountsBelow(s, "/tmp/lab") {
			if m != "/tmp/lab" && !strings.HasPrefix(m, "/tmp/lab/") {
				t.Errorf("%q is not below /tmp/lab", m)
			}
		}
		_, _ = startTime(s)
		isInit(s)
	})
}

func TestTree(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	get := func() map[string]Entry {
		t.Helper()
		m, err := tree(dir)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	write("a", "one", 0o600)
	if err := os.Symlink("a", filepath.Join(dir, "l")); err != nil {
		t.Fatal(err)
	}
	before := get()
	if len(before) != 3 || before["l"].Link != "a" || before["a"].Mode != 0o600 {
		t.Fatalf("got %+v", before)
	}
	for _, tc := range []struct {
		name string
		do   func()
	}{
		{"other bytes of the same length", func() { write("a", "two", 0o600) }},
		{"other mode", func() { _ = os.Chmod(filepath.Join(dir, "a"), 0o640) }},
		{"new file", func() { write("b", "", 0o600) }},
		{"other mode of the folder", func() { _ = os.Chmod(dir, 0o711) }},
	} {
		tc.do()
		after := get()
		if cmp.Equal(before, after) {
			t.Errorf("%s: the tree is the same", tc.name)
		}
		before = after
	}
	if m, err := tree(filepath.Join(dir, "nosuch")); err != nil || len(m) != 0 {
		t.Errorf("a missing folder gives %v, %v", m, err)
	}
}
