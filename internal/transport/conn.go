package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/pullway/pullway/internal/engine"
	"github.com/pullway/pullway/internal/secret"
)

// runner starts commands on a node.
type runner interface {
	// run starts argv. A failure is an *Error without a node.
	run(ctx context.Context, argv []string) (command, error)
	// close ends the connection and everything that runs over it.
	close() error
}

// conn is a Conn over any runner.
type conn struct {
	node     string
	runner   runner
	engines  *engine.Set
	layout   layout
	password secret.Value
	// root is true when the login user is known to be root, so that no sudo will
	// ask for anything.
	root bool
	// uploads holds a place for each upload under way; nil for no bound.
	uploads chan struct{}
	// patience bounds how long a node takes to run a script.
	patience time.Duration

	mu     sync.Mutex
	facts  Facts
	procs  map[*process]struct{}
	closed bool
}

// Facts implements Conn.
func (c *conn) Facts() Facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.facts
	f.Warnings = append([]string(nil), f.Warnings...)
	return f
}

// Start implements Conn.
func (c *conn) Start(ctx context.Context) (Process, error) { return c.StartWith(ctx, nil) }

// StartWith implements Conn.
func (c *conn) StartWith(ctx context.Context, first []byte) (Process, error) {
	p, err := c.start(ctx, first)
	if err != nil {
		return nil, at(c.node, err)
	}
	return p, nil
}

// start runs the engine, and uploads it when it is missing. It is missing a
// second time only when somebody else's upload pruned it at that very moment.
func (c *conn) start(ctx context.Context, first []byte) (*process, error) {
	for uploads := 0; ; uploads++ {
		p, missing, err := c.startOnce(ctx, first)
		if err != nil || p != nil {
			return p, err
		}
		if uploads == 2 {
			return nil, fault(KindEngine, "is somebody else cleaning up "+c.layout.dir+"?", nil, "the engine vanishes as soon as it is uploaded")
		}
		if err := c.upload(ctx, missing); err != nil {
			return nil, err
		}
	}
}

// startOnce returns a process, or the engine that is missing on the node.
func (c *conn) startOnce(ctx context.Context, first []byte) (*process, engine.Engine, error) {
	mark := "pullway-" + rand.Text()
	p, err := c.launch(ctx, mark, startArgv(c.layout, mark, c.hashes()))
	if err != nil {
		return nil, engine.Engine{}, err
	}
	gated := c.gated()
	if !gated {
		p.feed(first)
	}
	r, err := c.await(ctx, p, c.patience)
	if err != nil {
		return nil, engine.Engine{}, err
	}
	if r.word == "ready" {
		if gated {
			p.feed(first)
		}
		c.note(func(f *Facts) { f.Arch = r.rest })
		return p, engine.Engine{}, nil
	}
	p.Kill()
	switch r.word {
	case "missing", "none":
		c.note(func(f *Facts) { f.Arch = r.rest })
		e, err := c.engines.For(r.rest)
		if err == nil && r.word == "none" {
			err = &engine.MissingError{Arch: r.rest}
		}
		if err != nil {
			return nil, e, fault(KindEngine, "", err, "%v", err)
		}
		return nil, e, nil
	default:
		return nil, engine.Engine{}, scriptError(r, p.lastWords(), c.layout.dir)
	}
}

// hashes of the engines at hand, by architecture.
func (c *conn) hashes() map[string]string {
	m := map[string]string{}
	for _, arch := range c.engines.Arches() {
		if e, err := c.engines.For(arch); err == nil {
			m[arch] = e.SHA256
		}
	}
	return m
}

// gated reports whether standard input must wait for the engine: sudo would take
// what comes first for its password.
func (c *conn) gated() bool { return !c.root && !c.password.IsZero() }

