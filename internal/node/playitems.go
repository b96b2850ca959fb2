package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pullway/pullway/internal/protocol"
)

// Play says where a change may come from the operator's side. Whatever is not
// there before is taken away again by an undo.
type Play struct {
	// ConfigDirs hold files that containerd reads when it starts; HostsDirs hold host
	// directories.
	ConfigDirs []string `json:"configDirs"`
	HostsDirs  []string `json:"hostsDirs"`
	// Folders are those of both that exist, as they are, without their entries.
	Folders []Folder `json:"folders,omitempty"`
}

// Folder is a folder by itself.
type Folder struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
}

func folder(path string, st fs.FileInfo) Folder {
	f := Folder{Path: path, Mode: uint32(st.Mode().Perm())}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		f.UID, f.GID = int(sys.Uid), int(sys.Gid)
	}
	return f
}

// keep makes items of everything that stands in the folders of a configuration
// and in hosts directories; dirs come in pairs of the two.
func (r *Record) keep(dirs ...string) error {
	p := &Play{}
	for i, dir := range dirs {
		list := &p.ConfigDirs
		if i%2 == 1 {
			list = &p.HostsDirs
		}
		if dir = filepath.Clean(dir); !slices.Contains(*list, dir) {
			*list = append(*list, dir)
		}
	}
	r.Play = p
	for _, dir := range slices.Concat(p.ConfigDirs, p.HostsDirs) {
		st, err := os.Lstat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			r.MadeDirs = append(r.MadeDirs, dir)
			continue
		case err != nil:
			return err
		case !st.IsDir():
			return &protocol.Error{Kind: protocol.ErrRefused, Text: dir + " is not a folder", Hint: "put a folder in its place: what a play does through a link is not put back"}
		}
		p.Folders = append(p.Folders, folder(dir, st))
	}
	return r.eachStanding(func(target string, config bool) error {
		before, err := TakeEntry(target)
		r.Items = append(r.Items, r.kept(target, before, config))
		return err
	})
}

// kept is an item whose new state is not known yet.
func (r *Record) kept(target string, before Entry, config bool) Item {
	hostsDir := filepath.Dir(target)
	if config {
		hostsDir = ""
	}
	return Item{Target: target, Before: before, After: Entry{Kind: KindAbsent}, Config: config, Staged: stagedName(target, hostsDir, r.ID)}
}

// eachStanding calls do for each entry of the folders that is not ours for the
// time being. Folders in a configuration's folder are passed over.
func (r *Record) eachStanding(do func(target string, config bool) error) error {
	for i, dir := range slices.Concat(r.Play.ConfigDirs, r.Play.HostsDirs) {
		config := i < len(r.Play.ConfigDirs)
		names, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(names) > maxHostDirs {
			return fmt.Errorf("%s holds %d entries, more than %d", dir, len(names), maxHostDirs)
		}
		for _, n := range names {
			if strings.HasPrefix(n.Name(), stagePrefix) || n.Name() == ProbeHost || config && n.IsDir() {
				continue
			}
			if err := do(filepath.Join(dir, n.Name()), config); err != nil {
				return err
			}
		}
	}
	return nil
}

// appeared adds an item for each entry that was not there before.
func (r *Record) appeared() error {
	known := map[string]bool{}
	for _, i := range r.Items {
		known[i.Target] = true
	}
	return r.eachStanding(func(target string, config bool) error {
		if !known[target] {
			r.Items = append(r.Items, r.kept(target, Entry{Kind: KindAbsent}, config))
		}
		return nil
	})
}

// foldersBack gives the folders themselves their former mode and owner.
func (d disk) foldersBack(p *Play) error {
	var errs []error
	for _, f := range p.Folders {
		st, err := os.Lstat(f.Path)
		if err == nil && folder(f.Path, st) == f {
			continue
		}
		errs = append(errs, d.around("chmod", f.Path, func() error {
			return errors.Join(os.Chown(f.Path, f.UID, f.GID), os.Chmod(f.Path, fs.FileMode(f.Mode)))
		}))
	}
	return errors.Join(errs...)
}
