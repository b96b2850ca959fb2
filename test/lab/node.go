package lab

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Node is one machine of the lab.
type Node struct {
	Name    string
	Addr    netip.Addr
	SSHPort int
	Spec    NodeSpec

	lab    *Lab
	layers []string
	// Known between makeFolder and create alone.
	hostPrivate []byte
	hostPublic  string
	authorized  string
}

func (n *Node) dir(elem ...string) string {
	return n.lab.path(append([]string{"nodes", n.Name}, elem...)...)
}

// Root is the node's file system as this machine sees it, whether the node runs
// or not: without what is mounted within the node (/run, /var/lib/containerd), and with
// absolute links that lead out of it. A running node is better asked with ReadFile and Tree.
func (n *Node) Root() string { return n.dir("root") }

// Console is the path of what the node's init wrote.
func (n *Node) Console() string { return n.dir("console.log") }

func (n *Node) group() group { return labGroup(n.lab.state.ID).child("node-" + n.Name) }

func (n *Node) makeKeys() (err error) {
	n.hostPrivate, n.hostPublic, err = newKey(n.Name)
	return err
}

// create makes the node's file system, before its first start.
func (n *Node) create(ctx context.Context) error {
	for _, d := range []string{"upper", "work", "root", "containerd"} {
		if err := os.MkdirAll(n.dir(d), 0o755); err != nil {
			return err
		}
	}
	options := "lowerdir=" + strings.Join(n.layers, ":") + ",upperdir=" + n.dir("upper") + ",workdir=" + n.dir("work")
	if err := unix.Mount("overlay", n.Root(), "overlay", 0, options); err != nil {
		return fmt.Errorf("mount the file system: %w", err)
	}
	if err := n.makeUser(ctx); err != nil {
		return err
	}
	return n.writeFiles()
}

func (n *Node) makeUser(ctx context.Context) error {
	user := n.Spec.User
	if user == "root" {
		return nil
	}
	if err := run(ctx, nil, "chroot", n.Root(), "useradd", "--create-home", "--shell", "/bin/bash", user); err != nil {
		return err
	}
	rule := user + " ALL=(ALL:ALL) NOPASSWD: ALL\n"
	if n.Spec.SudoPassword != "" {
		rule = user + " ALL=(ALL:ALL) ALL\n"
		if err := n.chpasswd(ctx, user, n.Spec.SudoPassword); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(n.Root(), "etc/sudoers.d/lab"), []byte(rule), 0o440)
}

// nodeFile is a file by its path on the node.
type nodeFile struct {
	path, text string
	mode       fs.FileMode
}

// writeFiles puts in place what makes this node this node.
func (n *Node) writeFiles() error {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	home := "/root"
	if n.Spec.User != "root" {
		home = "/home/" + n.Spec.User
	}
	ssh := filepath.Join(n.Root(), home, ".ssh")
	if err := os.MkdirAll(ssh, 0o700); err != nil {
		return err
	}
	files := []nodeFile{
		{"/etc/hostname", n.Name + "\n", 0o644},
		{"/etc/hosts", hostsFile(n.lab.nodes, n.lab.state.Registries), 0o644},
		{"/etc/resolv.conf", "# no name server: the lab is offline\n", 0o644},
		{"/etc/machine-id", hex.EncodeToString(id) + "\n", 0o444},
		{"/etc/systemd/network/10-host0.network", networkFile(n.Addr), 0o644},
		{"/etc/ssh/ssh_host_ed25519_key", string(n.hostPrivate), 0o600},
		{"/etc/ssh/ssh_host_ed25519_key.pub", n.hostPublic + "\n", 0o644},
		{home + "/.ssh/authorized_keys", n.authorized + "\n", 0o600},
		{"/etc/containerd/config.toml", n.Spec.containerdConfig(), 0o644},
	}
	if n.Spec.Pods {
		files = append(files, nodeFile{"/etc/cni/net.d/10-lab.conflist", podNetwork(n.Addr), 0o644})
	}
	if n.lab.kube != nil && n.lab.kube.spec.kubeletOn(n.Name) {
		more, err := n.lab.kube.kubeletFiles(n)
		if err != nil {
			return err
		}
		files = append(files, more...)
	}
	for _, f := range files {
		path := filepath.Join(n.Root(), f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := replace(path, []byte(f.text), f.mode); err != nil {
			return err
		}
	}
	if n.Spec.User != "root" {
		info, err := os.Stat(filepath.Dir(ssh))
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t)
		for _, p := range []string{ssh, filepath.Join(ssh, "authorized_keys")} {
			if err := os.Chown(p, int(owner.Uid), int(owner.Gid)); err != nil {
				return err
			}
		}
	}
	if n.Spec.NoConfig {
		if err := os.Remove(filepath.Join(n.Root(), "etc/containerd/config.toml")); err != nil {
			return err
		}
	}
	if n.Spec.Containerd == "" {
		return nil
	}
	return os.Symlink("/lib/systemd/system/containerd.service", filepath.Join(n.Root(), "etc/systemd/system/multi-user.target.wants/containerd.service"))
}

