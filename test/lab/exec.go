package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Exec runs a shell command as root in the node and gives its standard output.
// It goes past the network: it also works while the link is cut. A command that does
// not end with 0 is a *CommandError.
func (n *Node) Exec(ctx context.Context, command string) (string, error) {
	return n.ExecInput(ctx, command, nil)
}

// ExecInput is Exec with a standard input.
func (n *Node) ExecInput(ctx context.Context, command string, stdin io.Reader) (string, error) {
	argv, err := n.ExecArgs("/bin/sh", "-c", command)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = stdin
	out, err := finish(cmd, n.Name)
	if e, ok := err.(*CommandError); ok {
		e.Command = command
	}
	return out, err
}

// ExecArgs are the words that run a command as root in the node, for a caller
// that starts it by itself.
func (n *Node) ExecArgs(argv ...string) ([]string, error) {
	pid, err := n.initPID()
	if err != nil {
		return nil, err
	}
	// env goes to the node's top folder: nsenter's own --wd is opened before it enters,
	// and would leave the command, with its relative paths, in this machine's.
	in := []string{
		"nsenter", "--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--",
		"env", "-i", "--chdir=/", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
	}
	return append(in, argv...), nil
}

// chpasswd sets a password of the node that is not running yet.
func (n *Node) chpasswd(ctx context.Context, user, password string) error {
	cmd := exec.CommandContext(ctx, "chroot", n.Root(), "chpasswd")
	cmd.Stdin = strings.NewReader(user + ":" + password + "\n")
	_, err := finish(cmd, n.Name)
	return err
}

// ReadFile reads a file of the running node.
func (n *Node) ReadFile(ctx context.Context, path string) ([]byte, error) {
	out, err := n.Exec(ctx, "cat -- "+quote(path))
	return []byte(out), err
}

// WriteFile writes a file of the running node by rename, with that mode and owned
// by root, and makes its folder (0755) if needed.
func (n *Node) WriteFile(ctx context.Context, path string, b []byte, mode fs.FileMode) error {
	p, tmp := quote(path), quote(path+".lab-new")
	_, err := n.ExecInput(ctx, fmt.Sprintf("mkdir -p -- %s && cat > %s && chmod %o %s && mv -f -- %s %s",
		quote(filepath.Dir(path)), tmp, mode.Perm(), tmp, tmp, p), strings.NewReader(string(b)))
	return err
}

// quote makes one word for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Journal is what the node's journal holds of a unit since the boot; empty means all units.
func (n *Node) Journal(ctx context.Context, unit string) (string, error) {
	cmd := "journalctl --no-pager -o short-precise"
	if unit != "" {
		cmd += " -u " + quote(unit)
	}
	return n.Exec(ctx, cmd)
}

// Await returns when the node answers at SSH and, if it has a containerd, at CRI;
// three minutes at most.
func (n *Node) Await(ctx context.Context) error { return n.await(ctx, nil) }

// ContainerdPID is the node's own number for the main process of its containerd; 0 while there is none.
func (n *Node) ContainerdPID(ctx context.Context) (int, error) {
	out, err := n.Exec(ctx, "systemctl show -P MainPID containerd")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// Entry is one file of a Tree: all that a restore must bring back.
type Entry struct {
	Mode     fs.FileMode
	UID, GID uint32
	// SHA256 of a regular file, in hex.
	SHA256 string
	// Link is where a symbolic link points.
	Link string
}

// Tree gives every file and folder at and below dir of the running node, by path
// relative to dir ("." is dir itself). A missing dir gives an empty map. dir must
// not go through symbolic links.
func (n *Node) Tree(dir string) (map[string]Entry, error) {
	pid, err := n.initPID()
	if err != nil {
		return nil, err
	}
	return tree(filepath.Join("/proc", strconv.Itoa(pid), "root", dir))
}

func tree(top string) (map[string]Entry, error) {
	out := map[string]Entry{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path == top && os.IsNotExist(err) {
				return nil
			}
			return err
		}
		e, err := entryAt(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		out[rel] = e
		return err
	})
	return out, err
}

func entryAt(path string) (Entry, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Entry{}, err
	}
	st := info.Sys().(*syscall.Stat_t)
	e := Entry{Mode: info.Mode(), UID: st.Uid, GID: st.Gid}
	switch {
	case info.Mode().IsRegular():
		f, err := os.Open(path)
		if err != nil {
			return e, err
		}
		defer f.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err != nil {
			return e, err
		}
		e.SHA256 = hex.EncodeToString(sum.Sum(nil))
	case info.Mode()&fs.ModeSymlink != 0:
		e.Link, err = os.Readlink(path)
	}
	return e, err
}
