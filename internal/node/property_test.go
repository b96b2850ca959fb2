package node

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pullway/pullway/internal/failpoint"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// file is one file of a drawn tree.
type file struct {
	text string
	mode fs.FileMode
	uid  int
}

func drawFile(t *rapid.T, label string) file {
	f := file{text: rapid.SampledFrom([]string{"", "a\n", "b\n", "server = \"https://x\"\n", strings.Repeat("long\n", 2000)}).Draw(t, label+" text"),
		mode: rapid.SampledFrom([]fs.FileMode{0o600, 0o640, 0o644, 0o400, 0o755, 0}).Draw(t, label+" mode")}
	if os.Geteuid() == 0 {
		f.uid = rapid.SampledFrom([]int{0, 0, 65534}).Draw(t, label+" owner")
	}
	return f
}

// world is a drawn node: what stands there, and what somebody wants of it.
type world struct {
	*bench
	changes []plan.Change
	want    map[string]string
}

var drawnFiles = []string{"ca-1.pem", "hosts.toml", "notes"}

// drawWorld makes a tree of host directories that are ours or foreign, links,
// odd modes and owners, or none at all, and changes for it as a plan has them.
func drawWorld(t *rapid.T, tb testing.TB) *world {
	w := &world{bench: emptyBench(tb)}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(name string, f file) {
		w.write(name, f.text, 0o600)
		p := filepath.Join(w.etc, name)
		must(errors.Join(os.Chown(p, f.uid, f.uid), os.Chmod(p, f.mode)))
	}
	put("config.toml", drawFile(t, "config.toml"))
	if rapid.Bool().Draw(t, "foreign beside") {
		must(os.Symlink("/nowhere", filepath.Join(w.etc, "link")))
	}
	there := map[string][]string{}
	if rapid.Bool().Draw(t, "certs.d") {
		must(os.Mkdir(w.hosts(), rapid.SampledFrom([]fs.FileMode{0o755, 0o700, 0o711}).Draw(t, "certs.d mode")))
		for _, h := range []string{"a.example.com", "b.example.com", "c.example.com", "_default"} {
			switch rapid.SampledFrom([]string{"none", "dir", "dir", "link", "file"}).Draw(t, h) {
			case "dir":
				dir := filepath.Join(w.hosts(), h)
				must(os.Mkdir(dir, 0o755))
				for _, name := range drawnFiles {
					if rapid.Bool().Draw(t, h+" "+name) {
						put("certs.d/"+h+"/"+name, drawFile(t, h+" "+name))
						there[h] = append(there[h], name)
					}
				}
				if rapid.Bool().Draw(t, h+" link") {
					must(os.Symlink("../elsewhere", filepath.Join(dir, "link")))
				}
				must(os.Chmod(dir, rapid.SampledFrom([]fs.FileMode{0o755, 0o700, 0o500}).Draw(t, h+" mode")))
			case "link":
				must(os.Symlink("a.example.com", filepath.Join(w.hosts(), h)))
			case "file":
				put("certs.d/"+h, file{"not a folder\n", 0o644, 0})
			}
		}
	}
	w.old = w.tree()
	w.drawChanges(t, there)
	return w
}

