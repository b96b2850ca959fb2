package node

import (
	"path/filepath"
	"testing"

	"github.com/pullway/pullway/internal/plan"
)

// A host directory vanishes as a whole only when nothing stays in it and nothing
// comes: an empty one, and one whose files all make room for others, get files.
func TestItemsOfAHostDirectory(t *testing.T) {
	create, gone := plan.Create, plan.Delete
	cases := map[string]struct {
		there   []string
		empty   bool
		changes map[string]plan.Action
		want    string // of the folder, when it is one item
		items   int
	}{
		"absent":                     {nil, false, map[string]plan.Action{"hosts.toml": create}, "dir", 1},
		"all deleted":                {[]string{"ca-1.pem", "hosts.toml"}, false, map[string]plan.Action{"ca-1.pem": gone, "hosts.toml": gone}, "absent", 1},
		"some deleted":               {[]string{"ca-1.pem", "hosts.toml"}, false, map[string]plan.Action{"ca-1.pem": gone}, "", 1},
		"empty, and a file comes":    {nil, true, map[string]plan.Action{"hosts.toml": create}, "", 1},
		"all deleted, another comes": {[]string{"ca-1.pem"}, false, map[string]plan.Action{"ca-1.pem": gone, "hosts.toml": create}, "", 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := emptyBench(t)
			dir := filepath.Join(b.hosts(), "a.example.com")
			for _, f := range tc.there {
				b.write("certs.d/a.example.com/"+f, "x", 0o644)
			}
			if tc.empty {
				b.write("certs.d/a.example.com/x", "", 0o644)
				if err := b.store.disk.remove(filepath.Join(dir, "x")); err != nil {
					t.Fatal(err)
				}
			}
			var changes []plan.Change
			for _, f := range []string{"ca-1.pem", "hosts.toml"} {
				if a, ok := tc.changes[f]; ok {
					changes = append(changes, plan.Change{Path: filepath.Join(dir, f), Action: a, Mode: 0o644, Content: []byte("new")})
				}
			}
			items, _, err := itemsOf(changes, b.hosts(), "t1")
			if err != nil || len(items) != tc.items {
				t.Fatalf("items %+v, %v; want %d", items, err, tc.items)
			}
			if whole := items[0].Target == dir; whole != (tc.want != "") || whole && string(items[0].After.Kind) != tc.want {
				t.Errorf("item %s becomes %s, want the folder to become %q", items[0].Target, items[0].After.Kind, tc.want)
			}
		})
	}
}
