package kubespray

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/pullway/pullway/internal/kubespray"
)

// Tasks are the registry tasks of a real tree, from "Copy containerd config file"
// to the end of the role, with its handlers.
type Tasks struct {
	// Tree is the folder of the checkout.
	Tree    string
	Profile kubespray.Profile
	// Node is the host of the inventory that they run for.
	Node string
}

// NewTasks probes a tree and prepares its tasks.
func NewTasks(tree string) (Tasks, error) {
	p, err := kubespray.ProbeDir(tree)
	return Tasks{Tree: tree, Profile: p, Node: "node1"}, err
}

// Outcome of one play.
type Outcome struct {
	// Failed is the task that failed, or "".
	Failed string
	// Changed counts changed tasks; Restarts those of containerd.
	Changed, Restarts int
	// Files are what stands in the scratch folder afterwards, by relative path.
	Files map[string]string
	// Log is all that was printed.
	Log string
}

// stub is a program that stands in for systemctl and ctr: it notes its arguments
// and answers as a machine does on which containerd runs.
const stub = `#!/bin/sh
echo "${0##*/} $*" >> "$STUB_LOG"
case "$*" in
show*) printf 'ActiveState=active\nLoadState=loaded\nSubState=running\n';;
is-enabled*) echo enabled;;
*"oci spec"*) echo '{"process":{}}';;
esac
`

// Local runs the tasks for a node of an inventory on this machine, into a scratch
// folder that may hold the outcome of an earlier run. Nothing else is touched:
// the two programs that the handlers call are stubs.
func (t Tasks) Local(ctx context.Context, inventory, scratch string, env ...string) (Outcome, error) {
	bin, work := filepath.Join(scratch, "bin"), filepath.Join(scratch, "etc")
	for _, dir := range []string{bin, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return Outcome{}, err
		}
	}
	for _, name := range []string{"systemctl", "ctr"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(stub), 0o755); err != nil {
			return Outcome{}, err
		}
	}
	log := filepath.Join(scratch, "log")
	if err := os.WriteFile(log, nil, 0o644); err != nil {
		return Outcome{}, err
	}
	vars := fmt.Sprintf("{containerd_cfg_dir: %q, containerd_bin_dir: %q, ansible_connection: local, ansible_python_interpreter: /usr/bin/python3, ansible_service_mgr: systemd, containerd_default_base_runtime_spec: {}}", work, bin)
	env = append(env, "STUB_LOG="+log, "PATH="+bin+":"+os.Getenv("PATH"))
	o, err := t.play(ctx, inventory, scratch, vars, env, exec.CommandContext)
	if err != nil {
		return o, err
	}
	stubs, err := os.ReadFile(log)
	if err != nil {
		return o, err
	}
	o.Restarts = strings.Count(string(stubs), "systemctl restart containerd")
	o.Files, err = filesBelow(work)
	return o, err
}

// On runs the tasks on a node of an inventory, a real one with containerd, whose
// ctr is in bin.
func (t Tasks) On(ctx context.Context, make Command, inventory, scratch, bin string, env ...string) (Outcome, error) {
	return t.play(ctx, inventory, scratch, onNode(bin), env, make)
}

func onNode(bin string) string {
	return fmt.Sprintf("{containerd_bin_dir: %q, ansible_service_mgr: systemd, containerd_default_base_runtime_spec: {}}", bin)
}

// OwnConnections keeps Ansible from leaving SSH connections behind, and from using
// such as others left: labs side by side have nodes of the same addresses.
const OwnConnections = "ANSIBLE_SSH_ARGS=-o ControlMaster=no -o ControlPath=none"

// Command makes a process; the lab's own puts it into its network.
type Command func(ctx context.Context, name string, args ...string) *exec.Cmd

// ConfigTask is the name of the task that writes config.toml, the first that runs.
func (t Tasks) ConfigTask() string { return t.Profile.RolePrefix + " | Copy containerd config file" }

// play writes the mini playbook and runs it for the node.
func (t Tasks) play(ctx context.Context, inventory, scratch, vars string, env []string, make Command) (Outcome, error) {
	playbook := filepath.Join(scratch, "play.yml")
	text := fmt.Sprintf("- hosts: k8s_cluster\n  gather_facts: false\n  any_errors_fatal: true\n  vars: %s\n  roles: [%s, container-engine/containerd]\n", vars, t.Profile.DefaultsRole)
	if err := os.WriteFile(playbook, []byte(text), 0o644); err != nil {
		return Outcome{}, err
	}
	cmd := make(ctx, "ansible-playbook", "-i", inventory, playbook, "--limit", t.Node, "--start-at-task", t.ConfigTask())
	cmd.Env = append(os.Environ(), "ANSIBLE_ROLES_PATH="+filepath.Join(t.Tree, "roles"), "ANSIBLE_LIBRARY="+filepath.Join(t.Tree, "library"),
		"ANSIBLE_NOCOLOR=1", "ANSIBLE_RETRY_FILES_ENABLED=0", "ANSIBLE_DEPRECATION_WARNINGS=0", "LC_ALL=C.UTF-8")
	cmd.Env = append(cmd.Env, OwnConnections)
	cmd.Env = append(cmd.Env, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	o := Outcome{Log: out.String()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return o, err
	}
	o.Failed = failedTask(o.Log)
	if m := recap.FindStringSubmatch(o.Log); m != nil && m[1] == t.Node {
		o.Changed, _ = strconv.Atoi(m[2])
	} else if o.Failed == "" {
		return o, fmt.Errorf("the play did not run: %s", strings.TrimSpace(o.Log))
	}
	return o, nil
}

var (
	recap    = regexp.MustCompile(`(?m)^(\S+)\s+: ok=\d+\s+changed=(\d+)`)
	taskLine = regexp.MustCompile(`(?m)^(?:TASK|RUNNING HANDLER) \[(?:.* : )?(.*?)\] \*+$`)
)

// failedTask is the task under which a host failed. The last one of the role asks
// for a service manager that a scratch folder does not have; that says nothing.
func failedTask(log string) string {
	at := strings.Index(log, "fatal: ")
	if at < 0 {
		if at = strings.Index(log, "failed: ["); at < 0 {
			return ""
		}
	}
	all := taskLine.FindAllStringSubmatch(log[:at], -1)
	if len(all) == 0 {
		return "(unknown)"
	}
	if name := all[len(all)-1][1]; !strings.HasSuffix(name, "Ensure containerd is started and enabled") {
		return name
	}
	return ""
}

func filesBelow(dir string) (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[rel] = strings.ReplaceAll(string(b), dir, "/etc/containerd")
		return err
	})
	return all, err
}
