// Package transport is how the node engine is reached: on this machine or over
// SSH. It starts the engine as root, putting it on the node first when it is not
// there, and gives its streams. It knows nothing of what is said over them.
//
// One connection serves any number of runs. A run costs two round trips up to
// the engine's first answer: one to open the channel, one for the command and
// the request that travels with it.
package transport

import (
	"context"
	"io"
	"time"

	"github.com/pullway/pullway/internal/secret"
)

// Target is one node, as an inventory names it. Zero fields are unknown and
// come from the user's SSH configuration.
type Target struct {
	// Name is what errors call the node.
	Name string
	// Local runs the engine on this machine; all SSH fields are then ignored.
	Local bool
	// Host is a name, an address or an alias of the SSH configuration; empty means Name.
	Host string
	Port int
	User string
	// IdentityFiles are private keys, tried before those of the SSH configuration.
	IdentityFiles []string
	// Password logs in where keys do not.
	Password secret.Value
	// Become and BecomeUser are Ansible's words. The engine needs root: a login
	// user other than root always goes through sudo, and a BecomeUser other than
	// root is refused.
	Become     bool
	BecomeUser string
	// BecomePassword is what sudo asks for; empty means sudo must not ask.
	BecomePassword secret.Value
	// ProxyJump is a chain such as "user@bastion:22,inner"; "none" switches one of
	// the SSH configuration off.
	ProxyJump string
	// SSHArgs are words of an ssh command line (ansible_ssh_common_args; see
	// SplitArgs). Honoured: -F, -J, -i, -l, -p and -o with HostKeyAlias,
	// IdentitiesOnly, IdentityFile, Port, ProxyCommand, ProxyJump,
	// StrictHostKeyChecking, User, UserKnownHostsFile. The others make a warning.
	SSHArgs []string
}

// Process is one run of the engine.
type Process interface {
	// Stdin reaches the engine. Closing it tells the engine that nobody listens
	// any more.
	Stdin() io.WriteCloser
	// Stdout gives what the engine writes, from its first byte. It ends with
	// io.EOF, or with an *Error when the connection or the run was cut.
	Stdout() io.Reader
	// Stderr returns the last 8 KiB of standard error so far, control characters
	// taken out.
	Stderr() string
	// Wait returns when the engine is gone: nil for exit status 0, else an *Error.
	// Read Stdout first.
	Wait() error
	// Done is closed when Wait would return at once.
	Done() <-chan struct{}
	// Kill lets go of the engine: its streams close on both sides, at once on this
	// one. No signal is sent: an engine that loses its streams puts the node back
	// in order by itself, and must be left to do so.
	Kill()
}

// Conn is a connection to one node. It is safe for concurrent use.
type Conn interface {
	// Start runs "pullway-node serve" and returns when the engine is there to read
	// its standard input. The context governs the whole run: when it is done, the
	// run is let go of as by Kill. Errors are of type *Error.
	Start(ctx context.Context) (Process, error)
	// StartWith is Start with the first bytes of standard input, which are sent
	// along with the command where that is safe, and save a round trip.
	StartWith(ctx context.Context, first []byte) (Process, error)
	// Facts tells what is known so far.
	Facts() Facts
	// Close ends every run, as by Kill, and the connection.
	Close() error
}

// Facts of a connection.
type Facts struct {
	// Arch is Go's name of the node's architecture; empty before the first Start.
	Arch string
	// Uploaded is true when this connection had to put the engine on the node, and
	// UploadTime how long that took.
	Uploaded   bool
	UploadTime time.Duration
	// Warnings, such as an SSH option that is not understood. One line each.
	Warnings []string
}