// drawChanges draws what a plan may ask for: files of host directories that are
// folders or are not there, and config.toml.
func (w *world) drawChanges(t *rapid.T, there map[string][]string) {
	w.want = maps.Clone(w.old)
	change := func(rel string, a plan.Action) {
		c := plan.Change{Path: filepath.Join(w.etc, rel), Action: a}
		if rel == "config.toml" {
			c.Effect = "restart"
		}
		if a == plan.Delete {
			delete(w.want, rel)
		} else {
			c.Mode = uint32(rapid.SampledFrom([]int{0o600, 0o644}).Draw(t, rel+" new mode"))
			c.Content = []byte(rapid.SampledFrom([]string{"new\n", "newer\n", ""}).Draw(t, rel+" new text"))
			// A host directory's file becomes root's, config.toml stays whose it is.
			owner := ""
			if a == plan.Update && c.Effect != "" {
				if f := strings.Fields(w.old[rel]); len(f) > 1 && strings.Contains(f[1], ":") {
					owner = " " + f[1]
				}
			}
			w.want[rel] = fmt.Sprintf("%s%s %s", fs.FileMode(c.Mode), owner, c.Content)
		}
		w.changes = append(w.changes, c)
	}
	for _, h := range []string{"a.example.com", "b.example.com", "c.example.com", "_default", "d.example.com"} {
		dir := "certs.d/" + h
		if was, ok := w.old[dir]; ok && !strings.HasPrefix(was, "d") {
			continue // a plan refuses to change what is no folder
		}
		_, stood := w.old[dir]
		for _, name := range drawnFiles {
			switch {
			case slices.Contains(there[h], name):
				if a := rapid.SampledFrom([]plan.Action{"", plan.Update, plan.Delete, plan.Delete}).Draw(t, dir+name); a != "" {
					change(dir+"/"+name, a)
				}
			case rapid.Bool().Draw(t, dir+name):
				change(dir+"/"+name, plan.Create)
			}
		}
		below := false
		for p := range w.want {
			below = below || strings.HasPrefix(p, dir+"/")
		}
		switch touched := slices.ContainsFunc(w.changes, func(c plan.Change) bool { return filepath.Dir(c.Path) == filepath.Join(w.etc, dir) }); {
		case touched && below && !stood:
			w.want[dir] = "drwxr-xr-x"
			if _, ok := w.want["certs.d"]; !ok {
				w.want["certs.d"] = "drwxr-xr-x"
			}
		case touched && !below:
			delete(w.want, dir)
		}
	}
	if rapid.Bool().Draw(t, "change config.toml") {
		change("config.toml", plan.Update)
		w.changes[len(w.changes)-1].Effect = "restart"
	}
}

func drawBlows(t *rapid.T, label string) *blows {
	return &blows{left: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) blow {
		return blow{rapid.IntRange(1, 220).Draw(t, "n"), rapid.Bool().Draw(t, "crash")}
	}), 0, 4).Draw(t, label)}
}

// Whatever stands on a node, whatever is wanted and wherever it is struck, an undo
// and a recovery included: the node has its old state or its new one, and so it
// has after a rollback that is struck as well.
func TestAnyNodeSurvivesAnyBlows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt, t)
		isOld := func() string { return cmp.Diff(w.old, w.tree()) }
		isNew := func() string { return cmp.Diff(w.want, w.tree()) }
		first := drawBlows(rt, "blows")
		forward := func(hook failpoint.Hook) *transaction { return w.apply(hook, w.changes) }
		if err := w.survive(first, forward, isOld, isNew); err != nil {
			rt.Fatalf("apply under %q: %v", first.at, err)
		}
		history, err := w.store.history()
		if err != nil {
			rt.Fatal(err)
		}
		if isNew() != "" || len(history) == 0 {
			return
		}
		second := drawBlows(rt, "blows on the rollback")
		back := func(hook failpoint.Hook) *transaction { return w.back(hook, history[0].ID) }
		if err := w.survive(second, back, isNew, isOld); err != nil {
			rt.Fatalf("rollback under %q: %v", second.at, err)
		}
		if history, err = w.store.history(); err != nil {
			rt.Fatal(err)
		}
		if isOld() == "" && isNew() != "" && !history[len(history)-1].Undone {
			rt.Fatalf("rolled back under %q, and the record does not say so", second.at)
		}
	})
}

// back is the rollback of an apply.
func (b *bench) back(hook failpoint.Hook, id string) *transaction {
	b.t.Helper()
	b.store.disk.hook = hook
	history, err := b.store.history()
	if err != nil {
		b.t.Fatal(err)
	}
	i := slices.IndexFunc(history, func(r *Record) bool { return r.ID == id })
	target := history[i]
	if err := b.store.loadBackup(target); err != nil {
		b.t.Fatal(err)
	}
	r := &Record{ID: "20260102T000000.000Z-0002", Run: "back", Op: protocol.OpRollback, Restart: target.Restart, ConfigFile: target.ConfigFile,
		Before: target.After, After: target.Before, Undoes: target.ID, EmptyDirs: target.MadeDirs}
	if err := reverseItems(r, target, b.hosts()); err != nil {
		b.t.Fatal(err)
	}
	return b.run(r)
}
