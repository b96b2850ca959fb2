// Package play runs Kubespray's own playbook and tells what happens while it
// does. It runs the real ansible-playbook of the PATH, in the checkout, so that
// Kubespray's ansible.cfg is in effect.
package play

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed pullway_events.py
var callback []byte

// Play is one run of a playbook on some nodes.
type Play struct {
	// Checkout is the folder of Kubespray; Playbook is below it, cluster.yml for one.
	Checkout, Playbook string
	// Inventory as given by the user.
	Inventory string
	// Tags; containerd and never container-engine, which may remove another engine
	// with its data.
	Tags string
	// Limit are the nodes.
	Limit []string
	// VaultPasswordFile may be empty.
	VaultPasswordFile string
	// Args are further words for ansible-playbook.
	Args []string
	// Log gets all that ansible-playbook prints.
	Log io.Writer
	// On is called for each event, in order.
	On func(Event)
	// Patience is how long ansible-playbook may take to end after an interrupt, before
	// it is killed with its children; 0 is 20 s.
	Patience time.Duration
	// Command makes the process; nil is exec.CommandContext.
	Command func(ctx context.Context, name string, args ...string) *exec.Cmd
}

// Event is something that happened in the play.
type Event struct {
	State State  `json:"state"`
	Host  string `json:"host,omitempty"`
	Task  string `json:"task,omitempty"`
	// Text of a failure; empty where the task hides its output.
	Text string `json:"text,omitempty"`
	// Of StateEnd: how many tasks changed or failed.
	Changed     int `json:"changed,omitempty"`
	Failed      int `json:"failed,omitempty"`
	Unreachable int `json:"unreachable,omitempty"`
}

// State of an event.
type State string

// The states. StateTask begins a task on all hosts; StateEnd sums one host up.
const (
	StateTask        State = "task"
	StateOK          State = "ok"
	StateChanged     State = "changed"
	StateSkipped     State = "skipped"
	StateIgnored     State = "ignored"
	StateFailed      State = "failed"
	StateUnreachable State = "unreachable"
	StateEnd         State = "end"
)

// Result is what a play did to one host.
type Result struct {
	Changed int
	// Failed is the task that failed, with Text; empty for success.
	Failed, Text string
	// Unreachable tells that Ansible got no connection to the host.
	Unreachable bool
	// Reached is true once a task ended on the host.
	Reached bool
	// Restarted tells that the restart handler ran.
	Restarted bool
}

// OK reports whether the play came to its end on the host.
func (r Result) OK() bool { return r.Reached && r.Failed == "" }

const defaultPatience = 20 * time.Second

// maxEvent is the longest line of an event, in bytes.
const maxEvent = 64 << 10

// Run runs the play to its end. The error is about the play as a whole: the
// program is missing, or it ended without telling about any host. What went wrong
// on a host is in its Result. When ctx ends, ansible-playbook is interrupted as
// by Ctrl-C, and killed after Patience; when this process dies ansible-playbook does so
// itself after the task in hand.
func (p Play) Run(ctx context.Context) (map[string]Result, error) {
	dir, err := os.MkdirTemp("", "pullway-play-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	if err := os.WriteFile(filepath.Join(dir, "pullway_events.py"), callback, 0o600); err != nil {
		return nil, err
	}
	events, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer events.Close() //nolint:errcheck // read only
	cmd := p.command(ctx, dir, tell)
	tail := &tail{}
	out := io.MultiWriter(p.Log, tail)
	cmd.Stdout, cmd.Stderr = out, out // one, so that one goroutine writes
	err = cmd.Start()
	_ = tell.Close()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, &NoAnsibleError{}
	}
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go p.cut(ctx, cmd, events, ended)
	results := p.listen(events)
	err = cmd.Wait()
	close(ended)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		endGroup(cmd)
		return results, fmt.Errorf("the play was interrupted: %w", context.Cause(ctx))
	case len(results) == 0:
		return nil, fmt.Errorf("ansible-playbook did not reach any node: %s", tail.last())
	case err != nil && !errors.As(err, &exit):
		return results, err
	case err != nil && allOK(results):
		return results, fmt.Errorf("ansible-playbook ended with %d although no task had failed: %s", exit.ExitCode(), tail.last())
	}
	return results, nil
}

// cut ends a play that an interrupt did not end in time. A worker of Ansible that goes
// on holds the other end of events, even without its parent.
func (p Play) cut(ctx context.Context, cmd *exec.Cmd, events io.Closer, ended <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-ended:
		return
	}
	late := time.NewTimer(p.patience())
	defer late.Stop()
	select {
	case <-late.C:
		endGroup(cmd)
		_ = events.Close()
	case <-ended:
	}
}

