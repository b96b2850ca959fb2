package doctor

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// hostsDir is a hosts directory as it was read.
type hostsDir struct {
	path string
	// kind is fs.ModeDir; 0 for a regular file; fs.ModeIrregular where nothing is.
	kind fs.FileMode
	// dangling tells that a link is there that leads nowhere.
	dangling bool
	// outside tells that it is not among the files that were given.
	outside bool
	hosts   []hostDir
	names   map[string]bool
}

// hostDir is one entry of it.
type hostDir struct {
	name, path string
	kind       fs.FileMode // links followed; fs.ModeIrregular for one that leads nowhere
	entries    []Entry
	// has tells that there is a hosts.toml, and data is what is in it.
	has  bool
	data []byte
	mode uint32
}

func (d *hostsDir) has(name string) bool { return d.names[name] }

// hostsDir reads a hosts directory, once.
func (s *sight) hostsDir(p string) *hostsDir {
	p = path.Clean("/" + p)
	if d := s.dirs[p]; d != nil {
		return d
	}
	d := &hostsDir{path: p, kind: fs.ModeIrregular, names: map[string]bool{}}
	s.dirs[p] = d
	st, err := s.files.Stat(p)
	switch {
	case err == nil:
		d.kind = st.Kind
	case errors.Is(err, ErrOutside):
		d.outside = true
	case absent(err):
		d.dangling = s.isLink(p)
	default:
		s.failed(p, err)
	}
	if d.kind != fs.ModeDir {
		return d
	}
	entries, err := s.files.List(p)
	if err != nil {
		s.failed(p, err)
		return d
	}
	for _, e := range entries {
		if s.OnlyHost != "" && e.Name != s.OnlyHost {
			continue
		}
		h := hostDir{name: e.Name, path: path.Join(p, e.Name), kind: e.Kind}
		if e.Kind == fs.ModeSymlink {
			h.kind = fs.ModeIrregular
			if st, err := s.files.Stat(h.path); err == nil {
				h.kind = st.Kind
			} else if errors.Is(err, ErrOutside) || !absent(err) {
				s.failed(h.path, err)
			}
		}
		if h.kind == fs.ModeDir {
			s.readHost(&h)
		}
		d.hosts, d.names[h.name] = append(d.hosts, h), true
	}
	return d
}

func (s *sight) readHost(h *hostDir) {
	var err error
	if h.entries, err = s.files.List(h.path); err != nil {
		s.failed(h.path, err)
		return
	}
	file := path.Join(h.path, hoststoml.FileName)
	for _, e := range h.entries {
		if e.Name != hoststoml.FileName {
			continue
		}
		data, err := s.files.ReadFile(file)
		if err != nil {
			s.failed(file, err)
			continue
		}
		h.has, h.data, h.mode = true, data, e.Mode
		if e.Kind == fs.ModeSymlink {
			if st, err := s.files.Stat(file); err == nil {
				h.mode = st.Mode
			}
		}
	}
}

func (s *sight) isLink(p string) bool {
	entries, err := s.files.List(path.Dir(p))
	return err == nil && slices.ContainsFunc(entries, func(e Entry) bool { return e.Name == path.Base(p) && e.Kind == fs.ModeSymlink })
}

func (h *hostDir) entry(ends ...string) (names []string) {
	for _, e := range h.entries {
		if slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(e.Name, end) }) {
			names = append(names, e.Name)
		}
	}
	return names
}
