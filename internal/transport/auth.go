package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// credentials are what one hop is offered, and the account of it for errors.
type credentials struct {
	signers []ssh.Signer
	// offered and unusable describe keys, in order.
	offered  []string
	unusable []string
	password bool
	// accepts is what the server last said that it takes.
	accepts []string
	agent   net.Conn
}

// maxKeys bounds how many keys are offered. Servers hang up after six by default,
// so more would rather hide the good one than find it.
const maxKeys = 12

// gatherCredentials opens the agent and reads the key files of h. Keys that were
// named come first, from the agent when it holds them; other keys of the agent
// follow unless IdentitiesOnly says no. Close it after the handshake.
func gatherCredentials(ctx context.Context, h hop, agentSocket string) *credentials {
	c := &credentials{password: !h.password.IsZero()}
	held := c.agentSigners(ctx, agentSocket)
	seen := map[string]bool{}
	offer := func(s ssh.Signer, label string) {
		id := string(s.PublicKey().Marshal())
		if !seen[id] && len(c.signers) < maxKeys {
			seen[id] = true
			c.signers = append(c.signers, s)
			c.offered = append(c.offered, label)
		}
	}
	for i, name := range h.keys {
		signer, err := fileSigner(name, held)
		switch {
		case err == nil:
			if cert := certSigner(name, signer); cert != nil {
				offer(cert, "certificate of "+name)
			}
			offer(signer, "key "+name)
		case i >= h.named && errors.Is(err, fs.ErrNotExist): // a usual key that is not there
		default:
			c.unusable = append(c.unusable, oneLine(name+" ("+reasonOf(err)+")"))
		}
	}
	if !h.identitiesOnly {
		for _, s := range held {
			offer(s, "agent key "+describeKey(s.PublicKey()))
		}
	}
	return c
}

// close closes the agent's connection.
func (c *credentials) close() {
	if c.agent != nil {
		_ = c.agent.Close()
	}
}

// agentSigners lists the keys of the agent; without an agent there are none. An
// agent that does not answer is left when ctx ends.
func (c *credentials) agentSigners(ctx context.Context, socket string) []ssh.Signer {
	if socket == "" || socket == "none" {
		return nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		c.unusable = append(c.unusable, oneLine("agent ("+reasonOf(err)+")"))
		return nil
	}
	c.agent = conn
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		c.unusable = append(c.unusable, oneLine("agent ("+reasonOf(err)+")"))
	}
	return signers
}

// errEncrypted is a key file that needs a passphrase, which we never ask for.
var errEncrypted = errors.New("encrypted: add it to the agent with ssh-add")

// fileSigner reads a private key, or finds its public key among those the agent
// holds. The file may hold a public key alone.
func fileSigner(name string, held []ssh.Signer) (ssh.Signer, error) {
	b, err := readBounded(name)
	if err != nil {
		if s := heldSigner(publicKeyOf(name+".pub"), held); s != nil {
			return s, nil
		}
		return nil, err
	}
	s, err := ssh.ParsePrivateKey(b)
	if err == nil {
		return s, nil
	}
	pub, _, _, _, pubErr := ssh.ParseAuthorizedKey(b)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		pub, err = locked.PublicKey, errEncrypted
		if pub == nil {
			pub = publicKeyOf(name + ".pub")
		}
	} else if pubErr == nil {
		err = errors.New("a public key that the agent does not hold")
	} else {
		err = errors.New("no private key that is understood")
	}
	if s := heldSigner(pub, held); s != nil {
		return s, nil
	}
	return nil, err
}

func heldSigner(pub ssh.PublicKey, held []ssh.Signer) ssh.Signer {
	if pub == nil {
		return nil
	}
	for _, s := range held {
		if bytes.Equal(s.PublicKey().Marshal(), pub.Marshal()) {
			return s
		}
	}
	return nil
}

// publicKeyOf reads a public key file; nil when there is none.
func publicKeyOf(name string) ssh.PublicKey {
	b, err := readBounded(name)
	if err != nil {
		return nil
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil
	}
	return pub
}

// certSigner returns a signer with the certificate beside a key file, or nil.
func certSigner(name string, key ssh.Signer) ssh.Signer {
	cert, ok := publicKeyOf(name + "-cert.pub").(*ssh.Certificate)
	if !ok {
		return nil
	}
	s, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		return nil
	}
	return s
}

// methods are the ways to log in, in the order they are tried.
func (c *credentials) methods(h hop) []ssh.AuthMethod {
	var m []ssh.AuthMethod
	if len(c.signers) > 0 {
		m = append(m, ssh.PublicKeys(c.signers...))
	}
	if c.password {
		m = append(m, ssh.Password(h.password.Reveal()), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, echos []bool) ([]string, error) {
				// The one question that hides its answer is for the password. Anything
				// else is not ours to answer.
				if len(questions) == 1 && !echos[0] {
					return []string{h.password.Reveal()}, nil
				}
				if len(questions) == 0 {
					return nil, nil
				}
				return nil, errors.New("the node asks more than a password")
			}))
	}
	return m
}

// refused says what was tried in vain.
func (c *credentials) refused(h hop, cause error) *Error {
	var tried []string
	tried = append(tried, c.offered...)
	if c.password {
		tried = append(tried, "password")
	}
	text := fmt.Sprintf("%s lets %q not in; tried: %s", h.addr(), h.user, orNothing(tried))
	if len(c.unusable) > 0 {
		text += "; not usable: " + strings.Join(c.unusable, ", ")
	}
	if len(c.accepts) > 0 {
		text += "; it accepts: " + strings.Join(c.accepts, ", ")
	}
	hint := "give the node's key with ansible_ssh_private_key_file, or add it to the agent with ssh-add"
	if len(c.offered) >= 6 {
		hint = "many keys were offered and a server gives up after a few: name the right one and set IdentitiesOnly yes"
	}
	return fault(KindAuth, hint, cause, "%s", text)
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing, as there is neither a key nor a password"
	}
	return strings.Join(list, ", ")
}

// reasonOf is the innermost text of an error, without paths and addresses.
func reasonOf(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// readAtMost reads all of r, or fails when it is longer.
func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, fs.ErrInvalid
	}
	return b, err
}
