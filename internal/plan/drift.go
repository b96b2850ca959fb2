package plan

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The values of FileState.State.
const (
	// AsWritten: the bytes, mode and owner that Pullway wrote.
	AsWritten = "as-written"
	// Changed: somebody changed a file of ours, or something else stands there.
	Changed = "changed"
	// Gone: a file of ours is not there any more.
	Gone = "gone"
	// SettingsIntact: a file of containerd's configuration was changed by somebody
	// since we changed it, and still says what we wrote.
	SettingsIntact = "settings-intact"
	// SettingsLost: the configuration does not say any more what we wrote.
	SettingsLost = "settings-lost"
)

// FileState is one file of ours, or one file of containerd's configuration that
// we changed, as it is now. Nothing in it is secret.
type FileState struct {
	Path string `json:"path"`
	// State is "as-written", "changed", "gone", "settings-intact" or "settings-lost".
	State string `json:"state"`
	// By is who wrote what stands there now, by its marks: "spegel", "kubespray",
	// "ansible" and so on. Empty when no mark tells.
	By string `json:"by,omitempty"`
	// Evidence is the mark that By goes by.
	Evidence string `json:"evidence,omitempty"`
	// Detail says what differs: "mode 0644, written as 0600", "config_path is not set any more".
	Detail string `json:"detail,omitempty"`
	// NotInForce says that containerd has not read the file since it was changed,
	// and since when; empty when it has.
	NotInForce string `json:"notInForce,omitempty"`
	// writer is By with what is known of it.
	writer Writer
	// shallow tells that no content of anybody's is lost by writing it again: only
	// the mode or the owner differs.
	shallow bool
}

// Drifted reports whether the file is not what we left, in what is ours.
func (f FileState) Drifted() bool { return f.State != AsWritten && f.State != SettingsIntact }

// Text says in a few words what became of the file and who did it.
func (f FileState) Text() string {
	by := f.By
	if f.Evidence != "" {
		by += " (" + f.Evidence + ")"
	}
	text := "is as Pullway wrote it"
	switch f.State {
	case Changed:
		text = "was changed" + prefixed(" by ", by) + " since Pullway wrote it"
	case Gone:
		text = "was removed" + prefixed(" by ", by) + " since Pullway wrote it"
	case SettingsIntact:
		text = "was changed" + prefixed(" by ", by) + " since Pullway changed it, and has Pullway's settings"
	case SettingsLost:
		text = "does not have Pullway's settings any more" + prefixed(", and was written by ", by)
	}
	return text + prefixed(": ", f.Detail)
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// FileStates says of each file that the manifest names how it is now: host
// directories first, then the configuration. key is the node's own, with which
// the manifest's hashes of credentials are made.
func FileStates(o Observed, key []byte) []FileState {
	var all []FileState
	for _, f := range o.Manifest.Files {
		all = append(all, o.fileState(f))
	}
	return append(all, o.configStates(key)...)
}

// fileState is the state of one file of a host directory.
func (o *Observed) fileState(f Owned) FileState {
	s := FileState{Path: f.Path, State: AsWritten}
	dirPath := filepath.Dir(f.Path)
	hosts := o.hostsIn(filepath.Dir(dirPath))
	have := find(hosts, filepath.Base(dirPath))
	switch {
	case have == nil:
		return s.gone(whoMoved(filepath.Base(dirPath), beside(hosts)))
	case have.Kind != "dir":
		return s.changed(Writer{}, dirPath+" is now "+standing(have.Kind, have.Link))
	case slices.Contains(have.Folders, filepath.Base(f.Path)):
		return s.changed(Writer{}, "it is a folder now")
	}
	now := have.file(filepath.Base(f.Path))
	switch {
	case now == nil:
		return s.gone(Writer{})
	case now.Data == nil:
		return s.changed(Writer{}, "it is now "+standing("other", now.Link))
	case sha(now.Data) != f.SHA256:
		w := WhoWrote(f.Path, now.Data, beside(hosts))
		if w.Name == "pullway" {
			return s.changed(Writer{}, "edited in place, Pullway's first line is still there")
		}
		return s.changed(w, "")
	}
	var differs []string
	if now.Mode != f.Mode {
		differs = append(differs, fmt.Sprintf("mode %04o, written as %04o", now.Mode, f.Mode))
	}
	if now.Owner != "" {
		differs = append(differs, "it belongs to "+now.Owner)
	}
	if len(differs) > 0 {
		s.shallow = true
		return s.changed(Writer{}, strings.Join(differs, "; "))
	}
	return s
}

func (f FileState) changed(w Writer, detail string) FileState {
	f.State, f.Detail = Changed, detail
	return f.by(w)
}

func (f FileState) gone(w Writer) FileState {
	f.State = Gone
	return f.by(w)
}

func (f FileState) by(w Writer) FileState {
	f.By, f.Evidence, f.writer = w.Name, w.Evidence, w
	return f
}

// standing says what stands where a file or directory should.
func standing(kind, link string) string {
	switch {
	case link != "":
		return "a symbolic link to " + link
	case kind == "link":
		return "a symbolic link"
	case kind == "file":
		return "a file"
	}
	return "neither file nor folder"
}

func (o *Observed) hostsIn(dir string) []HostDir {
	if filepath.Clean(dir) == filepath.Clean(o.HostsDir) {
		return o.Hosts
	}
	return o.Elsewhere[dir]
}

func find(hosts []HostDir, name string) *HostDir {
	for i := range hosts {
		if hosts[i].Name == name {
			return &hosts[i]
		}
	}
	return nil
}

// beside are the names in a hosts directory as WhoWrote takes them.
func beside(hosts []HostDir) (names []string) {
	for _, h := range hosts {
		names = append(names, h.Name)
		for _, f := range h.Folders {
			names = append(names, h.Name+"/"+f)
		}
	}
	return names
}
