package node

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/pullway/pullway/internal/doctor"
	"github.com/pullway/pullway/internal/plan"
	"github.com/pullway/pullway/internal/protocol"
)

// What is not as the plan showed it is not touched, and files keep their owners.
func TestAsShown(t *testing.T) {
	key, before := []byte("k"), []byte("before")
	file := func(data []byte) Entry {
		e := NewFile(data, 0o644)
		e.UID, e.GID = 7, 8
		return e
	}
	update := plan.Change{Path: "/certs.d/a/hosts.toml", Action: plan.Update, Before: plan.Sum(key, before)}
	create := plan.Change{Path: "/certs.d/b/hosts.toml", Action: plan.Create}
	for name, tc := range map[string]struct {
		item  Item
		stale bool
	}{
		"as it was":                        {Item{Target: update.Path, Before: file(before), After: NewFile([]byte("after"), 0o644)}, false},
		"other bytes":                      {Item{Target: update.Path, Before: file([]byte("other"))}, true},
		"gone":                             {Item{Target: update.Path, Before: Entry{Kind: KindAbsent}}, true},
		"a link by now":                    {Item{Target: update.Path, Before: Entry{Kind: KindSymlink}}, true},
		"a file that is made":              {Item{Target: create.Path, Before: Entry{Kind: KindAbsent}}, false},
		"a file that is there by now":      {Item{Target: create.Path, Before: file(before)}, true},
		"a host directory that is made":    {Item{Target: "/certs.d/b", Before: Entry{Kind: KindAbsent}}, false},
		"a host directory that is there":   {Item{Target: "/certs.d/b", Before: NewDir(0o755)}, true},
		"something that was not shown yet": {Item{Target: "/certs.d/c/hosts.toml", Before: file(before)}, true},
	} {
		items := []Item{tc.item}
		err := asShown(items, []plan.Change{update, create}, key)
		var told *protocol.Error
		if stale := errors.As(err, &told) && told.Kind == protocol.ErrStale; stale != tc.stale || (err != nil) != tc.stale {
			t.Errorf("%s: %v", name, err)
		}
		if name == "as it was" && (items[0].After.UID != 7 || items[0].After.GID != 8) {
			t.Errorf("%s: owner %d:%d", name, items[0].After.UID, items[0].After.GID)
		}
	}
}

func TestMendedFile(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"plain", "real"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "plain", "hosts.toml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"linked": "real", "plain/link.toml": "hosts.toml"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name   string
		create bool
		mode   uint32
		odd    bool
	}{
		{"plain/hosts.toml", false, 0o600, false},
		{"new/hosts.toml", true, 0o644, false},
		{"plain/gone.toml", false, 0o644, true},
		{"plain/link.toml", false, 0o644, true},
		{"linked/hosts.toml", true, 0o644, true},
		{"plain", false, 0o644, true},
	} {
		m := mendedFile(doctor.Fix{File: filepath.Join(dir, tc.name), Create: tc.create})
		if m.Mode != tc.mode || (m.Odd != "") != tc.odd {
			t.Errorf("%s: mode %04o, odd %q", tc.name, m.Mode, m.Odd)
		}
	}
}
