package doctor_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pullway/pullway/internal/doctor"
)

// etc is a folder like /etc/containerd, of files by name.
func etc(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func look(t *testing.T, dir string) doctor.Report {
	t.Helper()
	trees, _, err := doctor.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r := doctor.Examine(trees[0].Node)
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	for _, f := range r.Findings {
		if strings.ContainsAny(f.Text+f.Hint, "\n\r") || f.Text == "" {
			t.Errorf("not one line: %q %q", f.Text, f.Hint)
		}
	}
	for _, u := range r.Unread {
		if strings.ContainsAny(u.Text, "\n\r") || u.Text == "" {
			t.Errorf("not one line: %q", u.Text)
		}
	}
	return r
}

func tells(r doctor.Report, rule string) bool {
	return slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Rule == rule })
}

// TestHostileFiles: what no containerd was meant to read takes bounded time and
// gives one clear line.
func TestHostileFiles(t *testing.T) {
	garbage := string(bytes.Repeat([]byte{0, 0xff, 0x1b, '[', '2', 'J', '\n'}, 3000))
	big := "version = 2\n# " + strings.Repeat("x", 10<<20)
	var keys strings.Builder
	keys.WriteString("version = 2\n[a]\n")
	for i := range 100_000 {
		fmt.Fprintf(&keys, "k%d = 1\n", i)
	}
	deep := strings.Repeat("a.", 50_000) + "b = " + strings.Repeat("[", 50_000)
	for _, tc := range []struct {
		name, config, hosts string
		rule, unread        string
	}{
		{"binary garbage", garbage, garbage, "CFG007", ""},
		{"10 MiB", big, big, "", "larger than 4 MiB"},
		{"100,000 keys in one table", keys.String(), "", "CFG007", ""},
		{"deep nesting", deep, deep, "CFG007", ""},
		{"nothing", "", "", "HST002", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := look(t, etc(t, map[string]string{"config.toml": tc.config, "certs.d/r.lan/hosts.toml": tc.hosts}))
			if tc.rule != "" && !tells(r, tc.rule) {
				t.Errorf("%s is not told: %+v", tc.rule, r.Findings)
			}
			if tc.unread != "" && (len(r.Unread) == 0 || !strings.Contains(r.Unread[0].Text, tc.unread)) {
				t.Errorf("unread: %+v", r.Unread)
			}
		})
	}
}

func TestCyclicImports(t *testing.T) {
	r := look(t, etc(t, map[string]string{
		"config.toml": "version = 2\nimports = [\"/etc/containerd/a.toml\"]\n",
		"a.toml":      "version = 2\nimports = [\"/etc/containerd/config.toml\", \"/etc/containerd/*.toml\"]\n",
	}))
	if len(r.Unread) > 0 || tells(r, "CFG008") {
		t.Errorf("%+v", r)
	}
}

