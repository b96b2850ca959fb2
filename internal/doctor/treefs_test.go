package doctor_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/pullway/pullway/internal/doctor"
)

// A tree of files is the same to whoever takes an fs.FS: links lead where they lead on
// the node, loops and what never ends are errors.
func TestTreeFS(t *testing.T) {
	dir := etc(t, map[string]string{"etc/containerd/config.toml": "version = 2\n", "opt/certs/r.lan/hosts.toml": "server = \"https://r.lan\"\n"})
	for link, target := range map[string]string{"etc/containerd/certs.d": "/opt/certs", "opt/loop": "loop", "opt/out": "../../../../../../etc/passwd"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "opt/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := doctor.Folder{Path: dir, At: "/"}.FS()
	if b, err := fs.ReadFile(files, "etc/containerd/certs.d/r.lan/hosts.toml"); err != nil || string(b) != "server = \"https://r.lan\"\n" {
		t.Errorf("through an absolute link: %q, %v", b, err)
	}
	if found, err := fs.Glob(files, "etc/containerd/certs.d/*/hosts.toml"); err != nil || !slices.Equal(found, []string{"etc/containerd/certs.d/r.lan/hosts.toml"}) {
		t.Errorf("glob: %q, %v", found, err)
	}
	if all, err := fs.ReadDir(files, "etc/containerd/certs.d"); err != nil || len(all) != 1 || all[0].Name() != "r.lan" {
		t.Errorf("list: %v, %v", all, err)
	}
	for name, want := range map[string]error{"etc/nothing": fs.ErrNotExist, "opt/out": fs.ErrNotExist, "etc/containerd/config.toml/x": syscall.ENOTDIR, "opt/loop": nil, "opt/pipe": nil, "../x": fs.ErrInvalid} {
		if _, err := fs.ReadFile(files, name); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
