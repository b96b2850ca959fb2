package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pullway/pullway/test/lab"
)

// sight is what the demo itself sees on the nodes, without asking Pullway: all of
// /etc with modes, owners, links and contents, and the process of containerd.
type sight struct {
	etc  map[string]map[string]lab.Entry
	pids map[string]int
}

func look(ctx context.Context, l *lab.Lab) (sight, error) {
	s := sight{etc: map[string]map[string]lab.Entry{}, pids: map[string]int{}}
	for _, n := range l.Nodes() {
		tree, err := n.Tree("/etc")
		if err != nil {
			return s, err
		}
		if len(tree) < 2 {
			return s, fmt.Errorf("%s: /etc was not read", n.Name)
		}
		pid, err := n.ContainerdPID(ctx)
		if err != nil {
			return s, err
		}
		if pid == 0 {
			return s, fmt.Errorf("%s: containerd does not run", n.Name)
		}
		s.etc[n.Name], s.pids[n.Name] = tree, pid
	}
	return s, nil
}

// digest is one SHA-256 over everything that a tree holds.
func digest(tree map[string]lab.Entry) string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		e := tree[path]
		fmt.Fprintf(h, "%q %v %d %d %s %q\n", path, e.Mode, e.UID, e.GID, e.SHA256, e.Link)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// sameFiles says where two sights differ in files; nil means nowhere.
func sameFiles(before, after sight) error {
	for _, name := range slices.Sorted(maps.Keys(before.etc)) {
		was, is := before.etc[name], after.etc[name]
		if digest(was) == digest(is) {
			continue
		}
		var differ []string
		for path := range was {
			if was[path] != is[path] {
				differ = append(differ, path)
			}
		}
		for path := range is {
			if _, ok := was[path]; !ok {
				differ = append(differ, path)
			}
		}
		slices.Sort(differ)
		return fmt.Errorf("%s: /etc is not as before: %s", name, strings.Join(differ, ", "))
	}
	return nil
}

// sameProcesses says on which nodes containerd was restarted; nil means on none.
func sameProcesses(before, after sight) error {
	if maps.Equal(before.pids, after.pids) {
		return nil
	}
	return fmt.Errorf("containerd was restarted: its processes were %v, and are %v", before.pids, after.pids)
}

// answered counts what the registry's own log holds of a node: requests that it
// served to that node's containerd with this account.
func answered(r *lab.Registry, n *lab.Node, account string) (int, error) {
	entries, err := r.Log()
	count := 0
	for _, e := range entries {
		if e.Remote == n.Addr.String() && e.Status == 200 && e.User == account && strings.HasPrefix(e.UserAgent, "containerd/") {
			count++
		}
	}
	return count, err
}