func TestManyDropIns(t *testing.T) {
	files := memory{"/etc/containerd/config.toml": "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"}
	for i := range 10_000 {
		files[fmt.Sprintf("/etc/containerd/conf.d/%05d.toml", i)] = "version = 2\n"
	}
	start := time.Now()
	if r := doctor.Examine(doctor.Node{Files: files}); len(r.Unread) > 0 || tells(r, "CFG020") {
		t.Errorf("%+v", r)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

// memory is a node's files without a disk.
type memory map[string]string

func (m memory) ReadFile(name string) ([]byte, error) {
	if text, ok := m[name]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

func (m memory) Glob(pattern string) (found []string, err error) {
	for name := range m {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found, nil
}

func (m memory) Stat(string) (doctor.Entry, error)   { return doctor.Entry{}, fs.ErrNotExist }
func (m memory) List(string) ([]doctor.Entry, error) { return nil, fs.ErrNotExist }

func TestLinks(t *testing.T) {
	dir := etc(t, map[string]string{"config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
		"real.d/r.lan/hosts.toml": "plain_http = true\n[host]\n", "outside.txt": "x"})
	for link, target := range map[string]string{
		"certs.d":                  "/etc/containerd/real.d", // absolute: a path of the node
		"real.d/loop.lan":          "loop.lan",
		"real.d/out.lan":           "/home/somebody",
		"real.d/none.lan":          "nowhere",
		"real.d/r.lan/hosts2.toml": "../../../../../../../../etc/passwd",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "node1")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	r := look(t, link) // the folder itself is a link of this machine
	if !tells(r, "HST001") {
		t.Errorf("the link to the hosts directory was not followed: %+v", r.Findings)
	}
	var told []string
	for _, u := range r.Unread {
		told = append(told, fmt.Sprintf("%s outside=%v", u.File, u.Outside))
	}
	want := []string{"/etc/containerd/certs.d/loop.lan outside=false", "/etc/containerd/certs.d/out.lan outside=true"}
	if !slices.Equal(told, want) {
		t.Errorf("unread %q, want %q", told, want)
	}
}

func TestNoRegularFiles(t *testing.T) {
	dir := etc(t, map[string]string{"certs.d/r.lan/note": ""})
	if err := os.Mkdir(filepath.Join(dir, "config.toml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "certs.d/r.lan/hosts.toml"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := look(t, dir)
	if len(r.Unread) != 2 {
		t.Errorf("unread: %+v", r.Unread)
	}
}

func FuzzExamine(f *testing.F) {
	f.Add("version = 2\nimports = [\"*.toml\"]\n", "server = \"https://r.lan\"\n[host]\n", "r.lan:5000", uint8(3))
	f.Add("0", "[host.\"\"]", "\n", uint8(3)) // a name with a line end
	f.Add("[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n", "[host.\"http://m.lan:5000\"]\nca = [\"ca.pem\"]\nclient = [[\"a\",\"b\"]]\n", "_default", uint8(40))
	f.Fuzz(func(t *testing.T, config, hosts, name string, minor uint8) {
		if name == "" || strings.ContainsAny(name, "/\x00") || len(name) > 200 || name == "." || name == ".." {
			return
		}
		dir := etc(t, map[string]string{"config.toml": config, "certs.d/" + name + "/hosts.toml": hosts})
		r := look(t, dir)
		again := look(t, dir)
		if len(r.Findings) != len(again.Findings) {
			t.Error("not the same twice")
		}
		for _, x := range r.Findings {
			if _, err := doctor.Find(x.Rule); err != nil {
				t.Error(err)
			}
		}
	})
}

// BenchmarkNode is one node's tree: a configuration of the usual size and ten
// registries, for one release and what becomes of it later.
func BenchmarkNode(b *testing.B) {
	dir := b.TempDir()
	benchTree(b, dir, 0)
	trees, _, err := doctor.Open(dir)
	if err != nil || doctor.Set(trees, "1.7.35") != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		doctor.Examine(trees[0].Node)
	}
}

func benchTree(b *testing.B, dir string, n int) {
	b.Helper()
	config := "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n"
	for i := range 120 {
		config += fmt.Sprintf("  # a comment of the usual length, line %d of node %d\n  setting_%d = %d\n", i, n, i, i)
	}
	config += "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d:/etc/docker/certs.d\"\n"
	files := map[string]string{"config.toml": config}
	for i := range 10 {
		files[fmt.Sprintf("certs.d/registry%d.example.com/hosts.toml", i)] = fmt.Sprintf("server = \"https://registry%d.example.com\"\n\n[host.\"https://mirror%d.example.com:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n  ca = \"ca.pem\"\n", i, n)
	}
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// Thousands of host directories take no more than their number.
func TestManyHosts(t *testing.T) {
	const hosts = 3000
	files := many{memory{"/etc/containerd/config.toml": "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n"}, hosts}
	for i := range hosts {
		files.memory[fmt.Sprintf("/etc/containerd/certs.d/r%d.lan:5000/hosts.toml", i)] = "plain_http = true\n[host]\n"
	}
	live := &doctor.Live{}
	for i := range 2 * hosts {
		live.Images = append(live.Images, fmt.Sprintf("r%d.lan/app:v1", i/2))
	}
	start := time.Now()
	r := doctor.Examine(doctor.Node{Files: files, Release: release(t, "2.4.2"), Live: live})
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	if len(r.Findings) != doctor.MaxFindings || r.More == 0 {
		t.Errorf("%d findings and %d more", len(r.Findings), r.More)
	}
}

// many has that number of host directories.
type many struct {
	memory
	hosts int
}

func (m many) Stat(name string) (doctor.Entry, error) {
	if name == "/etc/containerd/certs.d" {
		return doctor.Entry{Name: "certs.d", Kind: fs.ModeDir}, nil
	}
	return doctor.Entry{}, fs.ErrNotExist
}

func (m many) List(name string) (all []doctor.Entry, err error) {
	if name != "/etc/containerd/certs.d" {
		return []doctor.Entry{{Name: "hosts.toml"}}, nil
	}
	for i := range m.hosts {
		all = append(all, doctor.Entry{Name: fmt.Sprintf("r%d.lan:5000", i), Kind: fs.ModeDir})
	}
	return all, nil
}

// denied is a node of which nothing below a folder may be read.
type denied struct {
	memory
	below string
}

func (d denied) ReadFile(name string) ([]byte, error) {
	if strings.HasPrefix(name, d.below) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.memory.ReadFile(name)
}

func (d denied) Stat(name string) (doctor.Entry, error) {
	switch {
	case name == "/etc/containerd/certs.d":
		return doctor.Entry{Name: "certs.d", Kind: fs.ModeDir}, nil
	case strings.HasPrefix(name, d.below):
		return doctor.Entry{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrPermission}
	}
	return d.memory.Stat(name)
}

func (d denied) List(name string) ([]doctor.Entry, error) {
	switch {
	case strings.HasPrefix(name, d.below):
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	case name == "/etc/containerd/certs.d":
		return []doctor.Entry{{Name: "r.lan", Kind: fs.ModeDir}}, nil
	case name == "/etc/containerd/certs.d/r.lan":
		return []doctor.Entry{{Name: "hosts.toml"}}, nil
	}
	return d.memory.List(name)
}

// Files that may not be read are told, each once, and the rest is looked at.
func TestUnreadableFiles(t *testing.T) {
	config := "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n"
	for _, tc := range []struct{ below, want string }{
		{"/etc/containerd/config.toml", "/etc/containerd/config.toml"},
		{"/etc/containerd/certs.d/r.lan", "/etc/containerd/certs.d/r.lan"},
		{"/etc/containerd/certs.d/r.lan/hosts.toml", "/etc/containerd/certs.d/r.lan/hosts.toml"},
	} {
		r := doctor.Examine(doctor.Node{Files: denied{memory{"/etc/containerd/config.toml": config, "/etc/containerd/certs.d/r.lan/hosts.toml": "server = \"https://r.lan\"\n[host]\n"}, tc.below}, Release: release(t, "2.4.2")})
		if len(r.Unread) != 1 || r.Unread[0].File != tc.want || !strings.Contains(r.Unread[0].Text, "permission denied") || strings.ContainsAny(r.Unread[0].Text, "\n") {
			t.Errorf("%s: unread %+v", tc.below, r.Unread)
		}
	}
}

// What never ends or never begins is not read.
func TestPipes(t *testing.T) {
	dir := etc(t, map[string]string{"certs.d/r.lan/note": ""})
	for _, name := range []string{"config.toml", "certs.d/r.lan/hosts.toml"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := look(t, dir); len(r.Unread) != 2 {
		t.Errorf("unread: %+v", r.Unread)
	}
}

// Ten thousand drop-ins on a disk, of which each imports all of them.
func TestManyDropInsOnDisk(t *testing.T) {
	files := map[string]string{"config.toml": "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"}
	for i := range 10_000 {
		files[fmt.Sprintf("conf.d/%05d.toml", i)] = "version = 2\n"
	}
	files["conf.d/00000.toml"] = "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"
	if r := look(t, etc(t, files)); len(r.Unread) > 0 || tells(r, "CFG020") {
		t.Errorf("%+v", r)
	}
}
