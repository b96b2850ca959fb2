// Package inventory knows which machines are the nodes: it reads Ansible and
// Kubespray inventories, lists of names given on the command line, and Ansible's
// host patterns. It connects to nothing.
//
// An inventory is read by the program ansible-inventory when it is installed and
// by the built-in reader otherwise; a conformance test keeps the two equal.
package inventory

import (
	"fmt"
	"time"

	"github.com/pullway/pullway/internal/secret"
)

// Node is one machine and how it is reached. Host, Port and User are empty or 0
// when the inventory says nothing; the SSH configuration then decides.
type Node struct {
	// Name is the inventory name, unique within a Result.
	Name string
	// Host is the address to connect to; equal to Name when none is given.
	Host string
	// Port is 1 to 65535, or 0 for the default.
	Port int
	// User to log in as.
	User string
	// IdentityFiles are private key files, with ~ and ~/ already replaced.
	IdentityFiles []string
	// Password of the user and of the privilege change. Empty for none.
	Password, BecomePassword secret.Value
	// Become tells that commands need another user: BecomeUser, or root when empty.
	Become     bool
	BecomeUser string
	// Local is set for ansible_connection=local: no SSH.
	Local bool
	// SSHArgs are the words of ansible_ssh_common_args and ansible_ssh_extra_args.
	SSHArgs []string
	// Groups are the names of all groups the node is in, parents included,
	// sorted, without "all" and "ungrouped".
	Groups []string
	// ControlPlane is set for members of kube_control_plane (or kube-master) and of
	// etcd: a cluster loses its quorum with either.
	ControlPlane bool
}

// Names of readers for Result.By.
const (
	ByAnsible = "ansible-inventory"
	ByBuiltIn = "built-in reader"
)

// Result is what an inventory says.
type Result struct {
	// Nodes in the order in which the inventory first names them.
	Nodes []Node
	// Warnings are single lines about things that were passed over.
	Warnings []string
	// By is ByAnsible or ByBuiltIn.
	By string
}

// Reader chooses who reads an inventory.
type Reader int

// The readers. ReaderAuto takes ansible-inventory when it is in PATH.
const (
	ReaderAuto Reader = iota
	ReaderAnsible
	ReaderBuiltIn
)

// Options of Load. The zero value is good for the command line.
type Options struct {
	Reader Reader
	// Program is the ansible-inventory to run; empty looks in PATH.
	Program string
	// Timeout for one run of an Ansible program. Default: 60s.
	Timeout time.Duration
	// Home replaces ~ in key files. Default: the user's home.
	Home string
	// Env answers lookup('env', …). Default: os.Getenv.
	Env func(string) string
}

// Limits on what is read. Larger input is refused with one line.
const (
	maxFile   = 8 << 20 // bytes in one file
	maxFiles  = 2000    // files below one inventory
	maxHosts  = 20000   // hosts in one inventory, one range or one list
	maxVars   = 1000000 // variables written at hosts, ranges unfolded
	maxGroups = 5000    // groups in one inventory
	maxNodes  = 500000  // YAML nodes in one file, aliases counted each time
	maxDepth  = 64      // nesting of groups, folders and references
	maxOutput = 64 << 20
)

// Error is bad input: one line that says where, and apart from it what to do.
type Error struct {
	// File and Line (from 1; 0 for unknown) of the input.
	File string
	Line int
	// Text says what is wrong. It never holds a variable's value.
	Text string
	// Hint says what to do; may be empty.
	Hint string

	// foreign: not wrong, but only Ansible itself can read it.
	foreign bool
	// strict: refused even when Ansible would pass over it.
	strict bool
	// junk: refused as an inventory, passed over in a directory.
	junk bool
}

// Error gives "FILE:LINE: TEXT".
func (e *Error) Error() string {
	switch {
	case e.File == "":
		return e.Text
	case e.Line == 0:
		return e.File + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}

func errorAt(file string, line int, format string, args ...any) *Error {
	return &Error{File: file, Line: line, Text: fmt.Sprintf(format, args...)}
}

func (e *Error) hint(h string) *Error { e.Hint = h; return e }
