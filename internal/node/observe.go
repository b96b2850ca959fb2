package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pullway/pullway/internal/containerd"
	"github.com/pullway/pullway/internal/containerd/configtoml"
	"github.com/pullway/pullway/internal/cri"
	"github.com/pullway/pullway/internal/daemon"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// maxHostDirs bounds how many host directories are read.
const maxHostDirs = 10_000

// observation is what the engine saw, with the connections it saw it through.
type observation struct {
	plan.Observed
	daemon  *daemon.Daemon
	cri     *cri.Client
	address string
	// baseline of CRI's health; nil when it was not well.
	baseline *cri.Baseline
}

func (o *observation) close() {
	if o.cri != nil {
		_ = o.cri.Close()
	}
}

// observe reads everything a plan depends on. The caller closes it.
func observe(ctx context.Context, s store) (*observation, error) {
	d, err := daemon.Find(ctx, daemon.Options{})
	if err != nil {
		return nil, err
	}
	o := &observation{daemon: d}
	o.Hostname, _ = os.Hostname()
	o.Running, o.Release = d.PID != 0, d.Release
	o.Stopped = d.PID == 0 && d.Unit.ActiveState == "inactive"
	o.Unit, o.KillMode = d.Unit.Name, d.Unit.KillMode
	o.ConfigFile, o.Started = d.Args.ConfigFile, d.Started
	if o.Tree, err = configtoml.Load(osSource{}, o.ConfigFile, o.Release); err != nil {
		return nil, err
	}
	var head []byte
	if len(o.Tree.Files) > 0 {
		head = o.Tree.Files[0].Data
	}
	o.Distribution = containerd.Recognise(d.Exe, o.ConfigFile, d.Address(), head)
	o.describeConfigFiles()
	o.HostsDir = plan.HostsDir(o.Tree)
	if o.Hosts, err = readHosts(o.HostsDir); err != nil {
		return nil, err
	}
	for _, dir := range plan.FurtherDirs(o.Tree) {
		if hosts, err := readHosts(dir); err == nil && len(hosts) > 0 {
			o.ShadowedDirs = append(o.ShadowedDirs, dir)
		}
	}
	if o.Manifest, err = s.manifest(); err != nil {
		return nil, err
	}
	return o, o.askHealth(ctx)
}

// askHealth asks CRI how it is. That it is not well is an observation, no error.
func (o *observation) askHealth(ctx context.Context) (err error) {
	o.address = o.daemon.Address()
	if named := o.Tree.Address(); named != "" && !o.daemon.NamesAddress() {
		o.address = named
	}
	if o.cri, err = cri.Dial(o.address); err != nil {
		return err
	}
	if !o.Running {
		o.Health = "containerd does not run"
		return nil
	}
	h, err := o.cri.Health(ctx)
	if err != nil {
		o.Health = err.Error()
		return nil
	}
	if o.Healthy, o.Health = h.OK(); o.Healthy {
		b := h.Baseline()
		o.baseline = &b
	}
	return nil
}

func (o *observation) describeConfigFiles() {
	o.ConfigTimes, o.ConfigModes, o.ConfigLinks = map[string]time.Time{}, map[string]uint32{}, map[string]string{}
	for _, f := range o.Tree.Files {
		st, err := os.Lstat(f.Path)
		if err != nil {
			continue
		}
		if st.Mode()&fs.ModeSymlink != 0 {
			o.ConfigLinks[f.Path], _ = os.Readlink(f.Path)
		}
		o.ConfigTimes[f.Path], o.ConfigModes[f.Path] = st.ModTime(), uint32(st.Mode().Perm())
	}
}

// readHosts reads a hosts directory; absence is an empty one.
func readHosts(dir string) ([]plan.HostDir, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(names) > maxHostDirs {
		return nil, fmt.Errorf("%s holds %d entries, more than %d", dir, len(names), maxHostDirs)
	}
	var all []plan.HostDir
	for _, n := range names {
		if strings.HasPrefix(n.Name(), stagePrefix) || n.Name() == ProbeHost {
			continue // ours, of an attempt that Recover settles
		}
		h := plan.HostDir{Name: n.Name(), Kind: "dir"}
		switch {
		case n.Type()&fs.ModeSymlink != 0:
			h.Kind = "link"
		case n.Type().IsRegular():
			h.Kind = "file"
		case !n.IsDir():
			h.Kind = "other"
		}
		if h.Kind == "dir" {
			if err := readHostDir(filepath.Join(dir, n.Name()), &h); err != nil {
				return nil, err
			}
		}
		all = append(all, h)
	}
	return all, nil
}

func readHostDir(path string, h *plan.HostDir) error {
	names, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if len(names) > maxChildren {
		return fmt.Errorf("%s holds %d entries, more than %d", path, len(names), maxChildren)
	}
	for _, n := range names {
		if n.IsDir() {
			h.Nested = true
			continue
		}
		f := plan.HostFile{Name: n.Name()}
		if st, err := n.Info(); err == nil {
			f.Mode = uint32(st.Mode().Perm())
		}
		if n.Type().IsRegular() {
			if f.Data, err = readBounded(filepath.Join(path, n.Name()), MaxFile); err != nil {
				return err
			}
		}
		h.Files = append(h.Files, f)
	}
	return nil
}

// osSource reads configuration files of this machine.
type osSource struct{}

// ReadFile implements configtoml.Source. It follows links, as containerd does.
func (osSource) ReadFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &protocol.Error{Kind: protocol.ErrFailed, Text: path + " is not a regular file", Hint: "look at what stands there, and put containerd's configuration file in its place"}
	}
	if st.Size() > MaxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, MaxFile)
	}
	return os.ReadFile(path)
}

// Glob implements configtoml.Source.
func (osSource) Glob(pattern string) ([]string, error) { return filepath.Glob(pattern) }
