package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/containerd/hoststoml"
)

// What the plan writes may not be thrown away by containerd; what others wrote and
// containerd throws away is told, and forbids nothing.
func TestHostRules(t *testing.T) {
	bad, odd := "server = \"https://r.lan\n", "plain_http = true\n[host]\n"
	for _, tc := range []struct {
		reason, file string
		ours         bool
		problem      string
		warning      string
	}{
		{"ours is not TOML", bad, true, "HST002", ""},
		{"ours has a key that is ignored", odd, true, "", "HST001"},
		{"somebody else's is not TOML", bad, false, "", "HST002"},
		{"somebody else's has a key that is ignored", odd, false, "", ""},
	} {
		b := &builder{wanted: map[string]bool{}}
		b.o.HostsDir = DefaultHostsDir
		b.o.Release.Major, b.o.Release.Minor = 2, 4
		var all []wantedDir
		if tc.ours {
			all = []wantedDir{{name: "r.lan", files: []hoststoml.Rendered{{Name: hoststoml.FileName, Data: []byte(tc.file)}}}}
		} else {
			b.o.Hosts = []HostDir{{Name: "r.lan", Kind: "dir", Files: []HostFile{{Name: hoststoml.FileName, Data: []byte(tc.file)}}}}
		}
		b.hostRules(all)
		has := func(notices []Notice, id string) bool {
			return slices.ContainsFunc(notices, func(n Notice) bool {
				return n.ID == id && strings.HasPrefix(n.Text, DefaultHostsDir+"/r.lan/hosts.toml:")
			})
		}
		if tc.problem != "" && !has(b.node.Problems, tc.problem) || len(b.node.Problems) != count(tc.problem) {
			t.Errorf("%s: problems %+v", tc.reason, b.node.Problems)
		}
		if tc.warning != "" && !has(b.node.Warnings, tc.warning) || len(b.node.Warnings) != count(tc.warning) {
			t.Errorf("%s: warnings %+v", tc.reason, b.node.Warnings)
		}
	}
}

func count(id string) int {
	if id == "" {
		return 0
	}
	return 1
}
