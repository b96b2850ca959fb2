// Package hoststoml knows the hosts.toml files of containerd's hosts directory:
// what each release makes of one, and how to write one that every release reads
// the way it is meant. It is pure: bytes in, bytes out, no file and no network.
//
// Sources: containerd remotes/docker/config/hosts.go (1.5 to 1.7) and
// core/remotes/docker/config/hosts.go (2.x). Statements about 1.6, 1.7 and 2.4
// were run against 1.6.20, 1.7.30, 1.7.35 and 2.4.2.
package hoststoml

import (
	"bytes"

	"github.com/pullway/pullway/internal/config"
)

// FileName is the one name under which containerd looks for the file.
const FileName = "hosts.toml"

// header is the first line of every file that Pullway writes.
const header = "# Managed by Pullway. Changes made here are overwritten; change the RegistryConfig instead."

// oursPrefix recognises header, of this build and of others.
const oursPrefix = "# Managed by Pullway."

// Ours reports whether the first line says that Pullway wrote the file.
func Ours(data []byte) bool { return bytes.HasPrefix(data, []byte(oursPrefix)) }

// Host is one entry of a hosts.toml: a [host."URL"] table or the root table.
type Host struct {
	// URL as it is written in the file; empty for the root table, whose URL is
	// Document.Server.
	URL string
	// Capabilities in lower case and file order. Empty means all of them.
	Capabilities []string
	// CA are file names, absolute or relative to the host directory. An empty
	// list that is not nil means that `ca = []` was written.
	CA []string
	// Client are pairs of certificate and key file; a pair whose second name is
	// empty is one PEM file with both.
	Client [][2]string
	// SkipVerify is nil when the key is absent.
	SkipVerify *bool
	// OverridePath sends the path of the URL as it is, without adding /v2.
	OverridePath bool
	// DialTimeout is a Go duration; empty when absent.
	DialTimeout string
	// Headers sorted by name; a header with several values comes several times.
	Headers []config.Header
	// Line of the table's first key or header, from 1; 0 when it was not read
	// from a file.
	Line int
}

// hasTLS reports whether containerd would set up TLS of its own for the entry.
func (h *Host) hasTLS() bool { return h.CA != nil || h.Client != nil || h.SkipVerify != nil }

// Document is a hosts.toml as one containerd release reads it.
type Document struct {
	// Server is tried last; empty means the registry that the image names.
	Server string
	// Root holds the keys of the root table; they belong to Server.
	Root Host
	// Hosts are tried in this order, before Server.
	Hosts []Host
}

// Problem is something in a file that a release would ignore, reject or misread.
// Its texts never hold a header's value or a password.
type Problem struct {
	// ID is a rule of the catalogue, such as HST003.
	ID string
	// Line and Column of the place, from 1; column counts bytes. 0 means the
	// whole file.
	Line, Column int
	// Text is one line; Hint says what to do about it.
	Text, Hint string
	// Discards tells that the release throws the whole file away, and asks the
	// upstream with default TLS as if there were none.
	Discards bool
}

// Error is a registry that cannot be written for a release: one line, and what
// to do about it.
type Error struct {
	Text string
	Hint string
}

// Error returns the one line.
func (e *Error) Error() string { return e.Text }
