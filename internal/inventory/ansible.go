package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// errVault: an Ansible program lacked the vault's password.
var errVault = errors.New("ansible-vault has no password")

// ansible runs Ansible's own programs on one inventory.
type ansible struct {
	program string
	src     sources
	timeout time.Duration
	// extra are groups that Kubespray would add when a play runs.
	extra []group
}

// read gets groups, hosts and variables from ansible-inventory. own, which may
// be nil, is what the built-in reader made of the same files; it gives the order
// of the hosts, which ansible-inventory does not tell, and the warnings.
func (a *ansible) read(ctx context.Context, own *view) (*view, error) {
	t, all, err := a.list(ctx, own)
	if err != nil {
		return nil, err
	}
	// group_by puts hosts into further groups while a play runs, and their
	// group_vars count then: show Ansible the inventory as it will be.
	for _, g := range regroup(t) {
		files, err := varPaths(filepath.Join(a.src.dir, "group_vars", g.name))
		if err != nil {
			return nil, err
		}
		if len(files) > 0 {
			a.extra = append(a.extra, g)
		}
	}
	if len(a.extra) > 0 {
		if t, all, err = a.list(ctx, own); err != nil {
			return nil, err
		}
	}
	v := &view{tree: t, resolve: func([]string) (map[string]layers, error) { return all, nil }}
	v.warnings = slices.Clone(a.src.warnings)
	if own != nil {
		v.warnings = slices.Clone(own.warnings)
	}
	return v, nil
}

func (a *ansible) list(ctx context.Context, own *view) (*tree, map[string]layers, error) {
	out, err := a.run(ctx, a.program, "--list", "--playbook-dir", a.src.dir)
	if err != nil {
		return nil, nil, err
	}
	t, all, err := parseList(a.src.path, out)
	if err == nil && own != nil {
		t.reorder(own.order)
	}
	return t, all, err
}

// run calls an Ansible program with the inventory's arguments before args. It
// has no terminal, so that it cannot ask for a password.
func (a *ansible) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	first := []string{"-i", a.src.path}
	if len(a.extra) > 0 {
		file, remove, err := extraFile(a.extra)
		if err != nil {
			return nil, err
		}
		defer remove()
		first = append(first, "-i", file)
	}
	cmd := exec.CommandContext(ctx, program, append(first, args...)...)
	cmd.Env = append(os.Environ(),
		"ANSIBLE_INVENTORY_IGNORE="+strings.Join(a.src.ignore, ","),
		"ANSIBLE_INVENTORY_UNPARSED_FAILED=true",
		"ANSIBLE_NOCOLOR=1", "ANSIBLE_FORCE_COLOR=0", "ANSIBLE_LOG_PATH=/dev/null", "ANSIBLE_DEBUG=0",
		"ANSIBLE_LOAD_CALLBACK_PLUGINS=0", "ANSIBLE_DEVEL_WARNING=0", "LC_ALL=C.UTF-8")
	detach(cmd)
	cmd.WaitDelay = 2 * time.Second
	stdout, stderr := &capped{max: maxOutput}, &capped{max: 1 << 20}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	name := filepath.Base(program)
	switch {
	case ctx.Err() != nil:
		e := errorAt(a.src.path, 0, "%s did not answer within %s", name, a.timeout)
		return nil, e.hint("run it by hand: ansible-inventory -i " + a.src.path + " --list")
	case stdout.over:
		return nil, errorAt(a.src.path, 0, "%s prints more than %d MiB", name, maxOutput>>20)
	case err == nil:
		return stdout.Bytes(), nil
	}
	if text := stderr.String(); strings.Contains(text, "no vault secrets") || strings.Contains(text, "Decryption failed") {
		return nil, fmt.Errorf("%s: %s: %w", a.src.path, name, errVault)
	}
	e := errorAt(a.src.path, 0, "%s: %s", name, complaint(stderr.String(), err))
	return stdout.Bytes(), e.hint("run it by hand: ansible-inventory -i " + a.src.path + " --list")
}

var ansibleError = regexp.MustCompile(`^(?:ERROR[!:]|\[ERROR\]:) (.+)`)

// complaint picks the one line of Ansible's error that is safe to show: further
// lines quote the input, which may hold a password.
func complaint(stderr string, err error) string {
	for _, line := range strings.Split(stderr, "\n") {
		if m := ansibleError.FindStringSubmatch(line); m != nil {
			text := m[1]
			for _, quote := range []string{", got:", " definition '", ", found:"} {
				text, _, _ = strings.Cut(text, quote)
			}
			return clip(strings.Map(printable, text))
		}
	}
	return err.Error()
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// extraFile writes groups as an inventory of their own.
func extraFile(groups []group) (file string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "pullway-inventory-")
	if err != nil {
		return "", nil, err
	}
	doc := map[string]any{}
	for _, g := range groups {
		hosts := map[string]any{}
		for _, h := range g.hosts {
			hosts[h] = nil
		}
		doc[g.name] = map[string]any{"hosts": hosts}
	}
	b, err := json.Marshal(doc)
	if err == nil {
		file = filepath.Join(dir, "groups.json")
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return file, func() { os.RemoveAll(dir) }, nil
}

// capped keeps the first max bytes that are written to it.
type capped struct {
	bytes.Buffer
	max  int
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	if room := c.max - c.Len(); len(p) > room {
		c.over = true
		c.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return c.Buffer.Write(p)
}

// evaluate lets Ansible fill in the connection variables of hosts that need it
// (filters, vault) and stores the results in all. What Ansible cannot fill in
// stays as it was, so that the caller's own error tells about it.
func (a *ansible) evaluate(ctx context.Context, hosts map[string]error, all map[string]layers) {
	program := filepath.Join(filepath.Dir(a.program), "ansible")
	if !strings.Contains(a.program, string(filepath.Separator)) {
		program = "ansible"
	}
	want := map[string]string{}
	for host := range hosts {
		for _, name := range connectionVars() {
			if v, ok := all[host].get(name); ok && (v.kind == vaulted || v.kind == complex || isTemplate(v.text)) {
				want[name] = "{{ " + name + " | default('') }}"
			}
		}
	}
	dir, err := os.MkdirTemp("", "pullway-inventory-")
	if err != nil {
		return
	}
	defer os.RemoveAll(dir)
	limit := filepath.Join(dir, "limit")
	names := slices.Sorted(maps.Keys(hosts))
	if os.WriteFile(limit, []byte(strings.Join(names, "\n")+"\n"), 0o600) != nil {
		return
	}
	args, err := json.Marshal(map[string]any{"msg": want})
	if err != nil {
		return
	}
	// An error is no reason to stop: one host's failure fails the whole run.
	out, _ := a.run(ctx, program, "all", "--limit", "@"+limit, "--playbook-dir", a.src.dir, "-m", "ansible.builtin.debug", "-a", string(args))
	for host, found := range parseAdHoc(out) {
		if hosts[host] == nil {
			continue
		}
		done := vars{}
		for name, text := range found {
			if v, ok := all[host].get(name); ok {
				v.kind, v.text = unsafe, text
				done[name] = v
			}
		}
		all[host] = append(all[host], done)
	}
}
