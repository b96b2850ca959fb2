package play

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const site = `- hosts: all
  gather_facts: false
  tasks:
    - name: role | first
      command: "true"
      tags: containerd
    - name: role | fails on node2
      fail: {msg: "no space left"}
      when: inventory_hostname == "node2"
      tags: containerd
    - name: role | fails on node3 and hides it
      fail: {msg: "hunter2"}
      no_log: true
      when: inventory_hostname == "node3"
      tags: containerd
    - name: Containerd | restart containerd
      command: "true"
      tags: containerd
    - name: role | of another tag
      fail: {msg: "must not run"}
      tags: container-engine
`

func checkout(t *testing.T) (dir, inventory string) {
	t.Helper()
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("ansible-playbook is not installed: the play was not run (CI installs it)")
	}
	dir = t.TempDir()
	inventory = filepath.Join(dir, "hosts.yaml")
	for path, text := range map[string]string{
		filepath.Join(dir, "cluster.yml"): site,
		inventory:                         "all:\n  vars: {ansible_connection: local, ansible_become: false, ansible_python_interpreter: /usr/bin/python3}\n  hosts: {node1: , node2: , node3: , node4: }\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, inventory
}

func TestRun(t *testing.T) {
	dir, inventory := checkout(t)
	var log bytes.Buffer
	var events []Event
	p := Play{Checkout: dir, Playbook: "cluster.yml", Inventory: inventory, Tags: "containerd", Limit: []string{"node1", "node2", "node3"},
		Log: &log, On: func(e Event) { events = append(events, e) }}
	got, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r := got["node1"]; !r.OK() || !r.Restarted || r.Changed != 2 {
		t.Errorf("node1: %+v", r)
	}
	if r := got["node2"]; r.OK() || r.Failed != "role | fails on node2" || r.Text != "no space left" || r.Restarted {
		t.Errorf("node2: %+v", r)
	}
	if r := got["node3"]; r.OK() || r.Text != "" {
		t.Errorf("node3: %+v, want no text of a hidden task", r)
	}
	if _, ok := got["node4"]; ok || len(got) != 3 {
		t.Errorf("hosts beyond the limit: %+v", got)
	}
	if !slices.ContainsFunc(events, func(e Event) bool { return e.State == StateTask && e.Task == "role | first" }) {
		t.Errorf("no event of a task's beginning: %+v", events)
	}
	if !strings.Contains(log.String(), "PLAY RECAP") {
		t.Errorf("the log is not whole:\n%s", log.String())
	}
}

func TestRunThatReachesNobody(t *testing.T) {
	dir, inventory := checkout(t)
	if err := os.WriteFile(filepath.Join(dir, "cluster.yml"), []byte("- hosts: all\n  tasks: nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Play{Checkout: dir, Playbook: "cluster.yml", Inventory: inventory, Tags: "containerd", Limit: []string{"node1"}, Log: &bytes.Buffer{}}.Run(t.Context())
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "did not reach any node") {
		t.Errorf("%v, want one line", err)
	}
}

func TestRunIsInterrupted(t *testing.T) {
	dir, inventory := checkout(t)
	if err := os.WriteFile(filepath.Join(dir, "cluster.yml"), []byte("- hosts: all\n  gather_facts: false\n  tasks:\n    - {name: waits, pause: {minutes: 10}, tags: containerd}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("Ctrl-C")
	_, err := Play{Checkout: dir, Playbook: "cluster.yml", Inventory: inventory, Tags: "containerd", Limit: []string{"node1"}, Log: &bytes.Buffer{},
		On: func(e Event) { cancel(stop) }}.Run(ctx)
	if !errors.Is(err, stop) {
		t.Errorf("%v, want the reason of the interrupt", err)
	}
}

// TestRunThatHearsNoInterrupt: a child that goes on after the interrupt, and holds what
// events come by, does not keep the run.
func TestRunThatHearsNoInterrupt(t *testing.T) {
	dir, inventory := checkout(t)
	write(t, dir, site)
	bin := t.TempDir()
	deaf := "#!/bin/sh\ntrap '' INT\necho '{\"state\":\"task\",\"task\":\"deaf\"}' >&3\nsleep 300 &\nwait\n"
	if err := os.WriteFile(filepath.Join(bin, "ansible-playbook"), []byte(deaf), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := errors.New("Ctrl-C")
	_, err := Play{Checkout: dir, Playbook: "cluster.yml", Inventory: inventory, Tags: "containerd", Limit: []string{"node1"}, Log: &bytes.Buffer{},
		Patience: 100 * time.Millisecond, On: func(Event) { cancel(stop) }}.Run(ctx)
	if !errors.Is(err, stop) {
		t.Errorf("%v, want the reason of the interrupt", err)
	}
}

func TestRunWithoutAnsible(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var missing *NoAnsibleError
	if _, err := (Play{Checkout: t.TempDir(), Playbook: "cluster.yml", Log: &bytes.Buffer{}}).Run(t.Context()); !errors.As(err, &missing) {
		t.Errorf("%v, want a *NoAnsibleError", err)
	}
	dir := t.TempDir()
	write(t, dir, site)
	if err := (Play{Checkout: dir, Playbook: "cluster.yml"}).Check(t.Context()); !errors.As(err, &missing) {
		t.Errorf("%v of a check, want a *NoAnsibleError", err)
	}
}
