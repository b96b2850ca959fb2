package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// playbook is what Ansible runs; what it does and does not do stands at its top.
//
//go:embed ansible
var playbook embed.FS

// forks, pipelining and no gathering of facts are what makes it fast.
const ansibleConfig = `[defaults]
forks = 50
gathering = explicit
host_key_checking = True
retry_files_enabled = False
stdout_callback = default
[ssh_connection]
pipelining = True
control_path_dir = %s
`

// prepareAnsible puts the playbook and its configuration into a folder.
func (b *bench) prepareAnsible() error {
	if err := os.CopyFS(b.dir, playbook); err != nil {
		return err
	}
	if err := os.Mkdir(b.controlDir(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "ansible.cfg"), fmt.Appendf(nil, ansibleConfig, b.controlDir()), 0o600)
}

func (b *bench) controlDir() string { return filepath.Join(b.dir, "cp") }

// play runs the playbook on all nodes and checks that so many of its tasks changed
// something on each. Its ssh connections are ended afterwards, because the next run
// of a day would not find them either.
func (b *bench) play(ctx context.Context, c credential, changed int) (cost, error) {
	args := []string{"-i", b.lab.Inventory(), "-e", "registry=" + registry, "-e", "image=" + image,
		"-e", "username=" + c.user, "-e", "password=" + c.password, filepath.Join(b.dir, "ansible", "playbook.yml")}
	spent, out, err := b.timed(ctx, fmt.Sprintf("ansible-playbook, %d nodes", b.nodes), func(ctx context.Context) *exec.Cmd {
		cmd := b.lab.Command(ctx, "ansible-playbook", args...)
		cmd.Env = append(os.Environ(), "ANSIBLE_CONFIG="+filepath.Join(b.dir, "ansible.cfg"), "ANSIBLE_HOME="+filepath.Join(b.dir, "ansible-home"), "LC_ALL=C.UTF-8")
		return cmd
	})
	if told := fmt.Sprintf("changed=%d ", changed); err == nil && strings.Count(out, told) != b.nodes {
		err = fmt.Errorf("ansible-playbook did not end with %q on %d nodes:\n%s", told, b.nodes, lastLines(out, 40))
	}
	return spent, errors.Join(err, b.hangUp(ctx))
}

// hangUp ends the connections that Ansible keeps.
func (b *bench) hangUp(ctx context.Context) error {
	sockets, err := filepath.Glob(filepath.Join(b.controlDir(), "*"))
	if err != nil {
		return err
	}
	for _, s := range sockets {
		// One that is about to end by itself says so; that is as good.
		_ = exec.CommandContext(ctx, "ssh", "-O", "exit", "-o", "ControlPath="+s, "node").Run()
	}
	return nil
}

// reset puts every node back to what it was before anything was measured.
func (b *bench) reset(ctx context.Context) error {
	_, err := b.ssh(ctx, b.nodes, strings.Join([]string{
		"cp -a /root/config.toml /etc/containerd/config.toml", "rm -rf /etc/containerd/certs.d",
		"ctr -n k8s.io images rm " + image + " >/dev/null 2>&1", "systemctl restart containerd",
	}, "; "))
	return err
}

// keep remembers how the nodes are before anything was measured.
func (b *bench) keep(ctx context.Context) error {
	_, err := b.ssh(ctx, b.nodes, "cp -a /etc/containerd/config.toml /root/config.toml")
	return err
}
