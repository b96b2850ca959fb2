package spelling

import (
	"testing"

	"pgregory.net/rapid"
)

func TestDistance(t *testing.T) {
	cases := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"host", "host", 0}, {"host", "hosts", 1}, {"hsot", "host", 1},
		{"containerd_registry_mirrors", "containerd_registries_mirrors", 3},
	}
	for _, c := range cases {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestDistanceIsTheSameBothWays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := rapid.StringMatching(`[a-c]{0,8}`).Draw(rt, "a"), rapid.StringMatching(`[a-c]{0,8}`).Draw(rt, "b")
		d := Distance(a, b)
		if d != Distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			rt.Fatalf("Distance(%q, %q) = %d", a, b, d)
		}
	})
}
