package transport

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/pullway/pullway/internal/engine"
)

const (
	defaultConnectTimeout = 10 * time.Second
	defaultPatience       = 30 * time.Second
	localGrace            = 5 * time.Second
)

// Options of a Dialer. The zero value does what ssh does, but never asks.
type Options struct {
	// KnownHosts are used instead of the user's and the system's known_hosts; new
	// keys go to the first.
	KnownHosts []string
	// AcceptNewHostKeys remembers the keys of hosts that nobody knows yet. A
	// changed key is refused all the same.
	AcceptNewHostKeys bool
	// SSHConfig is used instead of ~/.ssh/config and /etc/ssh/ssh_config; "none"
	// for neither.
	SSHConfig string
	// Agent is the agent's socket; empty for SSH_AUTH_SOCK, "none" for no agent.
	Agent string
	// ConnectTimeout bounds each connection including its handshake. Zero means
	// ConnectTimeout of the SSH configuration, or 10 seconds.
	ConnectTimeout time.Duration
	// EngineDir is where engines live on nodes; empty for DefaultEngineDir. All
	// directories above it must belong to root.
	EngineDir string
	// Home is the operator's home directory; empty for the one of the environment.
	Home string
}

func (o Options) home() string {
	if o.Home != "" {
		return o.Home
	}
	home, _ := os.UserHomeDir()
	return home
}

func (o Options) agent() string {
	if o.Agent != "" {
		return o.Agent
	}
	return os.Getenv("SSH_AUTH_SOCK")
}

// Dialer connects to nodes. It is safe for concurrent use; how many connections
// are made at a time is up to the caller. Nodes behind one jump host share the
// connection to it.
type Dialer struct {
	// Engines to put on nodes; nil means none.
	Engines *engine.Set
	Options Options

	keys  knownStore
	jumps jumps

	mu      sync.Mutex
	configs map[string]*sshConfig
	uploads chan struct{} // of all connections; see uploadsAtOnce

	// For tests.
	dial         func(ctx context.Context, network, addr string) (net.Conn, error)
	anyUser      bool
	every, limit time.Duration
	patience     time.Duration
}

// Connect connects to a node. Nothing runs there yet; see Conn.Start. Errors are
// of type *Error. The context bounds Connect alone.
func (d *Dialer) Connect(ctx context.Context, t Target) (Conn, error) {
	if t.BecomeUser != "" && t.BecomeUser != "root" {
		return nil, at(t.Name, fault(KindSudo, "leave ansible_become_user out, or set it to root", nil, "the engine needs root, not %q", t.BecomeUser))
	}
	if strings.ContainsAny(t.BecomePassword.Reveal(), "\n\r\x00") {
		// What is behind the line break would reach the engine instead of sudo.
		return nil, at(t.Name, fault(KindSudo, "does the file that holds it end in an empty line?", nil, "sudo's password holds a line break"))
	}
	c := &conn{
		node: t.Name, engines: d.Engines, password: t.BecomePassword, patience: d.patience,
		layout:  layout{dir: d.Options.EngineDir, anyUser: d.anyUser},
		procs:   map[*process]struct{}{},
		uploads: d.places(),
	}
	if c.engines == nil {
		c.engines = engine.NewSet()
	}
	if c.layout.dir == "" {
		c.layout.dir = DefaultEngineDir
	}
	if c.patience == 0 {
		c.patience = defaultPatience
	}
	if t.Local {
		c.root = os.Getuid() == 0
		c.runner = &localRunner{grace: localGrace}
		return c, nil
	}
	if err := d.connectSSH(ctx, t, c); err != nil {
		return nil, at(t.Name, err)
	}
	return c, nil
}

// connectSSH gives c its connection.
func (d *Dialer) connectSSH(ctx context.Context, t Target, c *conn) error {
	args := parseSSHArgs(t.SSHArgs)
	config, err := d.config(args.config)
	if err != nil {
		return err
	}
	c.facts.Warnings = append(append(c.facts.Warnings, args.warnings...), config.warnings...)
	s := settings{args: args.options, config: config, opts: d.Options}
	h, err := s.node(t)
	if err != nil {
		return err
	}
	hops, err := route(s, h, 0)
	if err != nil {
		return err
	}
	c.root = h.user == "root"
	warn := func(text string) { c.note(func(f *Facts) { f.Warnings = append(f.Warnings, text) }) }
	client, release, err := d.client(ctx, hops, warn)
	if err != nil {
		return err
	}
	r := &sshRunner{client: client, release: release}
	c.runner = r
	go keepAlive(client, d.keepEvery(), d.keepLimit(), r.giveUp)
	return nil
}

// client connects to the last of hops.
func (d *Dialer) client(ctx context.Context, hops []hop, warn func(string)) (*ssh.Client, func(), error) {
	h := hops[len(hops)-1]
	ctx, cancel := context.WithTimeoutCause(ctx, h.timeout, errConnectTimeout)
	defer cancel()
	nc, release, err := d.reach(ctx, hops)
	if err != nil {
		return nil, nil, err
	}
	client, err := handshake(ctx, nc, h, hostKeys{hop: h, store: &d.keys, warn: warn}, d.Options.agent())
	if err != nil {
		release()
		return nil, nil, err
	}
	return client, release, nil
}

// config reads SSH configuration once for each -F.
func (d *Dialer) config(named string) (*sshConfig, error) {
	if named == "" {
		named = d.Options.SSHConfig
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.configs[named]; c != nil {
		return c, nil
	}
	c, err := readSSHConfig(named, d.Options.home())
	if err != nil {
		return nil, err
	}
	if d.configs == nil {
		d.configs = map[string]*sshConfig{}
	}
	d.configs[named] = c
	return c, nil
}

// places are the uploads of all connections of d.
func (d *Dialer) places() chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.uploads == nil {
		d.uploads = make(chan struct{}, uploadsAtOnce)
	}
	return d.uploads
}

func (d *Dialer) dialTCP(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.dial != nil {
		return d.dial(ctx, network, addr)
	}
	var nd net.Dialer
	return nd.DialContext(ctx, network, addr)
}

func (d *Dialer) keepEvery() time.Duration {
	if d.every > 0 {
		return d.every
	}
	return keepAliveEvery
}

func (d *Dialer) keepLimit() time.Duration {
	if d.limit > 0 {
		return d.limit
	}
	return keepAliveLimit
}
