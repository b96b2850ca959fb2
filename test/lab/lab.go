// Package lab makes real nodes and real registries on one Linux machine: systemd,
// sshd and containerd of the release that is asked for, each node with its own
// address, and registries with passwords, TLS and access logs, all in a network
// of their own that reaches nothing else. A lab may have a Kubernetes, too, with
// kubelets on nodes that are asked to have one.
//
// It needs root, the packages that Requirements names, and, at the first use,
// the Debian archive and the Go module proxy. It changes one thing of the machine that
// Down does not put back: the inotify limit, which other labs may be using.
// Nodes are not a security border: root in a node is root on the machine.
package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pullway/pullway/test/lab/registry"
)

// Lab is a lab that is up. Its methods may be used from several goroutines.
type Lab struct {
	dir        string
	state      state
	log        *slog.Logger
	nodes      []*Node
	registries []*Registry
	kube       *Kube   // nil in a lab without Kubernetes
	reaper     *reaper // of the process that made a lab that is not kept
}

// upTimeout bounds how long the nodes and registries of a lab may take to answer.
const upTimeout = 3 * time.Minute

// Up makes the lab and returns when every node answers at SSH and CRI and every
// image is in every registry. What an earlier process left behind in that folder is
// cleared away first; a lab that is still in use is refused. After an error nothing
// is left. ctx is for Up alone. The first Up on a machine takes minutes: it makes
// what Config.Cache keeps.
func Up(ctx context.Context, cfg Config, log *slog.Logger) (*Lab, error) {
	cfg, err := cfg.usable()
	if err != nil {
		return nil, err
	}
	unlock, err := lockLab(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := clearDead(ctx, cfg.Dir, log); err != nil {
		return nil, err
	}
	if err := raiseInotify(log); err != nil {
		return nil, err
	}
	st, err := prepare(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	l, err := makeFolder(ctx, cfg, st, log)
	if err == nil {
		err = l.start(ctx, cfg.Images)
	}
	if err != nil {
		if l != nil && l.reaper != nil {
			l.reaper.dismiss()
		}
		// Not ctx: its end may be why.
		return nil, errors.Join(err, remove(context.WithoutCancel(ctx), cfg.Dir))
	}
	return l, nil
}

// prepare makes or finds what the cache keeps, and gives the lab's state.
func prepare(ctx context.Context, cfg Config, log *slog.Logger) (state, error) {
	c := cache{dir: cfg.Cache, log: log}
	id := labID(cfg.Dir)
	run := make([]byte, 8)
	if _, err := rand.Read(run); err != nil {
		return state{}, err
	}
	st := state{
		ID: id, Run: hex.EncodeToString(run), Netns: netnsName(id),
		Nodes: cfg.Nodes, Registries: cfg.Registries, Layers: make([][]string, len(cfg.Nodes)),
		Kubernetes: cfg.Kubernetes,
	}
	if !cfg.Keep {
		self, err := processOf(os.Getpid())
		if err != nil {
			return st, err
		}
		st.Owner = &self
	}
	var root string
	g, gctx := errgroup.WithContext(ctx)
	// The archive and the compiler do not wait for the same thing.
	g.Go(func() (err error) {
		root, err = c.rootTree(gctx, cfg.DebianMirror)
		return err
	})
	g.Go(func() (err error) {
		if st.App, err = c.appBinary(gctx); err != nil {
			return err
		}
		if st.Binary, err = c.registryBinary(gctx); err != nil {
			return err
		}
		for i, n := range cfg.Nodes {
			if st.Layers[i], err = c.nodeLayers(gctx, n, cfg.Kubernetes.kubeletOn(n.Name)); err != nil {
				return err
			}
		}
		st.Programs, err = c.kubePrograms(gctx, cfg.Kubernetes)
		return err
	})
	if err := g.Wait(); err != nil {
		return st, err
	}
	for i := range st.Layers {
		st.Layers[i] = append(st.Layers[i], root)
	}
	return st, nil
}

// makeFolder makes the lab's folder with its state, keys and lists.
func makeFolder(ctx context.Context, cfg Config, st state, log *slog.Logger) (*Lab, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := st.save(cfg.Dir); err != nil {
		return nil, err
	}
	l := assemble(cfg.Dir, st, log)
	if err := helperBinary(ctx, l.path("helper")); err != nil {
		return l, err
	}
	if !cfg.Keep {
		r, err := startReaper(l.path("helper"), cfg.Dir, st.Run)
		if err != nil {
			return l, err
		}
		l.reaper = r
	}
	private, public, err := newKey("lab")
	if err != nil {
		return l, err
	}
	var known strings.Builder
	for _, n := range l.nodes {
		if err := n.makeKeys(); err != nil {
			return l, err
		}
		known.WriteString(knownHostsLine(n, n.hostPublic))
		n.authorized = public
	}
	ca, err := newAuthority("Lab CA")
	if err != nil {
		return l, err
	}
	for _, r := range l.registries {
		if err := r.makeFolder(ca); err != nil {
			return l, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(l.Inventory()), 0o700); err != nil {
		return l, err
	}
	files := []struct {
		path, text string
		mode       os.FileMode
	}{
		{l.SSHKey(), string(private), 0o600},
		{l.SSHKey() + ".pub", public + "\n", 0o644},
		{l.KnownHosts(), known.String(), 0o644},
		{l.path("hosts"), hostsFile(l.nodes, st.Registries), 0o644},
		{l.Inventory(), inventory(l.nodes, l.SSHKey(), l.KnownHosts()), 0o600},
		{l.CAFile(), string(ca.pem), 0o644},
	}
	for _, f := range files {
		if err := replace(f.path, []byte(f.text), f.mode); err != nil {
			return l, err
		}
	}
	if l.kube != nil {
		return l, l.kube.makeFolder(ca)
	}
	return l, nil
}

// start starts everything that the folder describes, and waits for it.
func (l *Lab) start(ctx context.Context, images []Image) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	begin := time.Now()
	if err := makeNamespace(ctx, l.state.Netns, l.addresses()); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, r := range l.registries {
		g.Go(func() error {
			if err := r.Start(gctx); err != nil {
				return err
			}
			for _, img := range images {
				if _, err := r.Push(gctx, img); err != nil {
					return err
				}
			}
			l.log.Info("registry up", "name", r.Spec.Name, "url", r.Spec.URL(), "after", time.Since(begin).Round(time.Millisecond))
			return r.ClearLog()
		})
	}
	for _, n := range l.nodes {
		g.Go(func() error {
			if err := n.create(gctx); err != nil {
				return fmt.Errorf("node %s: %w", n.Name, err)
			}
			if err := n.Start(gctx); err != nil {
				return err
			}
			l.log.Info("node up", "name", n.Name, "addr", n.Addr, "containerd", or(n.Spec.Containerd, "none"), "after", time.Since(begin).Round(time.Millisecond))
			return nil
		})
	}
	if l.kube != nil {
		g.Go(func() error {
			if err := l.kube.start(gctx); err != nil {
				return err
			}
			l.log.Info("kubernetes up", "url", l.kube.URL(), "kubeconfig", l.kube.AdminKubeconfig(), "after", time.Since(begin).Round(time.Millisecond))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if l.kube != nil {
		if err := l.kube.awaitKubelets(ctx); err != nil {
			return err
		}
	}
	l.log.Info("lab up", "dir", l.dir, "nodes", len(l.nodes), "took", time.Since(begin).Round(time.Millisecond))
	l.state.Ready = true
	return l.state.save(l.dir)
}

// Attach gives the lab in that folder (empty: the default one) to another process
// than the one that made it. ErrNoLab when there is none.
func Attach(dir string, log *slog.Logger) (*Lab, error) {
	dir = Config{Dir: dir}.complete(os.Getenv).Dir
	st, err := loadState(dir)
	if err != nil {
		return nil, err
	}
	return assemble(dir, st, log), nil
}

func assemble(dir string, st state, log *slog.Logger) *Lab {
	l := &Lab{dir: dir, state: st, log: log}
	for i, spec := range st.Nodes {
		l.nodes = append(l.nodes, &Node{Name: spec.Name, Addr: nodeAddr(i), SSHPort: 22, Spec: spec, lab: l, layers: st.Layers[i]})
	}
	for _, spec := range st.Registries {
		l.registries = append(l.registries, &Registry{Spec: spec, Folder: registry.Folder(l.path("registries", spec.Name)), lab: l})
	}
	if st.Kubernetes != nil {
		l.kube = &Kube{spec: *st.Kubernetes, lab: l, ended: map[string]chan struct{}{}}
	}
	return l
}

func (l *Lab) path(elem ...string) string { return filepath.Join(append([]string{l.dir}, elem...)...) }

// Dir is the lab's folder.
func (l *Lab) Dir() string { return l.dir }

// Ready tells whether Up has ended well.
func (l *Lab) Ready() bool { return l.state.Ready }

// Netns is the name of the lab's network namespace, below /run/netns.
func (l *Lab) Netns() string { return l.state.Netns }

// Inventory is the path of a hosts.yaml as Kubespray has them. It holds the
// nodes' SSH user, key and known hosts.
func (l *Lab) Inventory() string { return l.path("inventory", "hosts.yaml") }

// SSHKey is the path of the private key that every node's user accepts.
func (l *Lab) SSHKey() string { return l.path("id_ed25519") }

// KnownHosts is the path of a file with every node's host key.
func (l *Lab) KnownHosts() string { return l.path("known_hosts") }

// CAFile is the path of the certificate of the authority of the TLS registries.
func (l *Lab) CAFile() string { return l.path("ca.pem") }

// Nodes in the order of the Config.
func (l *Lab) Nodes() []*Node { return slices.Clone(l.nodes) }

// Node by name; nil when there is none.
func (l *Lab) Node(name string) *Node {
	for _, n := range l.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Registries in the order of the Config.
func (l *Lab) Registries() []*Registry { return slices.Clone(l.registries) }

// Kube is the lab's Kubernetes; nil when it has none.
func (l *Lab) Kube() *Kube { return l.kube }

// Registry by name; nil when there is none.
func (l *Lab) Registry(name string) *Registry {
	for _, r := range l.registries {
		if r.Spec.Name == name {
			return r
		}
	}
	return nil
}

// raiseInotify lets many nodes run side by side: each needs some instances, and CRI
// fails to load when there are none left, from about the 20th node on.
func raiseInotify(log *slog.Logger) error {
	const file, want = "/proc/sys/fs/inotify/max_user_instances", 8192
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if now, err := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || now >= want {
		return err
	}
	log.Info("raising a limit of this machine; it stays raised", "fs.inotify.max_user_instances", want, "was", strings.TrimSpace(string(b)))
	return os.WriteFile(file, []byte(strconv.Itoa(want)), 0o644)
}