func (p Play) patience() time.Duration {
	if p.Patience > 0 {
		return p.Patience
	}
	return defaultPatience
}

func allOK(results map[string]Result) bool {
	for _, r := range results {
		if !r.OK() {
			return false
		}
	}
	return true
}

// Check has ansible-playbook read the playbook, the inventory and its own settings,
// and run nothing. The error is one line.
func (p Play) Check(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(p.Checkout, p.Playbook)); err != nil {
		return &FailedError{fmt.Sprintf("%s has no %s, so it is no whole checkout of Kubespray", p.Checkout, p.Playbook), "name the checkout by --kubespray DIR"}
	}
	p.Args = append(slices.Clone(p.Args), "--list-tasks")
	cmd := p.command(ctx, "", nil)
	tail := &tail{}
	cmd.Stdout, cmd.Stderr = tail, tail
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return &NoAnsibleError{}
	case errors.As(err, &exit):
		return &FailedError{"ansible-playbook does not take this play: " + tail.last(), "it was asked to list its tasks; nothing was run"}
	}
	return err
}

func (p Play) command(ctx context.Context, dir string, tell *os.File) *exec.Cmd {
	make := p.Command
	if make == nil {
		make = exec.CommandContext
	}
	args := []string{"-i", p.Inventory, p.Playbook, "--become", "--tags", p.Tags, "--limit", strings.Join(p.Limit, ",")}
	if p.VaultPasswordFile != "" {
		args = append(args, "--vault-password-file", p.VaultPasswordFile)
	}
	cmd := make(ctx, "ansible-playbook", append(args, p.Args...)...)
	cmd.Dir = p.Checkout
	cmd.Env = append(os.Environ(), "ANSIBLE_NOCOLOR=1", "ANSIBLE_RETRY_FILES_ENABLED=0", "LC_ALL=C.UTF-8")
	if tell != nil {
		cmd.ExtraFiles = []*os.File{tell}
		cmd.Env = append(cmd.Env, "PULLWAY_EVENTS_FD=3", "ANSIBLE_CALLBACK_PLUGINS="+dir, "ANSIBLE_CALLBACKS_ENABLED=pullway_events")
	}
	detach(cmd)
	cmd.WaitDelay = p.patience()
	return cmd
}

// listen takes in events until the play has ended.
func (p Play) listen(events io.Reader) map[string]Result {
	results := map[string]Result{}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		var e Event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		if e.Host != "" {
			results[e.Host] = results[e.Host].with(e)
		}
		if p.On != nil {
			p.On(e)
		}
	}
	// A line that is too long must not block the play.
	_, _ = io.Copy(io.Discard, events)
	return results
}

// with is the result after one more event.
func (r Result) with(e Event) Result {
	switch e.State {
	case StateFailed, StateUnreachable:
		if r.Failed == "" {
			r.Failed, r.Text = e.Task, e.Text
		}
		r.Reached = r.Reached || e.State == StateFailed
		r.Unreachable = r.Unreachable || e.State == StateUnreachable
	case StateEnd:
		r.Changed = e.Changed
		switch {
		case e.Failed+e.Unreachable == 0:
			r.Failed, r.Text, r.Unreachable = "", "", false // it was rescued
		case r.Failed == "":
			r.Failed = "(unknown)"
		}
	default:
		r.Reached = true
		if e.State == StateChanged && strings.HasSuffix(strings.ToLower(e.Task), "restart containerd") {
			r.Restarted = true
		}
	}
	return r
}

// NoAnsibleError tells that ansible-playbook is not installed.
type NoAnsibleError struct{}

// Error is one line.
func (*NoAnsibleError) Error() string { return "program ansible-playbook is not in the PATH" }

// Hint says what to do.
func (*NoAnsibleError) Hint() string {
	return "install the ansible-core that this Kubespray asks for (requirements.txt), or leave --run out and run the play yourself"
}

// tail keeps the end of what a program printed.
type tail struct{ b []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	if t.b = append(t.b, p...); len(t.b) > 8192 {
		t.b = t.b[len(t.b)-4096:]
	}
	return len(p), nil
}

// last is the last line that says something; what follows "ERROR!", or what was wrong
// with the words that the program was given, comes first.
func (t *tail) last() string {
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, "ERROR! "); ok {
			return rest
		}
		if _, rest, ok := strings.Cut(l, ": error: "); ok {
			return rest
		}
	}
	return lines[len(lines)-1]
}
