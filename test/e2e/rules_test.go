//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pullway/pullway/test/lab"
	"github.com/pullway/pullway/test/rules"
)

// rulesTruthEnv names the file that TestRules writes its table to, for make e2e to show.
const rulesTruthEnv = "PULLWAY_RULES_TRUTH"

const (
	examplesDir    = "../../internal/doctor/testdata"
	rulesTruthPage = "../../docs/rules/truth.md"
)

// rulesReleases are those of the truth table, and, where everything is asked for, those
// that a rule of its own is about.
func rulesReleases() []string {
	if !full() {
		return rules.Releases
	}
	return append(slices.Clone(rules.Releases), "1.5.8", "2.1.9", "2.2.1", "2.3.4")
}

// TestRules runs every example of doctor's rules on real containerds: what a rule says
// happens has to happen on the releases that it names, on no other of them, and not
// with the good example. With PULLWAY_E2E=full it writes docs/rules/truth.md.
func TestRules(t *testing.T) {
	t.Parallel()
	all, err := rules.Load(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	w := newRulesWorld(t)
	words := strings.NewReplacer("@CA@", w.read(rules.PrivateCA), "@CERT@", w.read(rules.CertFile), "@KEY@", w.read(rules.KeyFile))
	table := rules.NewTable(all)
	var mu sync.Mutex
	t.Run("releases", func(t *testing.T) {
		for _, release := range rulesReleases() {
			t.Run(release, func(t *testing.T) {
				t.Parallel()
				layers, err := lab.Layers(t.Context(), lab.Config{}, release, slog.New(slog.NewTextHandler(t.Output(), nil)))
				if err != nil {
					t.Fatal(err)
				}
				for _, group := range alike(all, release) {
					for e, seen := range observe(t, w, layers, release, group, words) {
						mu.Lock()
						table.Put(e, release, seen)
						mu.Unlock()
					}
				}
			})
		}
	})
	for _, e := range all {
		for _, release := range e.On {
			judge(t, table, e, release)
		}
	}
	if t.Failed() {
		return
	}
	if full() {
		if err := os.WriteFile(rulesTruthPage, []byte(table.Page()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(table.Head())
	if name := os.Getenv(rulesTruthEnv); name != "" {
		if err := os.WriteFile(name, []byte(table.Text()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// judge compares what was seen with what the rule says.
func judge(t *testing.T, table *rules.Table, e rules.Example, release string) {
	want, told := e.Effect(release), e.Tells(release)
	if e.Good {
		// One that says what it shows has to show it, another one not what is wrong.
		if told = want != ""; !told {
			want = table.BadOf(e).Effect(release)
		}
	}
	if want == "" || !slices.Contains(rulesReleases(), release) {
		return
	}
	seen, ok := table.Seen(e.Name, release)
	if !ok {
		t.Errorf("%s on %s: was not run", e.Name, release)
		return
	}
	matches, err := regexp.MatchString(want, seen)
	if err != nil || matches != told {
		t.Errorf("%s on %s: seen %q, which has to match %q: %v (%v)", e.Name, release, seen, want, told, err)
	}
}

// alike groups the examples of a release that differ in host directories only: these
// are read at each pull, so one daemon does for all of them.
func alike(all []rules.Example, release string) [][]rules.Example {
	var groups [][]rules.Example
	index := map[string]int{}
	for _, e := range all {
		if !slices.Contains(e.On, release) || e.Pull == "" {
			continue
		}
		var key bytes.Buffer
		for _, f := range e.Files {
			if !strings.HasPrefix(f.Name, "etc/containerd/certs.d/") {
				fmt.Fprintf(&key, "%s\x00%s\x00", f.Name, f.Data)
			}
		}
		i, ok := index[key.String()]
		if !ok {
			i = len(groups)
			index[key.String()], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], e)
	}
	// What ends the daemon comes last.
	ends := func(e rules.Example) bool { return !e.Good && e.Tells(release) && e.Effect(release) == "^"+rules.Exits }
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b rules.Example) int {
			switch {
			case ends(a) == ends(b):
				return 0
			case ends(a):
				return 1
			}
			return -1
		})
	}
	return groups
}

// observe runs one daemon over a group of examples and says what each showed.
func observe(t *testing.T, w *rulesWorld, layers []string, release string, group []rules.Example, words *strings.Replacer) map[string]string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pwd")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	var d *rulesDaemon
	stop := func() {
		if d != nil {
			if err := d.stop(); err != nil {
				t.Error(err)
			}
		}
	}
	defer func() {
		stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	for i, e := range group {
		if err := clear(filepath.Join(dir, "etc"), i > 0); err != nil {
			t.Fatal(err)
		}
		if err := e.Write(filepath.Join(dir, "files"), words); err != nil {
			t.Fatal(err)
		}
		if err := moveInto(filepath.Join(dir, "files/etc/containerd"), filepath.Join(dir, "etc")); err != nil {
			t.Fatal(err)
		}
		if d == nil {
			if d, err = w.start(dir, layers); err != nil {
				t.Fatal(err)
			}
			state, err := d.state(t.Context())
			if err != nil {
				t.Fatalf("%s on %s: %v", e.Name, release, err)
			}
			if state != "" {
				for _, e := range group {
					seen[e.Name] = state
				}
				return seen
			}
		}
		tag := strings.ToLower(strings.ReplaceAll(e.Name, "/", "-")) + "-" + release
		got, err := d.pull(context.WithoutCancel(t.Context()), w, e.Pull, tag, e.Secret)
		if err != nil {
			t.Fatalf("%s on %s: %v", e.Name, release, err)
		}
		seen[e.Name] = got
		if got == rules.Exits && i < len(group)-1 {
			t.Errorf("%s on %s ends the daemon, and others come after it", e.Name, release)
			return seen
		}
	}
	return seen
}

// clear empties a folder but for what the daemon has read at its start.
func clear(dir string, certsOnly bool) error {
	if certsOnly {
		return os.RemoveAll(filepath.Join(dir, "certs.d"))
	}
	return os.MkdirAll(dir, 0o755)
}

// moveInto puts the entries of a folder into another one, in place of those that are
// there.
func moveInto(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		target := filepath.Join(to, e.Name())
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(from, e.Name()), target); err != nil {
			return err
		}
	}
	return os.RemoveAll(from)
}