// launch starts argv as root and registers its process.
func (c *conn) launch(ctx context.Context, mark string, argv []string) (*process, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, fault(KindClosed, "", err, "stopped: %v", err)
	}
	prompt := ""
	if c.gated() {
		prompt = "pullway-sudo-" + rand.Text() + ":"
	}
	if !c.root {
		argv = becomeArgv(mark, prompt, argv)
	}
	cmd, err := c.runner.run(ctx, argv)
	if err != nil {
		return nil, err
	}
	p := newProcess(ctx, c.node, cmd, mark, prompt)
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.procs[p] = struct{}{}
	}
	c.mu.Unlock()
	if closed {
		p.Kill()
		return nil, fault(KindClosed, "", nil, "the connection is closed")
	}
	go func() {
		<-p.gone
		c.mu.Lock()
		delete(c.procs, p)
		c.mu.Unlock()
	}()
	return p, nil
}

// await returns the next report of p's script. It answers sudo's prompt, once.
// When it fails, p is gone.
func (c *conn) await(ctx context.Context, p *process, patience time.Duration) (report, error) {
	r, err := c.awaitReport(ctx, p, patience)
	if err != nil {
		p.Kill()
	}
	return r, err
}

func (c *conn) awaitReport(ctx context.Context, p *process, patience time.Duration) (report, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case r, ok := <-p.out.reports:
			if done, err := c.hear(ctx, p, r, ok); done || err != nil {
				return r, err
			}
		case <-p.errs.prompts:
			if err := c.answerPrompt(ctx, p); err != nil {
				return report{}, err
			}
		case <-p.done:
			// What was reported before the end counts; by now it is all there.
			select {
			case r, ok := <-p.out.reports:
				if done, err := c.hear(ctx, p, r, ok); done || err != nil {
					return r, err
				}
			default:
				return report{}, c.ended(ctx, p)
			}
		case <-timer.C:
			return report{}, silent(p, patience)
		}
	}
}

// hear takes one report, or the end of reports, and says whether it is one that
// the caller waits for.
func (c *conn) hear(ctx context.Context, p *process, r report, ok bool) (bool, error) {
	switch {
	case !ok:
		return false, c.ended(ctx, p)
	case r.word == "sudo":
		p.sudo = true
		return false, nil
	case r.word == "nosudo":
		return false, fault(KindSudo, "install sudo on the node, or log in as root", nil, "the login user is not root and the node has no sudo")
	}
	return true, nil
}

// answerPrompt gives sudo its password. A second prompt means that the first
// answer was wrong; another one would only bring an account nearer to its lock.
func (c *conn) answerPrompt(ctx context.Context, p *process) error {
	if p.asked {
		return fault(KindSudo, wrongPasswordHint, nil, "sudo's password was refused")
	}
	p.asked = true
	if _, err := io.WriteString(p.cmd, c.password.Reveal()+"\n"); err != nil {
		return c.ended(ctx, p)
	}
	return nil
}

// silent explains a script that does not report.
func silent(p *process, patience time.Duration) error {
	if p.sudo {
		return fault(KindSudo, "log in by hand and run sudo true: it may want more than a password", nil,
			"sudo gave no answer within %s: %s", patience, p.errs.tail.lastLine())
	}
	return fault(KindEngine, "", nil, "the node's shell gave no answer within %s", patience)
}

// ended explains a script that ended without a report.
func (c *conn) ended(ctx context.Context, p *process) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return fault(KindClosed, "", context.Cause(ctx), "stopped: %v", context.Cause(ctx))
	case <-time.After(c.patience):
		return fault(KindEngine, "", nil, "the node's shell does not end")
	}
	cut := new(Error)
	switch {
	case errors.As(p.Wait(), &cut) && (cut.Kind == KindClosed || errors.Is(cut, errNoise)):
		return cut
	case p.sudo:
		return sudoError(p.Stderr())
	}
	said := p.errs.tail.lastLine()
	if said == "" {
		said = "it said nothing"
	}
	return fault(KindEngine, "can the login user run /bin/sh?", nil, "the node's shell %s: %s", p.exit, said)
}

func (c *conn) note(change func(*Facts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.facts)
}

// Close implements Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	c.closed = true
	procs := c.procs
	c.procs = map[*process]struct{}{}
	c.mu.Unlock()
	for p := range procs {
		p.Kill()
	}
	return c.runner.close()
}
