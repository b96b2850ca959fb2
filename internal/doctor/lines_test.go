package doctor_test

import (
	"slices"
	"testing"

	"github.com/pullway/pullway/internal/doctor"
)

// What a finding becomes with newer releases: it begins, ends or gets another effect.
func TestLater(t *testing.T) {
	version := func(v, table string) string {
		return "version = " + v + "\n[plugins.\"" + table + "\".registry]\n"
	}
	const v2, v3 = "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"
	dirs := "config_path = \"/etc/containerd/certs.d\"\n"
	for _, tc := range []struct {
		reason, release, config, hosts string
		rule, since, until             string
		later                          []doctor.Later
	}{
		{"begins with 2.1", "1.7.35", version("2", v2) + "config_path = \"/a:/b\"\n", "", "CFG015", "2.1", "", nil},
		{"ends within its own line", "1.7.20", version("2", v2) + dirs, "server = \"https://r.lan\"\n", "HST003", "", "1.7.35", nil},
		{"ends with a newer line", "2.0.14", version("2", v2) + dirs, "[host.\"https://r.lan\"]\ncapabilities = [\"pull\", \"resolve\", \"referrers\"]\n", "HST011", "", "2.2", nil},
		{"another effect from 2.3 on", "2.2.3", version("3", v3) + dirs + version("", v2)[len("version = \n"):] + "config_path = \"/old\"\n", "", "CFG011", "", "",
			[]doctor.Later{{Since: "2.3", Severity: doctor.S3, Text: "the registry table of version 2 in a file of version 3 takes the place of the new one since 2.3"}}},
		{"worse from 2.2.0 to 2.2.1 only is not seen: late releases count", "2.1.9", version("2", v2) + "[plugins.\"" + v2 + "\".registry.mirrors.\"r.lan\"]\nendpoint = [\"https://m.lan\"]\n", "", "CFG026", "", "", nil},
	} {
		dir := etc(t, map[string]string{"config.toml": tc.config, "certs.d/r.lan/hosts.toml": tc.hosts})
		if tc.hosts == "" {
			dir = etc(t, map[string]string{"config.toml": tc.config})
		}
		trees, _, err := doctor.Open(dir)
		if err != nil || doctor.Set(trees, tc.release) != nil {
			t.Fatal(err)
		}
		r := doctor.Examine(trees[0].Node)
		i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.Rule == tc.rule })
		if i < 0 {
			t.Errorf("%s: %s is not told: %+v", tc.reason, tc.rule, r.Findings)
			continue
		}
		if f := r.Findings[i]; f.Since != tc.since || f.Until != tc.until || !slices.Equal(f.Later, tc.later) {
			t.Errorf("%s: since %q until %q later %v, want %q %q %v", tc.reason, f.Since, f.Until, f.Later, tc.since, tc.until, tc.later)
		}
	}
}
