package lab

import (
	"context"
	"fmt"
	"os/exec"
)

// CutLink takes the node off the network, as a pulled cable does: packets are
// lost, nobody is told. It lasts until RestoreLink or the next Start.
func (n *Node) CutLink(ctx context.Context) error { return n.link(ctx, "down") }

// RestoreLink undoes CutLink.
func (n *Node) RestoreLink(ctx context.Context) error { return n.link(ctx, "up") }

func (n *Node) link(ctx context.Context, to string) error {
	cmd := exec.CommandContext(ctx, "nsenter", "--net="+netnsPath(n.lab.state.Netns), "--",
		"ip", "link", "set", "dev", hostInterface(n.lab.state.ID, n.Name), to)
	_, err := finish(cmd, "")
	return err
}

// ReadOnly makes a folder of the node read-only until Writable or the next Start.
func (n *Node) ReadOnly(ctx context.Context, dir string) error {
	d := quote(dir)
	_, err := n.Exec(ctx, fmt.Sprintf("mount --bind %s %s && mount -o remount,bind,ro %s", d, d, d))
	return err
}

// Writable undoes ReadOnly.
func (n *Node) Writable(ctx context.Context, dir string) error {
	_, err := n.Exec(ctx, "umount -- "+quote(dir))
	return err
}

// FillDisk makes a folder of the node a full disk: what is in it stays, with modes and
// owners, and free more bytes can be written, rounded to pages. It lasts until
// FreeDisk; the folder as it was before comes back at UnmountDisk or the next Start.
func (n *Node) FillDisk(ctx context.Context, dir string, free int64) error {
	if free < 0 {
		return fmt.Errorf("fill %s: %d free bytes", dir, free)
	}
	// The new disk is filled up to the wanted rest, since a size of a tmpfs cannot be told from
	// what it holds already. Inodes are plenty: only the space is short.
	script := fmt.Sprintf(`set -e
d=%s; t=$(mktemp -d /run/lab-disk.XXXXXX)
size=$(( $(du -s --apparent-size -B1 "$d" | cut -f1) * 2 + 4194304 + %d ))
mount -t tmpfs -o size=$size,mode=$(stat -c %%a "$d"),uid=$(stat -c %%u "$d"),gid=$(stat -c %%g "$d") lab-disk "$t"
cp -a "$d/." "$t/"
left=$(( $(stat -f -c '%%a * %%S' "$t") ))
fill=$(( (left - %d) / 4096 * 4096 ))
[ $fill -le 0 ] || fallocate -l $fill "$t/.lab-filled"
mount --bind "$t" "$d"
umount "$t"
rmdir "$t"`, quote(dir), free, free)
	_, err := n.Exec(ctx, script)
	return err
}

// FreeDisk gives a disk made by FillDisk room again. What was written to it stays.
func (n *Node) FreeDisk(ctx context.Context, dir string) error {
	_, err := n.Exec(ctx, "rm -f -- "+quote(dir+"/.lab-filled"))
	return err
}

// UnmountDisk takes the disk of FillDisk away, with what was written to it.
func (n *Node) UnmountDisk(ctx context.Context, dir string) error {
	_, err := n.Exec(ctx, "umount -- "+quote(dir))
	return err
}

// KillContainerd sends the node's containerd SIGKILL. systemd starts it again
// after the unit's RestartSec, 5 s.
func (n *Node) KillContainerd(ctx context.Context) error {
	pid, err := n.ContainerdPID(ctx)
	if err != nil {
		return err
	}
	if pid == 0 {
		return fmt.Errorf("node %s: containerd does not run", n.Name)
	}
	_, err = n.Exec(ctx, fmt.Sprintf("kill -KILL %d", pid))
	return err
}

// RestartContainerd restarts it and returns when CRI answers again. A configuration
// that leaves CRI dead is waited for in vain, until ctx ends or for three minutes.
func (n *Node) RestartContainerd(ctx context.Context) error {
	if _, err := n.Exec(ctx, "systemctl restart containerd"); err != nil {
		return err
	}
	return n.await(ctx, nil)
}
