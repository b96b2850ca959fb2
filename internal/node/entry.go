package node

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Kind of an Entry.
type Kind string

// The kinds. Absence is a state like every other: undo must be able to delete.
const (
	KindAbsent  Kind = "absent"
	KindFile    Kind = "file"
	KindDir     Kind = "dir"
	KindSymlink Kind = "symlink"
)

// MaxFile is the largest file that is read from or backed up on a node, in bytes.
const MaxFile = 32 << 20

// maxChildren bounds the entries of one host directory.
const maxChildren = 1000

// Entry is the complete state of one path: what undo has to bring back. A
// folder's entry holds its children; host directories are flat, a deeper tree
// is an error.
type Entry struct {
	Kind    Kind      `json:"kind"`
	Mode    uint32    `json:"mode,omitempty"`
	UID     int       `json:"uid"`
	GID     int       `json:"gid"`
	ModTime time.Time `json:"modTime,omitzero"`
	SHA256  string    `json:"sha256,omitempty"`
	// Target of a symbolic link.
	Target string `json:"target,omitempty"`
	// Children of a folder, sorted by name.
	Children []Child `json:"children,omitempty"`
	// Data of a file. It is kept in the backup, never in the journal.
	Data []byte `json:"-"`
}

// Child is one named entry of a folder.
type Child struct {
	Name  string `json:"name"`
	Entry Entry  `json:"entry"`
}

// NewFile is the entry of a file to be written, owned by root.
func NewFile(data []byte, mode uint32) Entry {
	return Entry{Kind: KindFile, Mode: mode, Data: data, SHA256: hash(data), UID: os.Geteuid(), GID: os.Getegid()}
}

func hash(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// TakeEntry reads the present state of a path; absence is an Entry, not an error.
func TakeEntry(path string) (Entry, error) {
	st, err := os.Lstat(path)
	// A path below something that is no folder does not exist either.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return Entry{Kind: KindAbsent}, nil
	}
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Mode: uint32(st.Mode().Perm()), ModTime: st.ModTime()}
	if st.Mode()&fs.ModeSetuid != 0 || st.Mode()&fs.ModeSetgid != 0 || st.Mode()&fs.ModeSticky != 0 {
		return Entry{}, fmt.Errorf("%s has a special mode %s, which cannot be put back safely", path, st.Mode())
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		e.UID, e.GID = int(sys.Uid), int(sys.Gid)
	}
	switch {
	case st.Mode().IsRegular():
		e.Kind = KindFile
		if e.Data, err = readBounded(path, MaxFile); err != nil {
			return Entry{}, err
		}
		e.SHA256 = hash(e.Data)
	case st.Mode()&fs.ModeSymlink != 0:
		e.Kind = KindSymlink
		if e.Target, err = os.Readlink(path); err != nil {
			return Entry{}, err
		}
	case st.IsDir():
		e.Kind = KindDir
		if err := e.takeChildren(path); err != nil {
			return Entry{}, err
		}
	default:
		return Entry{}, fmt.Errorf("%s is neither file, folder nor link", path)
	}
	return e, nil
}

func (e *Entry) takeChildren(path string) error {
	names, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if len(names) > maxChildren {
		return fmt.Errorf("%s holds %d entries, more than %d", path, len(names), maxChildren)
	}
	for _, n := range names {
		if n.IsDir() {
			return fmt.Errorf("%s holds a folder %q; a host directory is flat", path, n.Name())
		}
		c, err := TakeEntry(filepath.Join(path, n.Name()))
		if err != nil {
			return err
		}
		e.Children = append(e.Children, Child{n.Name(), c})
	}
	slices.SortFunc(e.Children, func(a, b Child) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// Same reports whether two entries are the same bytes, modes, owners and names.
// Times are not compared: a restored file has its old time, a new one its own.
func (e Entry) Same(o Entry) bool {
	if e.Kind != o.Kind || e.Target != o.Target || e.SHA256 != o.SHA256 || len(e.Children) != len(o.Children) {
		return false
	}
	if e.Kind != KindAbsent && (e.UID != o.UID || e.GID != o.GID) {
		return false
	}
	if (e.Kind == KindFile || e.Kind == KindDir) && e.Mode != o.Mode {
		return false
	}
	for i, c := range e.Children {
		if c.Name != o.Children[i].Name || !c.Entry.Same(o.Children[i].Entry) {
			return false
		}
	}
	return true
}

// NewDir is the entry of a folder to be made, owned by root, without children.
func NewDir(mode uint32) Entry {
	return Entry{Kind: KindDir, Mode: mode, UID: os.Geteuid(), GID: os.Getegid()}
}