// Start boots the node and returns when it answers at SSH and, if it has a
// containerd, at CRI.
func (n *Node) Start(ctx context.Context) error {
	if n.Running() {
		return fmt.Errorf("node %s runs already", n.Name)
	}
	id := n.lab.state.ID
	procs, err := n.group().create()
	if err == nil && n.Spec.Pods {
		procs, err = n.group().account(procs)
	}
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	argv := []string{
		"nsenter", "--net=" + netnsPath(n.lab.state.Netns), "--",
		"systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot",
		"--directory=" + n.Root(), "--machine=" + machineName(id, n.Name), "--hostname=" + n.Name,
		"--network-bridge=" + bridge, "--capability=all", "--link-journal=no",
		"--resolv-conf=off", "--timezone=off", "--kill-signal=SIGRTMIN+3",
		"--bind=" + n.dir("containerd") + ":/var/lib/containerd",
	}
	if n.Spec.Pods {
		argv = append(argv, "--system-call-filter=add_key keyctl bpf") // runc's, for each container
	}
	cmd, err := spawnIn(procs, n.Console(), argv...)
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	if err := os.WriteFile(n.dir("nspawn.pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	if err := n.await(ctx, ended); err != nil || !n.Spec.Pods || n.Spec.CRIDown {
		return err
	}
	return n.loadSandbox(ctx)
}

// await waits for the node to answer; ended, when closed, says that it never will.
func (n *Node) await(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	waiting := "boot"
	var last error
	err := until(ctx, 50*time.Millisecond, func() (bool, error) {
		select {
		case <-ended:
			return false, errors.New("systemd-nspawn ended, see " + n.Console())
		default:
		}
		waiting, last = n.answers(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("node %s, waiting for %s: %w (last answer: %v)", n.Name, waiting, err, last)
	}
	return nil
}

// answers tells what of the node does not answer yet.
func (n *Node) answers(ctx context.Context) (what string, err error) {
	if _, err := n.initPID(); err != nil {
		return "init", err
	}
	if err := n.sshAnswers(ctx); err != nil {
		return "ssh", err
	}
	if n.Spec.Containerd == "" || n.Spec.CRIDown {
		return "", nil
	}
	if _, err := n.CRIVersion(ctx); err != nil {
		return "cri", err
	}
	return "", nil
}

func (n *Node) sshAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := n.lab.DialContext(ctx, "tcp", netip.AddrPortFrom(n.Addr, uint16(n.SSHPort)).String())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "SSH-2.0-") {
		err = fmt.Errorf("%q is no SSH banner", shorten(line, 40))
	}
	return err
}

// Running tells whether the node's init lives.
func (n *Node) Running() bool {
	_, err := n.initPID()
	return err == nil
}

// initPID is the id, on this machine, of the node's init: the child of systemd-nspawn
// that is process 1 of its own namespace. It changes when the node reboots.
func (n *Node) initPID() (int, error) {
	b, err := os.ReadFile(n.dir("nspawn.pid"))
	if err != nil {
		return 0, fmt.Errorf("node %s was not started: %w", n.Name, err)
	}
	pid := strings.TrimSpace(string(b))
	children, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	if err != nil {
		return 0, fmt.Errorf("node %s is down", n.Name)
	}
	for _, child := range strings.Fields(string(children)) {
		status, err := os.ReadFile("/proc/" + child + "/status")
		if err == nil && isInit(string(status)) {
			return strconv.Atoi(child)
		}
	}
	return 0, fmt.Errorf("node %s has no init", n.Name)
}

// isInit reads a status file: process 1 of an inner namespace, and not ended.
func isInit(status string) bool {
	inner := false
	for line := range strings.Lines(status) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[0] == "NSpid:":
			inner = f[len(f)-1] == "1"
		case len(f) >= 2 && f[0] == "State:" && (f[1] == "Z" || f[1] == "X"):
			return false
		}
	}
	return inner
}

// Kill ends the node at once, as a loss of power does to its processes. What was written is
// there at the next Start, synced or not: the machine's own page cache lives on.
func (n *Node) Kill(ctx context.Context) error {
	if err := n.group().end(ctx); err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	return nil
}

// Reboot is Kill and Start.
func (n *Node) Reboot(ctx context.Context) error {
	if err := n.Kill(ctx); err != nil {
		return err
	}
	return n.Start(ctx)
}
