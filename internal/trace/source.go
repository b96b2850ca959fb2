package trace

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
)

// maxFile is the largest file that is read, in bytes.
const maxFile = 4 << 20

// Load reads the configuration of the tree of files by the rules of rel. config is
// the absolute path of its root file.
func Load(files fs.FS, config string, rel containerd.Release) (*configtoml.Tree, error) {
	return configtoml.Load(source{files}, config, rel)
}

// source is an fs.FS by absolute paths.
type source struct{ files fs.FS }

func name(p string) string {
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); p == "" {
		return "."
	}
	return p
}

// ReadFile reads one regular file of at most maxFile bytes.
func (s source) ReadFile(p string) ([]byte, error) {
	st, err := fs.Stat(s.files, name(p))
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", p)
	}
	f, err := s.files.Open(name(p))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", p, maxFile)
	}
	return b, err
}

// Glob implements configtoml.Source.
func (s source) Glob(pattern string) ([]string, error) {
	found, err := fs.Glob(s.files, name(pattern))
	for i := range found {
		found[i] = "/" + found[i]
	}
	return found, err
}

// dir reports whether p is there, and whether it is a directory. The error is one
// over which containerd fails.
func (s source) dir(p string) (there, dir bool, err error) {
	st, err := fs.Stat(s.files, name(p))
	if errorIsAbsence(err) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	return true, st.IsDir(), nil
}
