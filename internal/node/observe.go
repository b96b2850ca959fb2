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
	"github.com/pullway/pullway/internal/failpoint"
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
	// hook is asked around what is asked of the node; nil but in tests.
	hook failpoint.Hook
}

func (o *observation) close() {
	if o.cri != nil {
		_ = o.cri.Close()
	}
}

// observe reads everything a plan depends on. The caller closes it.
func observe(ctx context.Context, s store, bus *daemon.Bus) (*observation, error) {
	o := &observation{hook: s.disk.hook}
	if err := o.hook.Around("find", "containerd", func() (err error) {
		o.daemon, err = daemon.Find(ctx, daemon.Options{Bus: bus, Release: o.askRelease, Hook: o.hook})
		return err
	}); err != nil {
		o.close()
		return nil, err
	}
	if err := o.look(ctx, s); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// look reads what there is beside the daemon.
func (o *observation) look(ctx context.Context, s store) (err error) {
	d := o.daemon
	o.Hostname, _ = os.Hostname()
	o.Running, o.Release = d.PID != 0, d.Release
	o.Stopped = d.PID == 0 && d.Unit.ActiveState == "inactive"
	o.Unit, o.KillMode = d.Unit.Name, d.Unit.KillMode
	o.ConfigFile, o.Started = d.Args.ConfigFile, d.Started
	if o.Tree, err = configtoml.Load(osSource{}, o.ConfigFile, o.Release); err != nil {
		return err
	}
	var head []byte
	if len(o.Tree.Files) > 0 {
		head = o.Tree.Files[0].Data
	}
	o.Distribution = containerd.Recognise(d.Exe, o.ConfigFile, d.Address(), head)
	o.describeConfigFiles()
	if o.Manifest, err = s.remembered(); err != nil {
		return err
	}
	o.HostsDir = plan.HostsDir(o.Tree, o.Manifest)
	if o.Hosts, err = readHosts(o.HostsDir); err != nil {
		return err
	}
	o.Exposed = exposedOf(o.HostsDir, o.Tree.Files)
	for _, dir := range plan.FurtherDirs(o.Tree, o.HostsDir) {
		if hosts, err := readHosts(dir); err == nil && len(hosts) > 0 {
			o.ShadowedDirs = append(o.ShadowedDirs, dir)
		}
	}
	o.Elsewhere = map[string][]plan.HostDir{}
	for _, dir := range plan.OtherHostsDirs(o.Manifest, o.HostsDir) {
		if o.Elsewhere[dir], err = readHosts(dir); err != nil {
			return err
		}
	}
	return o.askHealth(ctx)
}

// askHealth asks CRI how it is. That it is not well is an observation, no error.
func (o *observation) askHealth(ctx context.Context) error {
	o.address = o.daemon.Address()
	if named := o.Tree.Address(); named != "" && !o.daemon.NamesAddress() {
		o.address = named
	}
	if err := o.dial(o.address); err != nil {
		return err
	}
	if !o.Running {
		o.Health = "containerd does not run"
		return nil
	}
	h, err := pointedCRI{o.cri, o.hook}.Health(ctx)
	if err != nil {
		o.Health = err.Error()
		return nil
	}
	if r, ok := o.cri.RegistryConfig(ctx); ok {
		o.Loaded = &plan.Loaded{ConfigPath: r.ConfigPath}
	}
	if o.Healthy, o.Health = h.OK(); o.Healthy {
		b := h.Baseline()
		o.baseline = &b
	}
	return nil
}

// askRelease asks the daemon at address for its release. The connection stays for
// everything else that is asked there, and is never changed for another one.
func (o *observation) askRelease(ctx context.Context, address string) (containerd.Release, error) {
	if o.cri != nil && !o.reaches(address) {
		return containerd.Release{}, errors.New("another socket is in use")
	}
	if err := o.dial(address); err != nil {
		return containerd.Release{}, err
	}
	return o.cri.Version(ctx)
}

func (o *observation) reaches(address string) bool {
	return o.cri != nil && o.cri.Address() == strings.TrimPrefix(address, "unix://")
}

// dial makes the client for a socket, unless it is there already.
func (o *observation) dial(address string) error {
	if o.reaches(address) {
		return nil
	}
	o.close()
	return o.hook.Around("connect", address, func() (err error) {
		o.cri, err = cri.Dial(address)
		return err
	})
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
			h.Link, _ = os.Readlink(filepath.Join(dir, n.Name()))
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
			h.Folders = append(h.Folders, n.Name())
			continue
		}
		f := plan.HostFile{Name: n.Name()}
		if st, err := n.Info(); err == nil {
			f.Mode, f.Owner = uint32(st.Mode().Perm()), stranger(st)
		}
		if n.Type()&fs.ModeSymlink != 0 {
			f.Link, _ = os.Readlink(filepath.Join(path, n.Name()))
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
