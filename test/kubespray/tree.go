// Package kubespray runs the real registry tasks of real Kubespray trees. The
// trees are looked up at run time in the git repository that KUBESPRAY_DIR names,
// bare or checked out; nothing of them is kept.
package kubespray

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"archive/tar"
)

// Repository is a git repository of Kubespray.
type Repository struct{ Dir string }

// Find is the repository that KUBESPRAY_DIR names.
func Find() (Repository, bool) {
	dir := os.Getenv("KUBESPRAY_DIR")
	return Repository{dir}, dir != ""
}

// Skipped is what a test that needs the trees says when it has none.
const Skipped = "KUBESPRAY_DIR is not set: real Kubespray trees are not there to compare with"

func (r Repository) git(ctx context.Context, args ...string) ([]byte, error) {
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", r.Dir, "-c", "safe.directory=*"}, args...)...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out, nil
}

// Commit is the full id of a tag's commit.
func (r Repository) Commit(ctx context.Context, tag string) (string, error) {
	out, err := r.git(ctx, "rev-parse", tag+"^{commit}")
	return strings.TrimSpace(string(out)), err
}

// Extract writes a tag's tree below dir and returns its folder.
func (r Repository) Extract(ctx context.Context, tag, dir string) (string, error) {
	b, err := r.git(ctx, "archive", tag)
	if err != nil {
		return "", err
	}
	top := filepath.Join(dir, tag)
	for t := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return top, nil
		}
		if err != nil {
			return "", err
		}
		if !filepath.IsLocal(h.Name) {
			return "", fmt.Errorf("%s of %s leaves the folder", h.Name, tag)
		}
		path := filepath.Join(top, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		case tar.TypeReg:
			err = writeFile(path, t, os.FileMode(h.Mode).Perm())
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, path)
		}
		if err != nil {
			return "", err
		}
	}
}

func writeFile(path string, from io.Reader, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
